"""``python -m tests.chaos [--quick]``: every fault, then the table; status 1 unless nothing was lost."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import commit
from ml.cli import COMMANDS
from ml.common.paths import ROOT
from tests.chaos.crowds import crowd_trials, crowds
from tests.chaos.faults import SEED, Bench, Job, Trial, dbt_kills, kills_at_changes, timed_kills
from tests.chaos.full_disk import disk_trials, may_mount
from tests.chaos.place import Place, write_problem, write_shops
from tests.chaos.readers import reading_trials
from tests.chaos.registry import Reference, registry_trials
from tests.chaos.report import machine, table, write
from tests.chaos.stories import Story, as_json, prepare, stories, unharmed

CUSTOMERS = 300
PARTS = ("kill", "disk", "crowd", "read", "registry")
MOUNTED = (
    '"Full disk": the home is on a file system of its own with a share of the room that the command needs.'
)
NOT_MOUNTED = (
    "**No file system could be mounted here: instead of a full disk, no file could grow beyond a limit.**"
)


@dataclass(frozen=True)
class Effort:
    """How many instants of each kind a story gets."""

    timed: int
    changes: int
    disk: int
    crowd: int
    registry: int
    reading_seconds: float


FULL = Effort(timed=8, changes=14, disk=4, crowd=2, registry=4, reading_seconds=90)
QUICK = Effort(timed=2, changes=4, disk=1, crowd=1, registry=1, reading_seconds=20)


class Log:
    """Speaks on standard error, with the time that has passed."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def __call__(self, text: str) -> None:
        passed = time.monotonic() - self.started
        print(f"[{passed // 60:3.0f}:{passed % 60:02.0f}] {text}", file=sys.stderr, flush=True)


def story_jobs(bench: Bench, effort: Effort, parts: Iterable[str]) -> Iterator[Job]:
    """Every fault of one story."""
    share = 2 if bench.story.kin else 1
    if "kill" in parts:
        yield from timed_kills(bench, effort.timed // share)
        yield from kills_at_changes(bench, effort.changes)
        if bench.story.dbt:
            yield from dbt_kills(bench, effort.timed // share // 4)
    if "disk" in parts:
        yield from disk_trials(bench, max(1, effort.disk // share))


def carried_out(jobs: Iterable[Job], say: Log) -> Iterator[Trial]:
    """Run the jobs and tell of each."""
    for job in jobs:
        trial = job()
        mark = "ok " if trial.good else "BAD"
        late = "" if trial.hit else " (came too late)"
        say(f"{mark} {trial.story}: {trial.fault}, {trial.instant}: {trial.found or trial.next_run}{late}")
        if not trial.good:
            say(f"    next run {trial.next_run}; left {trial.leftovers}; unclear {trial.unclear}")
        yield trial


def everything(
    place: Place, effort: Effort, parts: Iterable[str], names: Iterable[str], say: Log
) -> Iterator[Trial]:
    """All trials, story by story, then crowds, readers and the registry."""
    for story in stories(place):
        if {"kill", "disk"} & set(parts) and (not names or story.name in names):
            yield from carried_out(story_jobs(measured(place, story, say), effort, parts), say)
    if "crowd" in parts:
        for crowd in crowds(place):
            yield from carried_out(crowd_trials(crowd, effort.crowd), say)
    if "registry" in parts:
        yield from carried_out(registry_trials(Reference(place), effort.registry), say)
    if "read" in parts:
        trials = reading_trials(place, effort.reading_seconds, say)
        yield from carried_out((lambda trial=trial: trial for trial in trials), say)


def measured(place: Place, story: Story, say: Log) -> Bench:
    """What the story does unharmed."""
    bench = Bench(place, story, unharmed(place, story))
    facts = as_json(bench.unharmed)
    kind = f", a {facts['kind']} build" if facts["kind"] else ""
    say(f"{story.name}: {facts['seconds']} s undisturbed, {facts['changes']} changes of the home{kind}")
    return bench


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few instants of each kind; writes no page")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="only these kinds of faults")
    parser.add_argument("--stories", nargs="+", default=[], help="only these, by the names in the table")
    parser.add_argument("--customers", type=int, default=CUSTOMERS, help="size of the shop")
    parser.add_argument("--keep", help="work in this folder and leave it there")
    return parser.parse_args()


def main() -> int:
    asked, say = arguments(), Log()
    root = Path(asked.keep or tempfile.mkdtemp(prefix="tidemark-chaos-")).resolve()
    place = Place(root)
    disk = MOUNTED if may_mount(place.home) else NOT_MOUNTED
    if disk == NOT_MOUNTED:
        say(NOT_MOUNTED)
    try:
        root.mkdir(exist_ok=True)
        write_shops(place, asked.customers)
        write_problem(place)
        prepare(place, say)
        effort = QUICK if asked.quick else FULL
        trials = list(everything(place, effort, asked.parts, asked.stories, say))
    finally:
        if not asked.keep:
            shutil.rmtree(root, ignore_errors=True)
    print(table(trials))
    if not asked.quick and asked.parts == PARTS and not asked.stories:
        left_out = [name for name in ("rollback",) if name not in COMMANDS]
        facts = {"machine": machine(), "commit": commit(), "customers": asked.customers, "seed": SEED}
        facts |= {"disk": disk, "left_out": left_out}
        write(trials, facts, ROOT / "docs" / "chaos.md", ROOT / "docs" / "chaos.json")
    return int(not all(trial.good for trial in trials))


if __name__ == "__main__":
    sys.exit(main())
