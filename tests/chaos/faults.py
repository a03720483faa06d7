"""One fault at a time: what is killed and when, what is found then, and what the next run makes of it."""

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.chaos.leftovers import leftovers
from tests.chaos.place import Place
from tests.chaos.running import CHILD, GROUP, PROCESS, Ended, Running, unclear
from tests.chaos.states import Damage, State, read_state
from tests.chaos.stories import Story, Unharmed, replay

SEED = 20240901
TIMED, AT_ONCE, AT_CHANGE = "killed at an instant", "killed, run again at once", "killed at a change"
DBT_KILLED = "dbt killed"
SWITCHED = ("fsync raw", "fsync builds", "fsync feast", "fsync models")


@dataclass
class Trial:
    """One fault and what came of it.

    Parameters
    ----------
    story, fault, instant : str
        What ran, what was done to it, and when.
    found : str
        The state after the fault: before, after, half way or again; or what is lost.
    lost : bool
        Something that readers see was not whole, after the fault or after the next run.
    leftovers : list of str
        What lies about after the next run, and processes that lived on.
    unclear : list of str
        Failures that were not one plain sentence.
    next_run : str
        ``as expected``, or what was wrong.
    hit : bool
        Whether the fault met a living process.
    """

    story: str
    fault: str
    instant: str
    found: str = ""
    lost: bool = False
    leftovers: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    next_run: str = ""
    hit: bool = True

    @property
    def good(self) -> bool:
        clean = not (self.lost or self.leftovers or self.unclear)
        return clean and self.next_run in ("as expected", "")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


Job = Callable[[], Trial]


@dataclass(frozen=True)
class Bench:
    """One story on its place, with what it does unharmed."""

    place: Place
    story: Story
    unharmed: Unharmed

    def begin(self, plan: dict[str, Any] | None = None) -> Running:
        """Its command, from the saved state."""
        self.place.restore(self.story.start)
        return Running(self.place, self.story.command, plan=plan, environment=self.story.environment)

    def look(self, trial: Trial) -> str | None:
        """Which state the home is in now; noted in the trial."""
        try:
            state = read_state(self.place.home)
        except Damage as damage:
            trial.found, trial.lost = f"LOST: {damage}", True
            return None
        where = self.unharmed.where(self.story, state)
        trial.found, trial.lost = (
            where or f"LOST: a state that never was, {differences(self, state)}",
            not where,
        )
        return where

    def run_again(self, trial: Trial, where: str | None, *, fast: bool) -> None:
        """The next run: no hand has cleaned anything, and it must succeed and leave nothing about."""
        Place.clear(self.place.temp)
        plan = replay(self.place, self.story, where) if fast else None
        again = Running(self.place, self.story.command, plan=plan, environment=self.story.environment)
        ended = again.wait()
        note(trial, again, ended)
        if ended.status != 0:
            trial.next_run = f"status {ended.status}: {ended.errors.strip()[-300:]}"
            return
        trial.leftovers += leftovers(self.place.home, self.unharmed.inventory)
        trial.leftovers += [f"temporary folder: {path.name}" for path in self.place.temp.iterdir()]
        self.judge_next(trial, where)

    def judge_next(self, trial: Trial, where: str | None) -> None:
        """Whether the next run led where it should."""
        try:
            state = read_state(self.place.home)
        except Damage as damage:
            trial.next_run, trial.lost = f"LOST: {damage}", True
            return
        right = state in self.unharmed.expected_next(where)
        trial.next_run = "as expected" if right else f"another state: {differences(self, state)}"


def differences(bench: Bench, state: State) -> str:
    """Which parts of a state are neither as before nor as after."""
    known = (bench.unharmed.before, bench.unharmed.after, bench.unharmed.again)
    return ", ".join(
        f"{name}: {'/'.join(str(getattr(each, name)) for each in known)} but {value}"
        for name, value in vars(state).items()
    )


def note(trial: Trial, running: Running, ended: Ended) -> None:
    """Note processes that live on, and a failure that does not say what is wrong."""
    trial.leftovers += [f"still running: {name}" for name in running.left_running()]
    if words := unclear(ended):
        trial.unclear.append(words)


def killed_at(bench: Bench, what: str, seconds: float, *, at_once: bool = False) -> Trial:
    """Kill after so many seconds; look, and run again.

    A command that was faster than when its duration was measured is run once more and killed earlier.
    """
    fault = AT_ONCE if at_once else DBT_KILLED if what == CHILD else f"{TIMED} ({what})"
    trial = Trial(bench.story.name, fault, f"{seconds:.3f} s")
    running = bench.begin()
    ended = running.end(what, seconds)
    if ended.status == 0:
        seconds *= 0.95 * ended.seconds / bench.unharmed.seconds
        trial.instant, running = f"{seconds:.3f} s", bench.begin()
        ended = running.end(what, seconds)
    trial.hit = ended.killed or (what == CHILD and ended.status != 0)
    where = None
    if not at_once:
        note(trial, running, ended)
        where = bench.look(trial)
    bench.run_again(trial, where, fast=False)
    return trial


def killed_at_change(bench: Bench, number: int, *, group: bool) -> Trial:
    """Kill at the n-th change of the home; look, and run again."""
    change = bench.unharmed.changes[number - 1]
    trial = Trial(bench.story.name, AT_CHANGE, f"{number}: {change}")
    plan = {"home": str(bench.place.home), "die_at": number, "group": group}
    running = bench.begin(plan | replay(bench.place, bench.story))
    ended = running.wait()
    trial.hit = ended.killed
    note(trial, running, ended)
    bench.run_again(trial, bench.look(trial), fast=True)
    return trial


def instants(bench: Bench, how_many: int, salt: str) -> list[float]:
    """Instants for one story."""
    return instants_of(bench.unharmed.seconds, how_many, f"{bench.story.name} {salt}")


def instants_of(duration: float, how_many: int, salt: str) -> list[float]:
    """Seeded instants, one in each of as many equal parts of a command's own duration."""
    draw, part = random.Random(f"{SEED} {salt}"), duration / max(how_many, 1)
    return [(number + draw.random()) * part for number in range(how_many)]


def timed_kills(bench: Bench, how_many: int) -> Iterator[Job]:
    """Kills spread over the duration: the process, its group, and both with the next run at once."""
    for number, seconds in enumerate(instants(bench, how_many, "kill")):
        what = (PROCESS, GROUP)[number % 2]
        yield lambda what=what, seconds=seconds: killed_at(bench, what, seconds)
    for seconds in instants(bench, how_many // 4, "at once"):
        yield lambda seconds=seconds: killed_at(bench, PROCESS, seconds, at_once=True)


def dbt_kills(bench: Bench, how_many: int) -> Iterator[Job]:
    """Kills of dbt alone, which the command notices; not before it has been started."""
    for seconds in instants(bench, how_many, "dbt"):
        late = 0.25 + 0.7 * seconds / bench.unharmed.seconds
        yield lambda late=late: killed_at(bench, CHILD, late * bench.unharmed.seconds)


def kills_at_changes(bench: Bench, at_most: int) -> Iterator[Job]:
    """Kills at changes of the home: all of them, or as many, those of published names first."""
    for number in chosen(bench.unharmed.changes, at_most):
        yield lambda number=number: killed_at_change(bench, number, group=bool(number % 2))


def chosen(changes: list[str], at_most: int) -> list[int]:
    """Numbers of changes: those that switch or name something whole, then the others, evenly spread."""
    names = ("current", "model", "build.json", "load.json", "registry.db", "removing", "state")
    weighty = [
        number
        for number, change in enumerate(changes, 1)
        if any(name in change.rsplit("/", 1)[-1] for name in names) or change in SWITCHED
    ]
    if len(weighty) >= at_most:
        return spread(weighty, at_most)
    others = [number for number in range(1, len(changes) + 1) if number not in weighty]
    return sorted(weighty + spread(others, at_most - len(weighty)))


def spread(numbers: list[int], at_most: int) -> list[int]:
    """At most so many of the numbers, evenly spread."""
    if len(numbers) <= at_most:
        return numbers
    return [numbers[int(place * len(numbers) / at_most)] for place in range(at_most)]


def drop(bench: Bench) -> None:
    """Give back what the story's recordings take."""
    for turn in ("after", "again"):
        shutil.rmtree(bench.place.recording(f"{bench.story.slug}-{turn}"), ignore_errors=True)
