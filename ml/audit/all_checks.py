"""Audit: all checks in turn, within their shares of the time, over one leased build.

A published build and its raw tables come in; the number of comparisons and every breach go out.
"""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb

from ml.audit.audit_page import write_page
from ml.audit.findings import Audit, Finding, failed, not_checked
from ml.common.errors import DamagedError, NotReadyError, TidemarkError, UsageError
from ml.common.instants import format_instant, utc_now
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
# Name -> weight of its share of the time; the module of that name has ``check``. Poison and replay run dbt,
# so they need most of it.
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
    """Check the published build against the raw data, and for changes of its past.

    Parameters
    ----------
    home : Home or path, optional
    seconds : float
        The time of all checks together, roughly; it determines the sample sizes.
    seed : int
        The same data and seed give the same samples.
    problem : Problem or path, optional
        The problem of the labels; ``problem.yml`` by default.
    only : sequence of str, optional
        Names of ``CHECKS``; all by default.
    out : path, optional
        The path of the page, by default ``audit/<build>.html`` in the home.
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
    if seconds <= 0:
        raise UsageError(f"--seconds {seconds:g} leaves no time for any check: give more")
    for name in only or ():
        if name not in CHECKS:
            raise UsageError(f"there is no check {name!r}: choose from {', '.join(CHECKS)}")
    names = [name for name in CHECKS if not only or name in only]
    home_ = Home.at(home)
    problem, started = problem_for(home_, problem, progress), time.monotonic()
    with home_.reading() as build, scratch_folder(home_) as scratch:
        check_same_problem(build, problem)
        manifest = read_build_manifest(build)
        context = Audit(
            home=home_,
            build=build,
            load=home_.raw / manifest["load_id"],
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
        findings = run_checks(context, names)
        result = as_plain_values(context, findings, time.monotonic() - started)
        file = Path(out) if out else home_.root / "audit" / f"{build.name}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_page(result, file)
        return result | {"page": str(file)}


def run_checks(context: Audit, names: Sequence[str]) -> list[Finding]:
    """Run the checks in turn; unused time goes to later checks."""
    findings = []
    with context.progress.bar("auditing", total=len(names)) as bar:
        for number, name in enumerate(names):
            bar.step(f"auditing: {name}", 0)
            # Sample sizes depend on the share of all the time, which is the same in each run; only the
            # deadline depends on the remaining time.
            share = CHECKS[name] / sum(CHECKS[other] for other in names)
            of_rest = CHECKS[name] / sum(CHECKS[later] for later in names[number:])
            deadline = time.monotonic() + context.seconds_left() * of_rest
            findings.append(run_check(name, context.within(context.seconds * share, deadline)))
            bar.step()
    return findings


def run_check(name: str, context: Audit) -> Finding:
    """Run one check. An error that prevents it becomes its result, which does not pass.

    It is a failure unless an earlier step has not been run yet.
    """
    started, allowed = time.monotonic(), context.seconds_left()
    check: Callable[[Audit], Finding] = import_module(f"ml.audit.{MODULES.get(name, name)}").check
    try:
        finding = check(context)
    except (TidemarkError, OSError, duckdb.Error, sqlite3.Error) as error:
        is_early = isinstance(error, NotReadyError) and not isinstance(error, DamagedError)
        why = (str(error) or type(error).__name__).splitlines()[0]
        finding = not_checked(name, why) if is_early else failed(name, why)
    return finding.timed(time.monotonic() - started, allowed)


def as_plain_values(context: Audit, findings: Sequence[Finding], seconds: float) -> dict[str, Any]:
    """The result without its page, for JSON."""
    late = findings if seconds > context.seconds else ()
    is_clean = not any(finding.breaches or finding.failed for finding in findings)
    return {
        "passed": is_clean and any(finding.passed for finding in findings),
        "not_checked": [finding.check for finding in findings if finding.skipped],
        "failed": [finding.check for finding in findings if finding.failed],
        "build_id": context.build.name,
        "load_id": context.load.name,
        "data_clock": context.manifest["data_clock"],
        "seed": context.seed,
        "seconds": round(seconds, 1),
        "seconds_asked": context.seconds,
        "overran": [finding.check for finding in late if finding.seconds > finding.allowed],
        "audited_at": format_instant(utc_now().replace(microsecond=0)),
        "checks": [finding.as_dict() for finding in findings],
    }


@contextmanager
def scratch_folder(home: Home) -> Iterator[Path]:
    """A folder for copies and rebuilds; folders of killed audits are removed first."""
    parent = home.root / "audit"
    parent.mkdir(parents=True, exist_ok=True)
    for leftover in parent.glob("scratch-*"):
        if not is_running(int(leftover.name.split("-")[1])):
            shutil.rmtree(leftover, ignore_errors=True)
    folder = parent / f"scratch-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
