"""The record in MLflow: what is kept of a model, the two aliases, a server that is away or stops half way."""

import hashlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from ml.common.errors import ModelError, UsageError
from ml.common.progress import SILENT, Progress
from ml.home.layout import Home, set_challenger, set_model
from ml.home.publication import publish, publish_build
from ml.model.model_files import manifest_hash, write_model
from ml.tracking import database
from ml.tracking import server as place
from ml.tracking.manifest_entries import metrics, parameters
from ml.tracking.runs import reason, track_models
from ml.tracking.server import quiet_mlflow, tracking_server
from ml.warehouse.rollback import update_tracking
from tests.ml.conftest import Workshop

pytestmark = pytest.mark.subjects("ml/tracking")

VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_HTTP_REQUEST_TIMEOUT")
MANIFEST: dict[str, Any] = {
    "model_version": "model-000001",
    "kind": "xgboost",
    "seed": 17,
    "inputs": [{"name": "orders_90d"}, {"name": "city"}],
    "problem": {"horizon_days": 30, "threshold": {"rule": "recall_at_least", "value": 0.8}},
    "calibration": {"kind": "platt", "slope": 1.5, "raw": [0.1] * 500},
    "threshold": 0.25,
    "build_id": "build-000001",
    "data_clock": "2024-03-01T10:11:12.987654Z",
    "service_hash": "a" * 64,
    "dataset": "b" * 64,
    "code": {"version": "0.1.0", "commit": "c" * 40 + "-dirty", "source": "d" * 64},
    "versions": {"python": "3.11.7"},
    "parts": {"train": {"rows": 100, "base_rate": 0.2}, "test": {"rows": 40, "base_rate": 0.25}},
    "selection": [{"candidate": "xgboost", "value": 0.41, "champion": True}],
    "test": {
        "rows": 40,
        "candidates": {
            "prior": {"roc_auc": {"value": 0.5, "low": 0.5, "high": 0.5}},
            "xgboost": {"roc_auc": {"value": 0.83, "low": 0.8, "high": 0.86}},
        },
        "decision": {"precision": None, "recall": 0.8},
    },
    "promotion": {"promoted": True, "why": "no model went with build-000001", "difference": None},
}


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home whose build has one model."""
    home = Home(tmp_path / "home")
    build = home.builds / "build-000001"
    build.mkdir(parents=True)
    (home.builds / "current").symlink_to(build.name)
    set_model(build, keep(home, 1))
    return home


def keep(home: Home, number: int, **changed: Any) -> Path:
    """A model's folder, as training leaves it."""
    folder = home.models / f"model-{number:06d}"
    folder.mkdir(parents=True)
    files = {}
    for name in ("booster.json", "pipeline.skops"):
        (folder / name).write_bytes(f"{name} {number}".encode())
        files[name] = hashlib.sha256(f"{name} {number}".encode()).hexdigest()
    manifest = MANIFEST | {"model_version": folder.name, "files": files} | changed
    (folder / "model.json").write_text(json.dumps(manifest | {"card": manifest_hash(manifest)}))
    return folder


def challenged(home: Home, number: int) -> None:
    set_challenger(home.current_build(), keep(home, number))


def client_at(home: Home, tracking: str | None = None) -> Any:
    """MLflow's own client, as a user would look."""
    url = tracking_server(home, tracking).url
    with quiet_mlflow():
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=url, registry_uri=url)


def runs(home: Home, tracking: str | None = None) -> list[Any]:
    client = client_at(home, tracking)
    experiment = client.get_experiment_by_name("churn")
    return list(client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"]))


def aliases(home: Home, tracking: str | None = None) -> dict[str, str]:
    """Alias to the name of the model it leads to."""
    client = client_at(home, tracking)
    found = client.get_registered_model("churn").aliases
    return {
        alias: client.get_model_version("churn", version).tags["tidemark.model_version"]
        for alias, version in found.items()
    }


def test_a_run_has_what_was_asked_what_came_out_and_where_it_comes_from(home: Home, tmp_path: Path) -> None:
    said = track_models(home)
    (run,) = runs(home)
    assert said["sent"] == ["model-000001"]
    assert (run.info.run_name, run.info.status) == ("model-000001", "FINISHED")
    assert run.data.params["problem.threshold.value"] == "0.8"
    assert run.data.metrics["roc_auc"] == 0.83
    assert run.data.metrics["test/candidates/prior/roc_auc/value"] == 0.5
    assert run.data.metrics["parts/train/base_rate"] == 0.2
    expected = {
        "tidemark.data_clock": "2024-03-01T10:11:12.987654Z",
        "tidemark.service_hash": "a" * 64,
        "tidemark.dataset": "b" * 64,
        "tidemark.code.source": "d" * 64,
        "tidemark.build_id": "build-000001",
        "mlflow.source.git.commit": "c" * 40,
    }
    assert {name: run.data.tags[name] for name in expected} == expected
    dataset = run.inputs.dataset_inputs[0].dataset
    assert (dataset.name, dataset.digest, json.loads(dataset.profile)) == (
        "build-000001",
        "b" * 32,
        {"train": 100, "test": 40},
    )
    fetched = client_at(home).download_artifacts(run.info.run_id, "model", str(tmp_path))
    for file in ("model.json", "pipeline.skops"):
        assert (Path(fetched) / file).read_bytes() == (home.current_model() / file).read_bytes()


def test_mlflow_itself_loads_the_champion_and_refuses_changed_files(
    workshop: Workshop, tmp_path: Path
) -> None:
    home, model = Home(tmp_path / "home"), workshop.champion("xgboost")
    folder, build = home.models / "model-000001", home.builds / "build-000001"
    folder.mkdir(parents=True)
    build.mkdir(parents=True)
    (home.builds / "current").symlink_to(build.name)
    write_model(model, folder)
    set_model(build, folder)
    track_models(home)
    features, out = workshop.parts.test.table.slice(0, 300), tmp_path / "out.parquet"
    pq.write_table(features, tmp_path / "in.parquet")
    code = f"""
import mlflow, pandas
loaded = mlflow.pyfunc.load_model("models:/churn@champion", dst_path={str(tmp_path)!r})
loaded.predict(pandas.read_parquet({str(tmp_path / "in.parquet")!r})).to_parquet({str(out)!r})
"""
    environment = os.environ | {"MLFLOW_TRACKING_URI": tracking_server(home).url, "DO_NOT_TRACK": "true"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    expected = model.probability(model.frame(features))
    np.testing.assert_array_equal(pq.read_table(out)["churn_probability"], expected)

    (tmp_path / "booster.json").write_bytes(b"{}")
    with quiet_mlflow():
        from mlflow.pyfunc import load_model

        with pytest.raises(ModelError, match=r"booster\.json is not the file that training wrote"):
            load_model(str(tmp_path))


def test_numbers_of_the_card_and_no_others_become_metrics() -> None:
    found = metrics(MANIFEST)
    assert found["selection/xgboost/value"] == 0.41
    assert found["test/decision/recall"] == 0.8
    assert not {name for name in found if "precision" in name or name.endswith("champion")}
    assert "calibration.raw" not in parameters(MANIFEST)
    assert parameters(MANIFEST)["inputs"] == "2"


def test_aliases_follow_the_links_of_the_current_build(home: Home) -> None:
    track_models(home)
    assert aliases(home) == {"champion": "model-000001"}
    challenged(home, 2)
    track_models(home)
    assert aliases(home) == {"champion": "model-000001", "challenger": "model-000002"}
    set_model(home.current_build(), home.models / "model-000002")
    said = track_models(home)
    assert aliases(home) == {"champion": "model-000002"}
    assert said["aliases"] == {"champion": "model-000002", "challenger": None}
    assert said["versions"] == {"model-000001": "1", "model-000002": "2"}


def test_going_back_takes_the_aliases_along(home: Home) -> None:
    first, second = home.current_build(), home.builds / "build-000002"
    second.mkdir()
    for build in (first, second):
        (build / "build.json").write_text(json.dumps({"build_id": build.name}))
    publish_build(home, second, 9)
    set_model(second, keep(home, 2))
    track_models(home)
    assert aliases(home) == {"champion": "model-000002"}
    publish(first)
    update_tracking(home, SILENT)
    assert aliases(home) == {"champion": "model-000001"}


def test_without_a_record_going_back_makes_none(home: Home) -> None:
    update_tracking(home, SILENT)
    assert not (home.root / "mlflow.db").exists()


def test_again_nothing_is_sent_twice(home: Home) -> None:
    track_models(home)
    assert track_models(home)["sent"] == []
    assert len(runs(home)) == 1


def test_a_lost_record_is_made_anew(home: Home) -> None:
    track_models(home)
    challenged(home, 2)
    (home.root / "mlflow.db").unlink()
    assert track_models(home)["sent"] == ["model-000001", "model-000002"]
    assert aliases(home) == {"champion": "model-000001", "challenger": "model-000002"}


@pytest.mark.parametrize("step", ["log_batch", "log_inputs", "log_artifacts", "create_model_version"])
def test_killed_half_way_the_run_is_filled_up_next_time(
    home: Home, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with quiet_mlflow():
        from mlflow.tracking import MlflowClient

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, step, killed)
        with pytest.raises(KeyboardInterrupt):
            track_models(home)
    assert aliases_or_none(home) == {}
    track_models(home)
    (run,) = runs(home)
    assert (run.info.status, run.data.metrics["roc_auc"]) == ("FINISHED", 0.83)
    assert aliases(home) == {"champion": "model-000001"}
    history = client_at(home).get_metric_history(run.info.run_id, "roc_auc")
    assert [each.value for each in history] == [0.83]


def aliases_or_none(home: Home) -> dict[str, str]:
    return dict(client_at(home).get_registered_model("churn").aliases)


def test_a_changed_model_is_not_recorded(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    (home.current_model() / "pipeline.skops").write_bytes(b"another")
    said = track_models(home, progress=Progress())
    assert (said["sent"], said["versions"], said["error"]) == ([], {}, None)
    assert "model-000001 is not recorded" in capsys.readouterr().err
    assert aliases_or_none(home) == {}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_a_server_that_is_away_costs_the_record_not_the_model(
    home: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    address = f"http://somebody:secret@127.0.0.1:{free_port()}"
    said = track_models(home, tracking=address, progress=Progress())
    out, err = capsys.readouterr()
    assert (said["error"], said["sent"]) == ("Connection refused", [])
    assert out == ""
    assert err.count("\n") == 1
    assert "nothing else is lost, and the next 'churn train' makes up for it" in err
    assert "secret" not in err + json.dumps(said)

    challenged(home, 2)
    later = f"sqlite:///{tmp_path}/elsewhere/any.db"
    assert track_models(home, tracking=later)["sent"] == ["model-000001", "model-000002"]
    assert not (home.root / "mlflow.db").exists()


def test_a_server_that_never_answers_is_not_waited_for_long(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(place.FIRST_PATIENCE, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(8)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert track_models(home, tracking=address)["error"] == "no answer in time"


def test_a_file_that_is_no_database_is_said_at_once(home: Home) -> None:
    (home.root / "mlflow.db").write_text("something else" * 100)
    started = time.monotonic()
    assert track_models(home)["error"] == f"{home.root / 'mlflow.db'} is no database: move it away"
    assert time.monotonic() - started < 20


def test_an_address_of_no_server_is_refused_before_any_work(home: Home) -> None:
    with pytest.raises(UsageError, match="ftp://host is no address of a tracking server"):
        tracking_server(home, "ftp://host")


def test_where_to_is_asked_then_the_environment_then_the_home(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tracking_server(home).url == f"sqlite:///{home.root}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://host:5000")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "shop")
    assert (tracking_server(home).url, tracking_server(home).name) == ("https://host:5000", "shop")
    assert tracking_server(home, "http://other").url == "http://other"


def test_what_a_killed_maker_left_is_cleared(tmp_path: Path) -> None:
    for ending in ("", "-journal"):
        (tmp_path / f".mlflow.db.new{ending}").write_bytes(b"half")
    with quiet_mlflow():
        database.make_database(tmp_path / "mlflow.db")
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        assert connection.execute("select name from workspaces").fetchall() == [("default",)]
    connection.close()


def test_nothing_is_reported_and_the_environment_is_as_before() -> None:
    before = dict(os.environ)
    with quiet_mlflow():
        from mlflow.telemetry.utils import is_telemetry_disabled

        assert os.environ["DO_NOT_TRACK"] == "true"
        assert is_telemetry_disabled()
    assert dict(os.environ) == before


def test_reasons_are_short() -> None:
    text = "HTTPConnectionPool(host='x', port=1): ... NewConnectionError('[Errno 111] Connection refused'))"
    assert reason(OSError(text)) == "Connection refused"
    assert reason(ValueError("one\ntwo")) == "one"
    assert reason(ValueError()) == "ValueError"


def test_only_training_loads_mlflow(trained: tuple[Path, dict[str, Any]]) -> None:
    """Scores and the held-out report on a trained home, in a process of their own."""
    home, _ = trained
    code = f"""
import sys
import ml.train.training
from ml.evaluate import evaluate
from ml.score.scoring import score
score(home={str(home)!r})
evaluate(home={str(home)!r})
print([name for name in ("mlflow", "sqlalchemy", "alembic") if name in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real tracking server on this machine, where an MLflow that can serve is named."""
    command = os.environ.get("MLFLOW_SERVER_COMMAND")
    if not command or not shutil.which(command):
        pytest.skip("NOT TESTED: MLFLOW_SERVER_COMMAND names no mlflow that can serve (mlflow-skinny cannot)")
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    words = [command, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder}/s.db", "--artifacts-destination", f"{folder}/files"]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def wait_for(port: int) -> None:
    for _ in range(240):
        with socket.socket() as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.25)
    raise TimeoutError(f"nothing listens on port {port}")


def test_a_real_server_gets_the_same(
    home: Home, server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    challenged(home, 2)
    said = track_models(home, tracking=server)
    assert (said["sent"], said["error"]) == (["model-000001", "model-000002"], None)
    assert track_models(home, tracking=server)["sent"] == []
    assert aliases(home, server) == {"champion": "model-000001", "challenger": "model-000002"}
    run = runs(home, server)[0]
    assert run.data.metrics["roc_auc"] == 0.83
    fetched = client_at(home, server).download_artifacts(run.info.run_id, "model", str(tmp_path))
    names = {path.name for path in Path(fetched).iterdir()}
    assert names == {"MLmodel", "booster.json", "model.json", "pipeline.skops"}
    assert capsys.readouterr().out == ""
