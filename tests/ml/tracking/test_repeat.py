"""A model trained once more from its record: the same to the last bit, or each difference by its name."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.durable_files import sha256
from ml.common.errors import ModelError, NotReadyError, TidemarkError, UsageError
from ml.config.problem import Problem, Tuning
from ml.model.model_files import manifest_hash
from ml.train import train
from ml.train.repeat import changed_versions, differences, repeat, trials_of
from ml.train.tuning import storage_errors
from tests.ml.synthetic_build import write_build

pytestmark = pytest.mark.subjects("ml/tracking", "ml/train")

NAMES = ("prior", "recency_rule", "logistic_regression", "xgboost")
PROBLEM = replace(
    Problem(), candidates=NAMES, tuning=Tuning(trials=2), training_rows_max=1500, metric="roc_auc"
)
MODEL = "model-000001"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("made")
    write_build(home, customers=150)
    train(home=home, problem=PROBLEM, seed=5)
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "home", symlinks=True)
    return tmp_path / "home"


def rewrite(home: Path, change: Callable[[dict[str, Any], Path], None]) -> None:
    """Change what a model's files say, with all hashes right again."""
    folder = home / "models" / MODEL
    manifest = json.loads((folder / "model.json").read_text())
    change(manifest, folder)
    manifest["files"] = {name: sha256(folder / name) for name in manifest["files"]}
    (folder / "model.json").write_text(json.dumps(manifest | {"card": manifest_hash(manifest)}))


def files(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_it_is_the_same_to_the_last_bit_and_nothing_is_kept(home: Path) -> None:
    """With the search for settings done anew, and the default problem another one than the recorded."""
    before = files(home)
    found = repeat(MODEL, home=home)
    rows = pq.read_table(home / "models" / MODEL / "test.parquet").num_rows
    assert (found["differences"], found["same"], found["changed"]) == ([], True, {})
    assert (found["seed"], found["build_id"]) == (5, "build-000001")
    assert found["compared"]["probabilities"] == rows * len(NAMES)
    assert found["compared"]["values"] > 200
    assert {name: text for name, text in files(home).items() if not name.endswith(".lock")} == {
        name: text for name, text in before.items() if not name.endswith(".lock")
    }


def test_whatever_was_tampered_with_or_trained_on_other_rows_is_named(home: Path) -> None:
    """The smallest step in one probability, one metric, and one label of the build turned round."""

    def plant(manifest: dict[str, Any], folder: Path) -> None:
        rows = pq.read_table(folder / "test.parquet")
        values = rows.column("prior").to_numpy().copy()
        values[3] = np.nextafter(values[3], 1)
        place = rows.column_names.index("prior")
        pq.write_table(rows.set_column(place, "prior", pa.array(values)), folder / "test.parquet")
        manifest["test"]["candidates"]["prior"]["brier"]["value"] += 1e-15

    rewrite(home, plant)
    turn_one_label(home)
    result = CliRunner().invoke(main, ["train", "--repeat", MODEL, "--home", str(home), "--json"])
    found = json.loads(result.stdout)
    assert (result.exit_code, found["same"]) == (1, False)
    named = [each.split(" was ")[0].split(":")[0] for each in found["differences"]]
    assert {"prior", "dataset", "test.candidates.prior.brier.value"} <= set(named)


def turn_one_label(home: Path) -> None:
    """In the training rows after the burn-in, where the test part does not change with it."""
    file = next((home / "builds" / "build-000001" / "labels" / "label_customer_churn").glob("*.parquet"))
    rows = pq.read_table(file)
    churned = rows.column("churned").to_numpy().copy()
    churned[np.argsort(rows.column("event_timestamp").to_numpy(), kind="stable")[len(churned) // 3]] ^= 1
    pq.write_table(rows.set_column(rows.column_names.index("churned"), "churned", pa.array(churned)), file)


def test_a_build_that_is_gone_a_model_that_never_was_and_one_that_was_changed(home: Path) -> None:
    with pytest.raises(UsageError, match="there is no model model-000009 to repeat: model-000001"):
        repeat("model-000009", home=home)
    (home / "builds" / "build-000001").rename(home / "builds" / "build-000002")
    with pytest.raises(NotReadyError, match="build-000001, which model-000001 was trained on, is no longer"):
        repeat(MODEL, home=home)
    (home / "models" / MODEL / "test.parquet").write_bytes(b"")
    with pytest.raises(ModelError, match=r"test\.parquet is not the file that training wrote"):
        repeat(MODEL, home=home)


def test_nothing_of_the_record_can_be_overruled(home: Path) -> None:
    result = CliRunner().invoke(main, ["train", "--repeat", MODEL, "--seed", "3", "--home", str(home)])
    assert result.exit_code == 2
    assert "--repeat takes problem, labels and seed from the record" in result.stderr


def test_libraries_and_code_that_changed_since_are_told(made: Path) -> None:
    manifest = json.loads((made / "models" / MODEL / "model.json").read_text())
    manifest["versions"] |= {"numpy": "1.0.0", "no-such-library": "2.0"}
    manifest["code"]["source"] = "0" * 64
    found = changed_versions(manifest)
    assert found["numpy"][0] == "1.0.0"
    assert found["no-such-library"] == ["2.0", None]
    assert found["code"][0] == "source 000000000000"
    assert set(found) == {"numpy", "no-such-library", "code"}


def test_a_search_that_was_cut_short_is_repeated_as_far_as_it_came() -> None:
    tuned = [{"candidate": "xgboost", "trials": 3, "cut_short": True}]
    assert trials_of({"tuning": tuned}) == {"xgboost": 3}
    assert trials_of({}) == {}


def test_a_file_of_searches_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    import optuna

    file = tmp_path / "tuning.db"
    file.write_text("no database" * 100)
    said = r"tuning\.db, which .* cannot be used \(file is not a database\)"
    with pytest.raises(TidemarkError, match=said), storage_errors(file):
        optuna.create_study(storage=f"sqlite:///{file}")


def test_each_difference_has_its_place() -> None:
    recorded = {"a": {"b": [1, 2.0], "milliseconds": 5}, "c": None, "d": [1]}
    now = {"a": {"b": [1, 2.5], "milliseconds": 9}, "c": None, "d": [1, 2], "e": "new"}
    assert list(differences(recorded, now)) == [
        "a.b[1] was 2.0, is 2.5",
        "d was [1], is [1, 2]",
        'e was null, is "new"',
    ]
