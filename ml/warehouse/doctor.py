"""Doctor: checks of the installation and the home; each is ok, not yet, or broken, with a remedy."""

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from ml.common.errors import TidemarkError
from ml.common.instants import format_instant
from ml.common.json_files import read_json
from ml.home.build_manifest import data_clock, label_terms_of
from ml.home.layout import Home, challenger_of, model_of, problems_with_model
from ml.home.problem_file import problem_for, remembered_file

Finding = tuple[str, str]
OK, NOT_YET, BROKEN = "ok", "not yet", "broken"
MATERIALIZE = "run 'churn materialize'"
FREE_BYTES_WANTED = 2 * 1024**3  # a build of a million customers beside the one before


def doctor(*, home: Home | str | None = None, problem: str | Path | None = None) -> dict[str, Any]:
    """Check the environment and the home.

    Returns
    -------
    dict
        ``healthy`` (bool) and ``checks``: a list of {check, state: ok | not yet | broken, detail}.
    """
    home = Home.at(home)
    checks: dict[str, Callable[[], Finding]] = {
        "python": check_python,
        "packages": check_packages,
        "home": lambda: check_home(home),
        "problem": lambda: check_problem(home, problem),
        "raw data": lambda: check_load(home),
        "build": lambda: check_build(home, problem),
        "model": lambda: check_model(home, problem),
        "online store": lambda: check_online(home),
    }
    findings = [finding(name, check) for name, check in checks.items()]
    return {"healthy": all(check["state"] != BROKEN for check in findings), "checks": findings}


def finding(name: str, check: Callable[[], Finding]) -> dict[str, str]:
    """The outcome of one check; an error makes it broken."""
    try:
        state, detail = check()
    except (TidemarkError, OSError, sqlite3.Error, ValueError, KeyError, PackageNotFoundError) as error:
        state, detail = BROKEN, str(error) or type(error).__name__
    return {"check": name, "state": state, "detail": detail}


def check_python() -> Finding:
    """Check that the lock file supports the interpreter."""
    running = ".".join(str(part) for part in sys.version_info[:3])
    fits = (3, 11) <= sys.version_info[:2] < (3, 13)
    return (OK, running) if fits else (BROKEN, f"{running}: Python 3.11 or 3.12 is needed")


def check_packages() -> Finding:
    """Check that every required package is installed in an allowed version."""
    from packaging.requirements import Requirement

    requirements = [Requirement(line) for line in requires("tidemark") or [] if "extra ==" not in line]
    faults = [fault for fault in map(package_fault, requirements) if fault]
    return (
        (BROKEN, "; ".join(faults) + ": run 'make setup'")
        if faults
        else (OK, f"{len(requirements)} packages as wanted")
    )


def package_fault(requirement: Any) -> str | None:
    """The fault of one package, if there is one."""
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is missing"
    return (
        None
        if requirement.specifier.contains(installed)
        else f"{requirement.name} {installed} is not {requirement.specifier}"
    )


def check_home(home: Home) -> Finding:
    """Check that the home is writable and has free space."""
    folder = next(path for path in (home.root, *home.root.parents) if path.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return BROKEN, f"{folder} cannot be written to: choose another with --home"
    free = shutil.disk_usage(folder).free
    state = OK if free >= FREE_BYTES_WANTED else BROKEN
    return state, f"{home.root}, {free / 1024**3:.0f} GiB free" + ("" if state == OK else ": make room")


def check_problem(home: Home, problem: str | Path | None) -> Finding:
    """Check the problem file."""
    problem_ = problem_for(home, problem)
    days, active = problem_.horizon_days, problem_.active_within_days
    file = None if problem else remembered_file(home)
    source = f" ({file})" if file else ""
    return OK, f"no kept order within {days} days, among those active within {active}{source}"


def check_load(home: Home) -> Finding:
    """Check the current load."""
    if not (home.raw / "current").exists():
        return NOT_YET, "run 'churn ingest PATH'"
    load = home.current_load()
    manifest = read_json(load / "load.json", "churn ingest PATH")
    read = sum(table["read"] for table in manifest["tables"].values())
    rejected = sum(table["rejected"] for table in manifest["tables"].values())
    return (
        OK,
        f"{load.name}: {read:,d} rows read, {rejected:,d} rejected, data clock {manifest['data_clock']}",
    )


def check_build(home: Home, problem: str | Path | None) -> Finding:
    """Check that the published build is whole, and made from the current load for the current problem."""
    from ml.featurestore.catalog import read_catalog

    if not (home.builds / "current").exists():
        return NOT_YET, "run 'churn build'"
    with home.reading() as build:
        manifest = read_json(build / "build.json", "churn build")
        catalog = read_catalog(build)
        unreadable = [fault for view in catalog.views if (fault := table_fault(view.path))]
    if unreadable:
        return BROKEN, f"{'; '.join(unreadable)}: run 'churn build --full-refresh'"
    status = f"{build.name}: {len(catalog.feature_names)} features, data clock {manifest['data_clock']}"
    problem_ = problem_for(home, problem)
    if label_terms_of(manifest).of(problem_.label) != problem_.label_terms():
        return NOT_YET, f"{status}; the problem has changed since: run 'churn build'"
    if manifest["load_id"] != home.current_load().name:
        return NOT_YET, f"{status}; raw data has come in since: run 'churn build'"
    return OK, status


def table_fault(folder: Path) -> str | None:
    """The fault of a published table, if there is one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = sorted(folder.glob("*.parquet"))
    for file in files:
        try:
            pq.read_metadata(file)
        except (OSError, pa.ArrowException):
            return f"{file} is damaged"
    return None if files else f"{folder} has no files"


def check_model(home: Home, problem: str | Path | None) -> Finding:
    """Check that the champion can be read, and was trained on the published features."""
    from ml.featurestore.catalog import read_catalog
    from ml.metrics.chance import NO_BETTER_THAN_CHANCE, ranks_better_than_chance
    from ml.model.model_files import read_model
    from ml.model.same_features import changed_inputs

    name = problem_for(home, problem).name
    if not (home.builds / "current").exists() or name not in problems_with_model(home.current_build()):
        return NOT_YET, "run 'churn train'"
    with home.reading() as build:
        features = read_catalog(build).facts()
        model, challenger = model_of(build, name), challenger_of(build, name)
    facts = read_model(model).facts
    if changed_inputs(facts, features):
        return BROKEN, f"{model.name} was trained on other features than are published: run 'churn train'"
    if not ranks_better_than_chance(facts):
        return BROKEN, f"{model.name}: {NO_BETTER_THAN_CHANCE}"
    challenger_text = f"; challenger {challenger.name}" if challenger else ""
    own_labels = facts.get("labels")
    labels = f" with labels of {own_labels['file'] or 'rows in memory'}" if own_labels else ""
    return OK, f"{model.name}, trained on {facts['build_id']}{labels}{challenger_text}"


def check_online(home: Home) -> Finding:
    """Check that the online store has all values of the current build, as of its data clock."""
    from ml.featurestore.catalog import read_catalog
    from ml.featurestore.online.status import online_size, online_views

    online = online_views(home.root)
    if not online:
        return NOT_YET, MATERIALIZE
    states = sorted({(view.build, format_instant(view.until)) for view in online})
    status = " and ".join(f"{build} as of {instant}" for build, instant in states)
    with home.reading() as build:
        clock = format_instant(data_clock(build))
        views = {view.name for view in read_catalog(build).views}
    if {name for name, _ in states} != {build.name}:
        return NOT_YET, f"{status}, but {build.name} is the current build: {MATERIALIZE}"
    if missing := sorted(views - {view.view for view in online}):
        return NOT_YET, f"{status}, but {', '.join(missing)} not at all: {MATERIALIZE}"
    if states != [(build.name, clock)]:
        return NOT_YET, f"{status}, but its data clock is {clock}: {MATERIALIZE}"
    return OK, f"{status}, {online_size(home.root)}"
