"""The frame of the audit: which checks are made, in what time, and how what they find is told."""

import json
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from click.testing import CliRunner, Result

from ml.audit import all_checks as frame
from ml.audit.all_checks import CHECKS, audit, run_checks, scratch_folder
from ml.audit.findings import Audit, Breach, Finding, not_checked
from ml.cli import main
from ml.common.errors import DamagedError, NotReadyError, OnlineDamagedError, TidemarkError, UsageError
from ml.common.progress import SILENT
from ml.config.problem import Problem
from ml.home.layout import Home
from tests.worlds import Built

Check = Callable[[Audit], Finding]
MOVED = Breach(
    "feat_x.n moves before an instant when only later facts are added", {"customer_id": "c1", "before": None}
)


def passing(given: Audit) -> Finding:
    return Finding("labels", compared=1234, what="rows", detail="all well", sampled="half of them")


def breaching(given: Audit) -> Finding:
    return Finding("windows", compared=7, detail="one column moved", breaches=(MOVED,))


def unready(given: Audit) -> Finding:
    raise NotReadyError("nothing was materialized: run 'churn materialize'")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, Check]:
    """The checks that are made instead of the real ones, by the name of their module."""
    checks: dict[str, Check] = {"labels": passing, "windows": breaching, "online": unready}

    def module(name: str) -> SimpleNamespace:
        return SimpleNamespace(check=checks[name.removeprefix("ml.audit.")])

    monkeypatch.setattr(frame, "import_module", module)
    return checks


def asked(world: Built, out: Path, *options: str) -> Result:
    where = ["--home", str(world.home), "--out", str(out / "page.html")]
    return CliRunner().invoke(main, ["audit", *where, *options])


def test_an_unknown_check_is_refused_with_the_names_there_are(world: Built) -> None:
    with pytest.raises(UsageError, match=r"there is no check 'weather': choose from ledger, .*, replay"):
        audit(home=world.home, only=["weather"])


def test_no_time_is_refused(world: Built) -> None:
    with pytest.raises(UsageError, match="--seconds 0 leaves no time"):
        audit(home=world.home, seconds=0)


def test_a_home_without_a_build_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="run 'churn ingest PATH', then 'churn build'"):
        audit(home=tmp_path)


def test_another_problem_needs_another_build(world: Built) -> None:
    with pytest.raises(NotReadyError, match="horizon_days 30, the problem says 14"):
        audit(home=world.home, problem=Problem(horizon_days=14))


def test_time_is_shared_by_weight_and_what_is_left_is_the_others(made: dict[str, Check]) -> None:
    seen: dict[str, tuple[float, float]] = {}

    def noting(given: Audit) -> Finding:
        seen["labels" if not seen else "windows"] = (given.seconds, given.seconds_left())
        return passing(given)

    made |= {"labels": noting, "windows": noting}
    given = Audit(*[None] * 8, seed=0, seconds=100.0, deadline=0.0, progress=SILENT)  # type: ignore[arg-type]
    run_checks(given.within(100.0, frame.time.monotonic() + 100), ["labels", "windows"])
    share = 100 * CHECKS["labels"] / (CHECKS["labels"] + CHECKS["windows"])
    assert seen["labels"] == pytest.approx((share, share), abs=1)
    assert seen["windows"] == pytest.approx((100 - share, 100), abs=1)


def test_the_same_seed_and_purpose_draw_the_same() -> None:
    given = Audit(*[None] * 8, seed=4, seconds=1.0, deadline=0.0)  # type: ignore[arg-type]
    drawn = [given.random(purpose).random() for purpose in ("a", "a", "b")]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_pass_alone_is_a_pass(world: Built, made: dict[str, Check], tmp_path: Path) -> None:
    result = asked(world, tmp_path, "--check", "labels")
    assert result.exit_code == 0
    line = next(line for line in result.stdout.splitlines() if line.startswith("labels "))
    assert line.split()[1:4] == ["passed", "1,234", "rows"]
    assert line.endswith("half of them")
    assert "no breach\n" in result.stdout
    assert "seed 0" in result.stdout.splitlines()[0]


def test_a_breach_ends_with_status_1_and_is_named(
    world: Built, made: dict[str, Check], tmp_path: Path
) -> None:
    result = asked(world, tmp_path, "--check", "labels", "--check", "windows")
    assert result.exit_code == 1
    assert f"BREACH: {MOVED.what} (customer_id c1, before null)" in result.stdout
    assert "BREACH in windows\n" in result.stdout


def test_a_check_that_cannot_be_made_is_no_pass(world: Built, made: dict[str, Check], tmp_path: Path) -> None:
    result = asked(world, tmp_path, "--check", "online", "--json")
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert (said["passed"], said["not_checked"]) == (False, ["online"])
    assert said["checks"][0]["skipped"] == "nothing was materialized: run 'churn materialize'"


@pytest.mark.parametrize(
    "error",
    [
        OnlineDamagedError("the file is damaged: delete it"),
        DamagedError("build.json is damaged: delete it"),
        TidemarkError("the file cannot be read: delete it"),
        duckdb.IOException("no room: delete it"),
        sqlite3.OperationalError("database is locked: delete it"),
        OSError("no such device: delete it"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_there_and_cannot_be_checked_is_a_fault(
    world: Built, made: dict[str, Check], tmp_path: Path, error: Exception
) -> None:
    def failing(given: Audit) -> Finding:
        raise error

    made["online"] = failing
    result = asked(world, tmp_path, "--check", "labels", "--check", "online")
    assert result.exit_code == 1
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("online "))
    assert line.split()[1] == "FAILED"
    assert line.endswith(str(error))
    assert "no breach; COULD NOT BE CHECKED: online\n" in result.stdout
    assert "online: could not be checked" in (tmp_path / "page.html").read_text()

    said = json.loads(asked(world, tmp_path, "--check", "labels", "--check", "online", "--json").stdout)
    assert (said["passed"], said["not_checked"], said["failed"]) == (False, ["online"], ["online"])
    assert [check["failed"] for check in said["checks"]] == [False, True]


def test_what_took_longer_than_asked_is_said(world: Built, made: dict[str, Check], tmp_path: Path) -> None:
    def slow(given: Audit) -> Finding:
        time.sleep(0.7)
        return passing(given)

    made["labels"] = slow
    asked_for = ("--check", "labels", "--check", "windows", "--seconds", "0.4")
    text = asked(world, tmp_path, *asked_for).stdout
    said = json.loads(asked(world, tmp_path, *asked_for, "--json").stdout)
    assert said["seconds_asked"] == 0.4
    assert said["seconds"] >= 0.7
    assert said["overran"][0] == "labels"
    assert said["checks"][0]["seconds"] >= 0.7
    assert said["checks"][0]["allowed"] == pytest.approx(0.3, abs=0.05)
    (line,) = (line for line in text.splitlines() if line.startswith("took "))
    assert re.fullmatch(
        r"took \d+\.\d s, longer than the 0\.4 s asked: labels 0\.[78] s of 0\.3 s.*; samples have a least "
        r"size, and what has begun, such as a run of dbt, is not cut off",
        line,
    )


def test_what_kept_to_its_time_says_nothing_of_it(
    world: Built, made: dict[str, Check], tmp_path: Path
) -> None:
    result = asked(world, tmp_path, "--check", "labels")
    assert "took " not in result.stdout
    said = json.loads(asked(world, tmp_path, "--check", "labels", "--json").stdout)
    assert (said["seconds_asked"], said["overran"], said["failed"]) == (120, [], [])


def test_what_was_not_checked_is_said_loudly(world: Built, made: dict[str, Check], tmp_path: Path) -> None:
    result = asked(world, tmp_path, "--check", "labels", "--check", "online")
    assert result.exit_code == 0
    assert result.stdout.count("NOT CHECKED") == 2
    assert "no breach; NOT CHECKED: online\n" in result.stdout


def test_json_says_all_of_it(world: Built, made: dict[str, Check], tmp_path: Path) -> None:
    said = json.loads(asked(world, tmp_path, "--check", "windows", "--seed", "9", "--json").stdout)
    assert (said["build_id"], said["load_id"], said["seed"]) == ("build-000001", "load-000001", 9)
    assert said["data_clock"] == "2025-06-01T00:00:00Z"
    (check,) = said["checks"]
    assert (check["check"], check["passed"], check["compared"], check["what"]) == (
        "windows",
        False,
        7,
        "cells",
    )
    assert check["breaches"] == [{"what": MOVED.what, "example": MOVED.example, "count": 1}]


def test_the_page_is_written(world: Built, made: dict[str, Check], tmp_path: Path) -> None:
    asked(world, tmp_path, "--check", "windows")
    assert MOVED.what in (tmp_path / "page.html").read_text()


def test_what_a_killed_audit_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "audit" / "scratch-999999999"
    left.mkdir(parents=True)
    with scratch_folder(Home.at(tmp_path)) as folder:
        assert folder.is_dir()
        assert not left.exists()
    assert not folder.exists()


def test_not_checked_has_a_reason() -> None:
    finding = not_checked("online", "no store")
    assert (finding.passed, finding.skipped, finding.detail) == (False, "no store", "no store")
