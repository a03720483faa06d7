"""Audit: every check in turn, each within its share of the time, over one leased build.

A published build and the raw tables behind it come in; what was compared, and every breach, goes out.
"""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb

from ml.audit.findings import Audit, Finding, failed, not_checked
from ml.common.errors import DamagedError, NotReadyError, TidemarkError, UsageError
from ml.common.instants import format_instant
from ml.common.paths import ROOT
from ml.common.progress import SILENT, Progress
from ml.config.problem import Problem
from ml.features.labels import check_same_problem
from ml.featurestore.catalog import read_catalog
from ml.home.build_manifest import read_build_manifest
from ml.home.layout import Home
from ml.home.problem_file import problem_for

SECONDS = 120
PROJECT = ROOT / "dbt_project"
# Where the module of a check has another name than the check itself.
MODULES = {"ledger": "reconciliation", "stand-ins": "leaky_features"}
# name -> share of the time that is left to those not yet made; a module of that name has ``check``
CHECKS = {
    "ledger": 3,
    "clocks": 1,
    "labels": 12,
    "windows": 4,
    "stand-ins": 4,
    "online": 10,
    "history": 12,
    "poison": 28,
    "replay": 27,
}


def audit(
    *,
    home: Home | str | os.PathLike[str] | None = None,
    seconds: float = SECONDS,
    seed: int = 0,
    problem: Problem | str | Path | None = None,
    only: Sequence[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    project: Path = PROJECT,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Check the published build against the raw data, and against what time must not change.

    Parameters
    ----------
    home : Home or path, optional
    seconds : float
        What all checks together may take, roughly; samples are as large as that allows.
    seed : int
        The same data and seed give the same samples.
    problem : Problem or path, optional
        What the labels answer; ``problem.yml`` by default.
    only : sequence of str, optional
        Names of ``CHECKS``; all by default.
    out : path, optional
        Where the page goes, by default ``audit/<build>.html`` in the home.
    project : Path
        The dbt project that made the build.

    Returns
    -------
    dict
        passed (no breach, nothing failed, and something was checked), not_checked (names), failed (those of
        them that could not be checked though there was something to), build_id, load_id, data_clock, seed,
        seconds, seconds_asked, overran (checks that took longer than their share, where all together took
        longer than asked), audited_at, page, and ``checks``: one dict a check, as ``Finding`` has them.

    Raises
    ------
    NotReadyError
        Nothing was built, or for another problem.
    UsageError
        There is no such check, or no time for any.
    """
    names, where = chosen(only, seconds), Home.at(home)
    problem, started = problem_for(where, problem, progress), time.monotonic()
    with where.reading() as build, scratch_folder(where) as scratch:
        check_same_problem(build, problem)
        manifest = read_build_manifest(build)
        given = Audit(
            home=where,
            build=build,
            load=where.raw / manifest["load_id"],
            manifest=manifest,
            catalog=read_catalog(build),
            problem=problem,
            project=Path(project).resolve(),
            scratch=scratch,
            seed=seed,
            seconds=seconds,
            deadline=started + seconds,
            progress=progress,
        )
        findings = run_checks(given, names)
        result = result_of(given, findings, time.monotonic() - started)
        result["page"] = str(write_page(result, where, out))
    return result


def chosen(only: Sequence[str] | None, seconds: float) -> list[str]:
    """The checks to make, in the order of ``CHECKS``."""
    if seconds <= 0:
        raise UsageError(f"--seconds {seconds:g} leaves no time for any check: give more")
    for name in only or ():
        if name not in CHECKS:
            raise UsageError(f"there is no check {name!r}: choose from {', '.join(CHECKS)}")
    return [name for name in CHECKS if not only or name in only]


def run_checks(given: Audit, names: Sequence[str]) -> list[Finding]:
    """Make the checks in turn; what one leaves of its time is the others'."""
    findings = []
    with given.progress.bar("auditing", total=len(names)) as bar:
        for place, name in enumerate(names):
            bar.step(f"auditing: {name}", 0)
            share = CHECKS[name] / sum(CHECKS[each] for each in names)
            of_rest = CHECKS[name] / sum(CHECKS[later] for later in names[place:])
            deadline = time.monotonic() + given.seconds_left() * of_rest
            findings.append(run_check(name, given.within(given.seconds * share, deadline)))
            bar.step()
    return findings


def run_check(name: str, given: Audit) -> Finding:
    """One check, timed; what keeps it from being made is said, and is no pass.

    It is a fault unless an earlier step has merely not been run.
    """
    started, allowed = time.monotonic(), given.seconds_left()
    check: Callable[[Audit], Finding] = import_module(f"ml.audit.{MODULES.get(name, name)}").check
    try:
        found = check(given)
    except (TidemarkError, OSError, duckdb.Error, sqlite3.Error) as error:
        lacks = isinstance(error, NotReadyError) and not isinstance(error, DamagedError)
        found = (not_checked if lacks else failed)(name, first_line(error))
    return found.timed(time.monotonic() - started, allowed)


def first_line(error: Exception) -> str:
    """What an error says, in a line."""
    return (str(error) or type(error).__name__).splitlines()[0]


def result_of(given: Audit, findings: Sequence[Finding], took: float) -> dict[str, Any]:
    """All that there is to say, as plain values."""
    late = findings if took > given.seconds else ()
    return {
        "passed": any(one.passed for one in findings)
        and not any(one.breaches or one.failed for one in findings),
        "not_checked": [one.check for one in findings if one.skipped],
        "failed": [one.check for one in findings if one.failed],
        "build_id": given.build.name,
        "load_id": given.load.name,
        "data_clock": given.manifest["data_clock"],
        "seed": given.seed,
        "seconds": round(took, 1),
        "seconds_asked": given.seconds,
        "overran": [one.check for one in late if one.seconds > one.allowed],
        "audited_at": format_instant(datetime.now(UTC).replace(tzinfo=None, microsecond=0)),
        "checks": [one.as_dict() for one in findings],
    }


def write_page(result: dict[str, Any], home: Home, out: str | os.PathLike[str] | None) -> Path:
    """The result as a page for people; where it is."""
    from ml.audit.audit_page import write_page as write

    file = Path(out) if out else home.root / "audit" / f"{result['build_id']}.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    write(result, file)
    return file


@contextmanager
def scratch_folder(home: Home) -> Iterator[Path]:
    """A folder for copies and rebuilds; those that killed audits left are removed on the way."""
    places = home.root / "audit"
    places.mkdir(parents=True, exist_ok=True)
    for left in places.glob("scratch-*"):
        if not is_running(int(left.name.split("-")[1])):
            shutil.rmtree(left, ignore_errors=True)
    folder = places / f"scratch-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_running(process: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
