"""The day in one command: nothing is done twice, whatever kills it, and nothing where nothing is new."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import NotReadyError, StepError
from ml.daily_run import run, steps
from ml.daily_run.run_record import newest_record
from ml.home.layout import Home, challenger_of
from ml.home.write_lock import write_lock
from ml.journal import push
from ml.monitor.report import Alert
from ml.predictions.log import PredictionLog
from ml.score import score
from tests.ml.daily_run.conftest import Place, Report, Watch
from tests.ml.test_imports import loaded

pytestmark = pytest.mark.subjects(
    "ml/daily_run", "ml/ingest", "ml/journal", "ml/warehouse", "ml/train", "ml/score", "dbt_project"
)
MODULE = import_module("ml.daily_run.one_run")
ORDER = {"table": "orders", "order_id": "new-1", "ordered_at": "2024-12-31T23:30:00Z", "total_amount": 20.5}
KILLED_AFTER = """
import os, sys
from ml.daily_run import run, steps
def watch(day, out):
    out.write_text("<p>watched</p>")
    class Report:
        ok, alerts, retrain_due, retrain_reason = True, [], False, ""
    return Report()
steps.monitor_of = watch
{patch}
run({source!r}, home={home!r}, problem={problem!r})
"""
AFTER_INGEST = """
remember = steps.SourceFiles.remember
def killed(self, taken):
    os._exit(9) if taken.load_id else remember(self, taken)
steps.SourceFiles.remember = killed
"""
AFTER_LOG = """
from importlib import import_module
module = import_module("ml.daily_run.one_run")
write = module.write_record
def killed(home, record):
    os._exit(9) if "log" in record.steps else write(home, record)
module.write_record = killed
"""


class Killed(BaseException):
    """As an end from outside: no handler of errors sees it."""


def listing(home: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file."""
    files = (path for path in sorted(home.rglob("*")) if path.is_file() and not path.is_symlink())
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def artefacts(home: Path) -> dict[str, str]:
    """The hash of every file that a day makes for others: features, labels, model, scores."""
    files = [
        *home.glob("builds/build-*/features/*/*.parquet"),
        *home.glob("builds/build-*/labels/*/*.parquet"),
    ]
    files += home.glob("models/model-*/*.parquet")  # its probability of every test row
    named = {str(file.relative_to(home)): file for file in files}
    named |= {file.name: file for file in home.glob("runs/*/scores.parquet")}
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in named.items()}


def logged(home: Path) -> list[tuple[str, str]]:
    """Customer and build of every logged score."""
    with PredictionLog(Home(home)) as log:
        assert log.verify()["whole"]
        return sorted((row["customer_id"], row["build_id"]) for row in log.rows())


def made(home: Path) -> tuple[list[str], list[str], list[str], int]:
    """The names of loads, builds and models, and the number of runs."""
    names = [
        sorted(path.name for path in home.glob(pattern) if path.is_dir())
        for pattern in ("raw/load-*", "builds/build-*", "models/model-*")
    ]
    return names[0], names[1], names[2], len([*home.glob("runs/*/run.json")])


def go(place: Place, *words: str) -> Any:
    """``churn run`` as a user types it."""
    source = [str(place.raw)] if place.raw else []
    return CliRunner().invoke(
        main, ["run", *source, "--home", str(place.home), "--problem", str(place.problem), *words]
    )


def test_a_run_leaves_scores_report_log_and_record(day_one: Place) -> None:
    home = day_one.home
    record = newest_record(Home(home), "problem")
    assert record is not None
    assert list(record.steps) == [step.name for step in steps.STEPS]
    assert {name: step.state for name, step in record.steps.items() if step.state != "done"} == {
        "retrain": "not needed"
    }
    folder = home / "runs" / record.run
    assert sorted(path.name for path in folder.iterdir()) == ["monitor.html", "run.json", "scores.parquet"]
    scores = pq.read_table(folder / "scores.parquet")
    assert scores.equals(score(home=home, problem=day_one.problem))
    assert logged(home) == [
        (name, "build-000001") for name in sorted(scores.column("customer_id").to_pylist())
    ]
    content = json.loads((folder / "run.json").read_text())
    assert (content["complete"], content["ok"], content["customers"]) == (True, True, len(scores))
    assert (content["load_id"], content["model_version"]) == ("load-000001", "model-000001")


def test_a_second_run_writes_nothing_and_says_so(place: Place, watch: Watch) -> None:
    before = listing(place.home)
    ran = go(place)
    assert ran.exit_code == 0
    assert ran.stdout.startswith("nothing is new since ")
    assert "nothing was written" in ran.stdout
    assert json.loads(go(place, "--json").stdout)["is_new"] is False
    assert listing(place.home) == before
    assert watch.calls == 0


def test_a_run_without_anything_new_loads_nothing_heavy(place: Place) -> None:
    status, names = loaded("run", str(place.raw), "--problem", str(place.problem), home=place.home)
    assert (status, names) == ("0", set())


def test_a_run_killed_after_every_step_is_finished_without_anything_twice(
    day_one: Place, tmp_path: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run is killed after the work of each step, before it could be written down; twice by the system."""
    place = Place(day_one.raw, day_one.problem, tmp_path / "home")
    kill_by_system(place, AFTER_INGEST)
    assert made(place.home) == (["load-000001"], [], [], 0)
    for name in ("build", "train", "monitor", "materialize", "score"):
        with monkeypatch.context() as patch:
            patch.setattr(MODULE, "timed", killing(name))
            with pytest.raises(Killed):
                run(place.raw, home=place.home, problem=place.problem)
    kill_by_system(place, AFTER_LOG)
    done = run(place.raw, home=place.home, problem=place.problem)
    assert (done.is_new, done.record.complete) == (True, True)
    assert made(place.home) == (["load-000001"], ["build-000001"], ["model-000001"], 1)
    assert artefacts(place.home) == artefacts(day_one.home)
    assert logged(place.home) == logged(day_one.home)
    assert run(place.raw, home=place.home, problem=place.problem).is_new is False


def killing(name: str) -> Any:
    """A way to carry out steps that ends the run after the step of that name."""
    timed = steps.timed

    def killed(step: steps.Step, day: Any, record: Any) -> Any:
        done = timed(step, day, record)
        if step.name == name:
            raise Killed
        return done

    return killed


def kill_by_system(place: Place, patch: str) -> None:
    """A run in a process of its own, which ends at once where the patch says."""
    fields = {"source": str(place.raw), "home": str(place.home), "problem": str(place.problem)}
    code = KILLED_AFTER.format(patch=patch, **fields)
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ
    )
    assert ended.returncode == 9, ended.stderr


def test_new_facts_and_a_training_killed_before_its_promotion(
    place: Place, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = logged(place.home)[0][0]
    push(json.dumps(ORDER | {"customer_id": customer}), home=place.home)
    watch.report = Report(retrain_due=True, retrain_reason="the schedule says so")
    with monkeypatch.context() as patch:
        patch.setattr("ml.train.training.promote", killed_at_once)
        with pytest.raises(Killed):
            run(home=place.home, problem=place.problem)
    loads, builds, models = ["load-000001", "load-000002"], ["build-000001", "build-000002"], ["model-000001"]
    assert made(place.home) == (loads, builds, [*models, "model-000002"], 2)
    home = Home(place.home)
    assert challenger_of(home.current_build()) is None
    record = run(home=place.home, problem=place.problem).record
    assert made(place.home) == (loads, builds, [*models, "model-000002"], 2)
    challenger = challenger_of(home.current_build())
    promoted = json.loads((home.models / "model-000002" / "model.json").read_text())["promotion"]["promoted"]
    assert (home.current_model().name == "model-000002") is promoted
    assert (challenger is not None and challenger.name == "model-000002") is not promoted
    assert record.steps["retrain"].what.startswith("model-000002 ")
    assert record.model_version == home.current_model().name
    assert {build for _, build in logged(place.home)} == {"build-000001", "build-000002"}
    assert watch.calls == 1
    before = listing(place.home / "journal")
    assert run(home=place.home, problem=place.problem).is_new is False
    assert listing(place.home / "journal") == before


def killed_at_once(*_: Any) -> None:
    raise Killed


def test_a_step_that_fails_is_named_and_the_next_run_goes_on(
    place: Place, watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next(place.home.glob("runs/*/monitor.html")).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(steps, "monitor_of", broken)
        ran = go(place)
    assert (ran.exit_code, ran.stderr) == (1, "churn: the step 'monitor' failed: no reference yet\n")
    record = newest_record(Home(place.home), "problem")
    assert record is not None
    assert record.failed is not None
    assert (record.failed.step, record.failed.error) == ("monitor", "no reference yet")
    assert (record.complete, record.ok) == (False, False)
    done = run(place.raw, home=place.home, problem=place.problem)
    assert (done.record.run, done.record.failed, done.record.complete) == (record.run, None, True)
    assert made(place.home) == (["load-000001"], ["build-000001"], ["model-000001"], 1)


def broken(*_: Any) -> None:
    raise NotReadyError("no reference yet")


def test_a_source_that_cannot_be_read_leaves_what_there_was(
    place: Place, watch: Watch, tmp_path: Path
) -> None:
    place.raw = shutil.copytree(place.raw, tmp_path / "raw")
    (place.raw / "orders.parquet").write_bytes(b"no parquet")
    for _ in range(2):  # in one folder, however often it is tried
        ran = go(place)
        assert ran.exit_code == 1
        assert ran.stderr.startswith("churn: the step 'ingest' failed: ")
        assert len(ran.stderr.splitlines()) == 1
    assert made(place.home) == (["load-000001"], ["build-000001"], ["model-000001"], 2)


def test_an_alert_is_status_1_until_something_is_new(place: Place, watch: Watch) -> None:
    alert = Alert("feed", "orders stopped at 04:00", "", "", "", "2024-12-31T00:00:00Z")
    watch.report = Report(alerts=(alert,))
    (next(place.home.glob("runs/*/monitor.html"))).unlink()
    ran = go(place)
    assert ran.exit_code == 1
    sentence = "churn: the monitor has an alert: orders stopped at 04:00; see "
    assert ran.stderr.splitlines()[-1].startswith(sentence)
    record = newest_record(Home(place.home), "problem")
    assert record is not None
    assert (record.alerts, record.ok, record.complete) == (("orders stopped at 04:00",), False, True)
    before = listing(place.home)
    again = go(place)
    assert (again.exit_code, listing(place.home)) == (1, before)
    assert again.stderr.startswith(sentence)


def test_two_runs_at_once_and_a_source_that_is_not_there(place: Place, watch: Watch) -> None:
    next(place.home.glob("runs/*/scores.parquet")).unlink()  # something is to do
    with write_lock(place.home / "runs", "run"):
        ran = go(place)
    assert ran.exit_code == 1
    assert ran.stderr == (
        f"churn: 'churn run' (process {os.getpid()}) is writing to {place.home / 'runs'}: "
        "wait for it to end, then try again\n"
    )
    place.raw = place.raw / "nowhere"
    ran = go(place)
    assert (ran.exit_code, ran.stderr) == (
        2,
        f"churn: {place.raw} does not exist: give the folder, file or URL of the raw tables\n",
    )


def test_what_was_lost_is_made_again_alike(place: Place, day_one: Place, watch: Watch) -> None:
    (next(place.home.glob("runs/*/scores.parquet"))).unlink()
    (place.home / "feast" / "online_store.db").unlink()
    done = run(place.raw, home=place.home, problem=place.problem)
    assert done.record.steps["materialize"].what.startswith("build-000001 is online")
    assert artefacts(place.home) == artefacts(day_one.home)
    assert (made(place.home), logged(place.home)) == (made(day_one.home), logged(day_one.home))


def test_scores_are_not_logged_unless_asked_for(place: Place, watch: Watch) -> None:
    before = len(logged(place.home))
    shutil.rmtree(place.home / "runs")
    record = run(place.raw, home=place.home, problem=place.problem, log=False).record
    assert {name for name, step in record.steps.items() if step.state == "done"} == {"monitor", "score"}
    assert len(logged(place.home)) == before
    assert run(place.raw, home=place.home, problem=place.problem, log=False).is_new is False
    record = run(place.raw, home=place.home, problem=place.problem).record
    assert len(logged(place.home)) == before + record.customers


def test_a_step_error_names_its_step() -> None:
    error = StepError("build", "a test failed")
    assert (error.step, str(error), error.exit_status) == (
        "build",
        "the step 'build' failed: a test failed",
        1,
    )
