"""Which commands are put to the test, from which state of the home, and what each does unharmed."""

import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ml.cli import COMMANDS
from ml.home.build_manifest import read_build_manifest
from ml.home.layout import Home
from tests.chaos.leftovers import inventory
from tests.chaos.place import Place
from tests.chaos.running import Ended, run
from tests.chaos.states import State, read_state

KEEP_ONE = {"CHURN_KEEP_BUILDS": "1"}
NOT_RECORDED = "after, but for the record"
WITH_THE_BUILD = ("build", "scores", "challenger")


@dataclass(frozen=True)
class Story:
    """One command from one state.

    Parameters
    ----------
    name : str
    start : str
        The saved state it starts from.
    command : sequence of str
        What follows ``churn``.
    dbt : bool
        It runs dbt, whose work can be recorded and put back in a moment.
    environment : dict
        Variables beside the usual ones.
    steps : tuple
        Groups of parts of the state that it changes one group after the other; all at one instant by default.
    kin : bool
        Much like another story: half as many instants will do.
    """

    name: str
    start: str
    command: tuple[str, ...]
    dbt: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    steps: tuple[tuple[str, ...], ...] = ()
    kin: bool = False

    @property
    def slug(self) -> str:
        return "-".join(re.findall(r"\w+", self.name))


@dataclass(frozen=True)
class Unharmed:
    """What a story does when nothing goes wrong.

    Parameters
    ----------
    before, after, again : State
        At the start, after the command, and after it has run a second time.
    seconds : float
        How long the command takes.
    changes : list of str
        Its changes of the home, in order; with dbt's work put back from the recording, where it runs dbt.
    inventory : Counter
        What lies in the home after one or two runs, at most.
    kind : str, optional
        Of the build that was made: full or incremental.
    """

    before: State
    after: State
    again: State
    seconds: float
    changes: list[str]
    inventory: Counter[str]

    kind: str | None

    def where(self, story: Story, state: State) -> str | None:
        """In which legitimate state a home is; None when in none."""
        if state == self.after:
            return "after"
        if state == self.before:
            return "before"
        if state == replace(self.after, record=self.before.record):
            return NOT_RECORDED
        if state in halfway(story, self.before, self.after):
            return "half way"
        return "again" if state == self.again else None

    def expected_next(self, where: str | None) -> list[State]:
        """What the next run of the command may lead to."""
        if where in ("after", "again", NOT_RECORDED):
            return [self.again]
        return [self.after] if where else [self.after, self.again]


def halfway(story: Story, before: State, after: State) -> list[State]:
    """The states between two, for a command that goes from one to the other in steps."""
    return [
        replace(before, **{name: getattr(after, name) for group in story.steps[:done] for name in group})
        for done in range(1, len(story.steps))
    ]


def stories(place: Place) -> list[Story]:
    """Every story; those whose command this version lacks are left out."""
    later, other = str(place.raw("a-later")), str(place.raw("b"))
    train = train_another(place)
    everything = [
        Story("first ingest", "empty", ("ingest", str(place.raw("a"))), kin=True),
        Story("ingest", "a", ("ingest", other)),
        Story("ingest --append", "a", ("ingest", later, "--append")),
        Story("first build", "a-loaded", ("build",), dbt=True, kin=True),
        Story("build", "b-loaded", ("build",), dbt=True),
        Story("build, incremental", "a-appended", ("build",), dbt=True),
        Story("build, removing builds", "three", ("build",), dbt=True, environment=KEEP_ONE, kin=True),
        Story("materialize", "a-rebuilt", ("materialize",)),
        Story("train", "a", (*train, "--promote", "always")),
        Story("train, a challenger", "a", train, kin=True),
        Story("rollback", "three", ("rollback",), steps=(WITH_THE_BUILD, ("online",))),
    ]
    return [story for story in everything if story.command[0] in COMMANDS]


def train_another(place: Place) -> tuple[str, ...]:
    """A training of another model than the present one."""
    return ("train", "--problem", str(place.problem), "--seed", "2")


def prepare(place: Place, say: Any) -> None:
    """Make the states that stories start from."""
    for name, start, commands in CHAIN:
        say(f"preparing the state {name!r}")
        place.restore(start) if start else place.clear(place.home)
        for command in commands:
            words = [path_of(place, word) if word.startswith("@") else word for word in command.split()]
            must(run(place, words), command)
        place.save(name)


def path_of(place: Place, word: str) -> str:
    """The raw tables or the problem that ``@word`` stands for."""
    return str(place.problem if word == "@problem" else place.raw(word[1:]))


CHAIN: list[tuple[str, str | None, Sequence[str]]] = [
    ("empty", None, []),
    ("a-loaded", None, ["ingest @a"]),
    ("a", "a-loaded", ["build", "train --problem @problem", "materialize"]),
    ("b-loaded", "a", ["ingest @b"]),
    ("a-appended", "a", ["ingest @a-later --append"]),
    ("a-rebuilt", "a-appended", ["build"]),
    (
        "three",
        "a-rebuilt",
        [
            "train --problem @problem --seed 2 --promote always",
            "ingest @b",
            "build",
            "train --problem @problem --seed 3 --promote always",
            "materialize",
        ],
    ),
]


def must(ended: Ended, command: str) -> Ended:
    """A command that has to succeed for the rest to mean anything.

    Raises
    ------
    RuntimeError
    """
    if ended.status != 0:
        raise RuntimeError(f"'churn {command}' failed undisturbed: {ended.errors[-2000:]}")
    return ended


def unharmed(place: Place, story: Story) -> Unharmed:
    """Run a story twice in a row undisturbed; keep what dbt made."""
    place.restore(story.start)
    before = read_state(place.home)
    seconds, states, inventories, kinds = [], [], [], []
    for turn in ("after", "again"):
        seconds.append(run_story(place, story, recording(place, story, turn)).seconds)
        states.append(read_state(place.home))
        inventories.append(inventory(place.home))
        kinds.append(kind_of_build(place) if story.dbt else None)
    most = inventories[0] | inventories[1]
    return Unharmed(before, *states, seconds[0], changes(place, story), most, kinds[0])


def kind_of_build(place: Place) -> str:
    """Whether the current build is full or incremental."""
    return str(read_build_manifest(Home.at(place.home).current_build()).get("kind", "full"))


def recording(place: Place, story: Story, turn: str) -> dict[str, Any] | None:
    """The plan that keeps what dbt makes, where there is dbt."""
    folder = place.recording(f"{story.slug}-{turn}")
    shutil.rmtree(folder, ignore_errors=True)
    return {"record": str(folder)} if story.dbt else None


def run_story(place: Place, story: Story, plan: dict[str, Any] | None = None) -> Ended:
    """Its command, which must succeed."""
    ended = run(place, story.command, plan=plan, environment=story.environment)
    return must(ended, " ".join(story.command))


def replay(place: Place, story: Story, where: str | None = "before") -> dict[str, Any]:
    """The plan that puts dbt's work back from the recording of this turn, where there is dbt."""
    turn = "again" if where in ("after", "again") else "after"
    return {"replay": str(place.recording(f"{story.slug}-{turn}"))} if story.dbt else {}


def changes(place: Place, story: Story) -> list[str]:
    """The changes of the home that the command makes, in order."""
    log = place.root / "changes.log"
    place.restore(story.start)
    run_story(place, story, {"home": str(place.home), "log": str(log)} | replay(place, story))
    return log.read_text().splitlines()


def as_json(reference: Unharmed) -> dict[str, Any]:
    """What is worth keeping of a reference run."""
    states = {name: vars(getattr(reference, name)) for name in ("before", "after", "again")}
    facts = {"changes": len(reference.changes), "kind": reference.kind}
    return {"seconds": round(reference.seconds, 2)} | facts | {"states": states}
