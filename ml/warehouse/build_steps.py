"""The steps of a build, from the current load to the published build."""

import os
import shutil
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ml.common.errors import NotReadyError, UsageError
from ml.common.instants import format_instant, parse_instant, utc_now
from ml.common.progress import SILENT, Progress
from ml.config.problem import LabelTerms, Problem
from ml.home.build_manifest import read_build_manifest, write_build_manifest
from ml.home.layout import Home, next_name
from ml.home.problem_file import label_terms, problem_for, remember_problem
from ml.home.publication import builds_to_keep, publish_build
from ml.ingest.manifest import read_load_manifest
from ml.journal.take_in import take_in
from ml.warehouse.dbt import ARTIFACTS, CATALOG, PROJECT, project_hash, run_dbt, variables
from ml.warehouse.feature_yaml import check_feature_yaml
from ml.warehouse.increment import Increment, find_increment
from ml.warehouse.make_manifest import describe, read_clocks
from ml.warehouse.merge import Merge, merge
from ml.warehouse.touched_customer_files import write_changes

ANCESTORS_MAX = 1000  # limits build.json; far more builds than ever stay on disk
TEMP_FOLDER = "work"


@dataclass(frozen=True)
class Job:
    """One unfinished build: its load, project, folder and the terms of its labels."""

    home: Home
    load: Path
    folder: Path
    project: Path
    terms: LabelTerms
    as_of: datetime | None
    split_at: datetime
    progress: Progress

    @property
    def temp_folder(self) -> Path:
        """A folder that is removed at the end of the build."""
        return self.folder / TEMP_FOLDER


def build(
    *,
    home: Home | str | None = None,
    as_of: datetime | None = None,
    problem: Problem | str | Path | None = None,
    full_refresh: bool = False,
    keep: int | None = None,
    project: str | os.PathLike[str] = PROJECT,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Make, test and publish features and labels.

    If the load only adds to that of the current build, only the customers whom new facts touch are made
    again, with the same result.

    Parameters
    ----------
    home : Home or path, optional
        The folder of all state.
    as_of : datetime, optional
        The data clock, naive UTC; by default the latest instant at which a raw fact became known.
    problem : Problem or path, optional
        The problem of the labels. The home remembers a path that is given; without one, that path
        counts, else ``problem.yml`` of the project.
    full_refresh : bool
        Make everything again, even if the touched customers alone would do.
    keep : int, optional
        How many builds stay on disk, this one among them (default: ``CHURN_KEEP_BUILDS``, or three).
    project : path
        The dbt project.

    Returns
    -------
    dict
        The content of ``build.json``: build_id, load_id, data_clock, kind (full or incremental), rows per
        table, tests passed, seconds.

    Raises
    ------
    UsageError
        ``as_of`` is later than the data, or earlier than its first fact.
    BuildError
        A model or a data test failed; nothing was published.
    """
    home, builds_kept = Home.at(home), builds_to_keep(keep)
    stated, problem = problem, problem_for(home, problem, progress)
    take_in(home, progress)
    with home.writing("build"):
        load = home.current_load()
        clock = check_as_of(load, as_of)
        check_feature_yaml(Path(project))
        remove_unfinished(home.builds)
        folder = home.builds / next_name(home.builds, "build")
        terms = label_terms(home, problem, progress)
        job = Job(home, load, folder, Path(project), terms, as_of, as_of or clock, progress)
        started = time.monotonic()
        try:
            job.temp_folder.mkdir(parents=True)
            manifest = make_build(job, full_refresh)
            shutil.rmtree(job.temp_folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        manifest |= {
            "seconds": round(time.monotonic() - started, 1),
            "published_at": format_instant(utc_now().replace(microsecond=0)),
        }
        write_build_manifest(folder, manifest)
        publish_build(home, folder, builds_kept)
        remember_problem(home, stated)
    return manifest


def make_build(job: Job, full_refresh: bool) -> dict[str, Any]:
    """Write the build's folder, and return the content of its manifest."""
    hash_ = project_hash(job.project)
    increment = None if full_refresh or job.as_of else plan_increment(job, hash_)
    content = make_increment(job, increment) if increment else make_full_build(job)
    inputs = {
        "project_hash": hash_,
        "as_of": format_instant(job.as_of) if job.as_of else None,
        "split_at": format_instant(job.split_at),
    }
    return content | lineage_of(job.home) | inputs


def plan_increment(job: Job, hash_: str) -> Increment | None:
    """The increment to the current build; None if a full build is needed, and a message says why."""
    if not has_build(job.home):
        return None
    base = job.home.current_build()
    try:
        plan = find_increment(base, job.load, job.terms, hash_, job.temp_folder / "touched.parquet")
    except NotReadyError as error:
        plan = str(error).partition(":")[0]
    if isinstance(plan, Increment):
        return plan
    job.progress.say(f"making everything: {plan}")
    return None


def make_full_build(job: Job) -> dict[str, Any]:
    """A full build."""
    values = variables(job.terms, as_of=job.as_of, split_at=job.split_at)
    started = time.monotonic()
    run_dbt(job.home.root, job.load, job.folder, values, job.progress, project=job.project)
    seconds = {"dbt": time.monotonic() - started}
    manifest = describe(job.home, job.load, job.folder, job.terms, seconds)
    check_not_empty(manifest, job.as_of)
    return manifest | {"kind": "full"}


def make_increment(job: Job, increment: Increment) -> dict[str, Any]:
    """A build of the touched customers, merged with the previous build."""
    values = variables(
        job.terms, split_at=job.split_at, only_customers=increment.customers, earlier=increment.earlier
    )
    output, times = job.temp_folder / "made", [time.monotonic()]
    run_dbt(job.home.root, job.load, output, values, job.progress, project=job.project, docs=False)
    times.append(time.monotonic())
    merge(Merge(increment, output, job.folder, job.split_at, read_clocks(job.home).orders_delivered_until))
    write_changes(increment, job.folder)
    times.append(time.monotonic())
    for name in ARTIFACTS:
        shutil.move(output / name, job.folder / name)
    os.link(increment.base / CATALOG, job.folder / CATALOG)
    seconds = {"dbt": times[1] - times[0], "merge": times[2] - times[1]}
    manifest = describe(job.home, job.load, job.folder, job.terms, seconds)
    # Beside those made now there are those untouched: a merge may leave a touched customer without any fact.
    untouched = increment.manifest["rows"]["int_customers"] - (increment.touched - increment.new)
    manifest["rows"]["int_customers"] += untouched
    return manifest | {"kind": "incremental", "touched": increment.touched, "restated": increment.restated}


def has_build(home: Home) -> bool:
    """Whether there is a published build."""
    return (home.builds / "current").exists()


def lineage_of(home: Home) -> dict[str, Any]:
    """The build that the new one replaces, and those before it."""
    if not has_build(home):
        return {"replaces": None, "lineage": []}
    current = home.current_build()
    try:
        manifest = read_build_manifest(current)
    except NotReadyError:
        return {"replaces": current.name, "lineage": [current.name]}
    lineage = [manifest["build_id"], *manifest.get("lineage", [])][:ANCESTORS_MAX]
    return {"replaces": manifest["build_id"], "lineage": lineage}


def check_as_of(load: Path, as_of: datetime | None) -> datetime:
    """The load's data clock; raise a UsageError if ``as_of`` is later."""
    clock = parse_instant(read_load_manifest(load)["data_clock"])
    if as_of is not None and as_of > clock:
        raise UsageError(
            f"--as-of {format_instant(as_of)} is later than the data clock {format_instant(clock)}: "
            "choose that or an earlier instant"
        )
    return clock


def check_not_empty(manifest: dict[str, Any], as_of: datetime | None) -> None:
    """Raise a UsageError if ``as_of`` is earlier than the first fact."""
    if manifest["rows"]["int_customers"] == 0 and as_of is not None:
        raise UsageError(
            f"--as-of {format_instant(as_of)} is earlier than the first known fact: choose a later instant"
        )


def remove_unfinished(builds: Path) -> None:
    """Remove the remains of killed builds: folders without ``build.json``, and unfinished links.

    A published build that lost its ``build.json`` stays until another replaces it, so that its name is not
    reused.
    """
    published = (builds / "current").resolve()
    for link in builds.glob("build-[0-9]*/.*.new"):
        link.unlink()
    for path in builds.glob("build-[0-9]*"):
        if not (path / "build.json").exists() and path.resolve() != published:
            shutil.rmtree(path, ignore_errors=True)
