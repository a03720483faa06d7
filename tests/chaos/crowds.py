"""Two commands at once: one of them may be refused, and the home is as after those that worked."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import permutations

from ml.cli import COMMANDS
from tests.chaos.faults import Job, Trial, note
from tests.chaos.place import Place
from tests.chaos.running import Running
from tests.chaos.states import Damage, State, read_state
from tests.chaos.stories import must, train_another

TOGETHER = "two at once"
DELAYS = (0.0, 0.4, 1.5)
REFUSAL = "is writing to"

Words = tuple[str, ...]


@dataclass
class Crowd:
    """Two commands from one state, and where they lead one after the other."""

    place: Place
    start: str
    commands: tuple[Words, Words]
    states: dict[tuple[int, ...], State] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return " and ".join(words[0] for words in self.commands)

    def state_after(self, order: tuple[int, ...]) -> State:
        """The state after the commands with these numbers, one after the other."""
        if self.commands[0] == self.commands[1]:
            order = (0,) * len(order)
        if order not in self.states:
            self.place.restore(self.start)
            for number in order:
                words = self.commands[number]
                must(Running(self.place, words).wait(), " ".join(words))
            self.states[order] = read_state(self.place.home)
        return self.states[order]


def crowds(place: Place) -> list[Crowd]:
    """Every pair whose commands this version has."""
    other, later = ("ingest", str(place.raw("b"))), ("ingest", str(place.raw("a-later")), "--append")
    build, materialize, back = ("build",), ("materialize",), ("rollback", "build-000001")
    pairs: list[tuple[str, tuple[Words, Words]]] = [
        ("a-appended", (build, build)),
        ("a-appended", (build, other)),
        ("a", (other, later)),
        ("a-rebuilt", (materialize, materialize)),
        ("a", (build, (*train_another(place), "--promote", "always"))),
        ("three", (back, materialize)),
        ("three", (back, ("ingest", str(place.raw("a"))))),
    ]
    return [Crowd(place, start, pair) for start, pair in pairs if all(words[0] in COMMANDS for words in pair)]


def crowd_trials(crowd: Crowd, how_many: int) -> Iterator[Job]:
    """The two at once, with shorter and longer delays between their starts."""
    for number in range(how_many):
        yield partial(at_once, crowd, DELAYS[number % len(DELAYS)])


def at_once(crowd: Crowd, delay: float) -> Trial:
    """Start one, the other so many seconds later, wait for both, and look."""
    trial = Trial(crowd.name, TOGETHER, f"{delay} s apart")
    crowd.place.restore(crowd.start)
    first = Running(crowd.place, crowd.commands[0])
    time.sleep(delay)
    second = Running(crowd.place, crowd.commands[1])
    ended = [first.wait(), second.wait()]
    for running, end in zip((first, second), ended, strict=True):
        note(trial, running, end)
        if end.status != 0 and REFUSAL not in end.errors:
            trial.unclear.append(f"not a refusal: {end.errors.strip()[-300:]}")
    worked = [number for number, end in enumerate(ended) if end.status == 0]
    trial.found = f"{len(worked)} worked, {2 - len(worked)} refused"
    judge(crowd, trial, worked)
    return trial


def judge(crowd: Crowd, trial: Trial, worked: list[int]) -> None:
    """The home is as after those that worked, in one order or the other; at least one did."""
    if not worked:
        trial.next_run = "neither of the two worked"
    try:
        found = read_state(crowd.place.home)
    except Damage as damage:
        trial.found, trial.lost = f"LOST: {damage}", True
        return
    if found not in [crowd.state_after(order) for order in permutations(worked)]:
        trial.found, trial.lost = f"LOST: {trial.found}, but the state is {found}", True
