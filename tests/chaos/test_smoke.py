"""A taste of ``make chaos``: it finds nothing where nothing is wrong, and finds what was planted."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from ml.home.layout import Home
from ml.ingest import ingest
from tests.chaos.faults import Bench, Trial, chosen, instants_of, killed_at_change
from tests.chaos.leftovers import inventory, leftovers
from tests.chaos.place import Place
from tests.chaos.report import lines, page
from tests.chaos.running import Ended, Running, unclear
from tests.chaos.states import Damage, State, load_digest, read_state
from tests.chaos.stories import Story, Unharmed, unharmed
from tests.reference.worlds import random_world, write_world

pytestmark = pytest.mark.subjects("ml/home", "ml/ingest", "ml/warehouse", "ml/featurestore")

REPLACE_ALL = Story("ingest", "one", ("ingest", "two"))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A tiny load, and an ingest that replaces it."""
    place = Place(tmp_path_factory.mktemp("chaos"))
    for name, seed in (("one", 1), ("two", 2)):
        write_world(place.raw(name), random_world(seed, customers=20))
    ingest(place.raw("one"), home=place.home)
    place.save("one")
    story = Story("ingest", "one", ("ingest", str(place.raw("two"))))
    return Bench(place, story, unharmed(place, story))


def switching(bench: Bench) -> int:
    """The number of the change that switches the link."""
    return next(
        number for number, change in enumerate(bench.unharmed.changes, 1) if change == "replace raw/current"
    )


def test_a_command_killed_at_its_weightiest_changes_loses_nothing(bench: Bench) -> None:
    link = switching(bench)
    trials = [killed_at_change(bench, number, group=False) for number in (link - 5, link, link + 1)]
    assert [trial.found for trial in trials] == ["before", "before", "after"]
    assert [trial for trial in trials if not trial.good] == []


def test_a_switch_in_two_steps_is_noticed(bench: Bench) -> None:
    plan = {"home": str(bench.place.home), "sabotage": "switch_in_two_steps", "die_at": switching(bench) + 1}
    bench.begin(plan).wait()
    trial = Trial("ingest", "planted", "between the two steps")
    assert bench.look(trial) is None
    assert trial.lost
    assert trial.found == "LOST: a state that never was, load: " + ", ".join(
        [
            f"{bench.unharmed.before.load}/{bench.unharmed.after.load}/{bench.unharmed.again.load} but None",
            "build: None/None/None but None",
            "scores: None/None/None but None",
            "online: None/None/None but None",
            "challenger: None/None/None but None",
            "record: None/None/None but None",
        ]
    )


def test_a_link_that_leads_nowhere_is_damage(bench: Bench) -> None:
    bench.place.restore("one")
    shutil.rmtree(Home.at(bench.place.home).current_load())
    with pytest.raises(Damage, match="leads nowhere"):
        read_state(bench.place.home)


def test_a_row_less_than_recorded_is_damage(bench: Bench) -> None:
    bench.place.restore("one")
    load = Home.at(bench.place.home).current_load()
    before = load_digest(load)
    record = json.loads((load / "load.json").read_text())
    record["tables"]["orders"]["accepted"] += 1
    (load / "load.json").write_text(json.dumps(record))
    with pytest.raises(Damage, match="rows of orders, load"):
        load_digest(load)
    bench.place.restore("one")
    assert load_digest(load) == before


def test_a_file_cut_short_is_damage(bench: Bench) -> None:
    bench.place.restore("one")
    file = next((Home.at(bench.place.home).current_load() / "orders").glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(Damage):
        read_state(bench.place.home)


def test_what_lies_about_is_named(tmp_path: Path) -> None:
    (tmp_path / "raw" / "load-000001").mkdir(parents=True)
    before = inventory(tmp_path)
    (tmp_path / "raw" / "load-000002").mkdir()
    (tmp_path / "raw" / ".current-4711").symlink_to("load-000001")
    assert leftovers(tmp_path, before) == ["raw/.current-N", "2 x raw/load-N instead of 1"]


def test_a_process_that_lives_on_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.chaos.running.GRACE_SECONDS", 0.2)
    running = Running(bench.place, ("ingest", "nowhere"), plan={"sabotage": "leave_a_process"})
    assert running.wait().status == 2
    assert running.left_running() == ["sleep 30"]
    assert running.left_running() == []


@pytest.mark.parametrize(
    ("status", "errors", "verdict"),
    [
        (0, "", None),
        (-9, "", None),
        (1, "churn: the disk is full: free some space\n", None),
        (1, "note: 3 rows\nchurn: the disk is full\n", None),
        (1, "Traceback (most recent call last):\nOSError: 28\n", "a traceback: OSError: 28"),
        (1, "one\ntwo\n", "not one sentence: 'one\\ntwo\\n'"),
        (7, "churn: odd\n", "status 7: churn: odd\n"),
    ],
)
def test_what_counts_as_a_plain_failure(status: int, errors: str, verdict: str | None) -> None:
    assert unclear(Ended(status, "", errors, 1.0)) == verdict


def test_instants_are_seeded_and_spread() -> None:
    drawn = instants_of(10.0, 5, "a")
    assert drawn == instants_of(10.0, 5, "a") != instants_of(10.0, 5, "b")
    assert [int(instant // 2) for instant in drawn] == [0, 1, 2, 3, 4]


def test_changes_that_name_something_whole_come_first() -> None:
    changes = ["mkdir a", "mkdir b", "replace builds/current", "unlink c", "rename raw/load-1/load.json"]
    assert chosen(changes, 2) == [3, 5]
    assert chosen(changes, 3) == [1, 3, 5]
    assert chosen(changes, 9) == [1, 2, 3, 4, 5]


def test_halfway_counts_only_for_a_command_that_goes_in_steps() -> None:
    before, after = State("l", "b1", "s1", "o1"), State("l", "b2", "s2", "o2")
    known = Unharmed(before, after, after, 1.0, [], Counter(), None)
    back = Story("rollback", "x", ("rollback",), steps=(("build", "scores"), ("online",)))
    between = State("l", "b2", "s2", "o1")
    assert known.where(back, between) == "half way"
    assert known.where(REPLACE_ALL, between) is None
    assert known.where(back, State("l", "b2", "s1", "o1")) is None


def test_a_record_that_lags_behind_is_made_up_for_by_the_next_run() -> None:
    before, after = State(scores="s1", record="r1"), State(scores="s2", record="r2")
    again = State(scores="s3", record="r3")
    known = Unharmed(before, after, again, 1.0, [], Counter(), None)
    where = known.where(REPLACE_ALL, State(scores="s2", record="r1"))
    assert (where, known.expected_next(where)) == ("after, but for the record", [again])
    assert known.where(REPLACE_ALL, State(scores="s1", record="r2")) is None


def test_the_page_counts_and_names_what_was_lost() -> None:
    good = Trial("build", "killed", "1 s", found="before", next_run="as expected")
    late = Trial("build", "killed", "9 s", found="after", next_run="as expected", hit=False)
    lost = Trial("train", "full disk", "0 KiB", found="LOST: a link", lost=True, next_run="as expected")
    assert lines([good, late, lost]) == [
        ("build", "killed", "1", "0", "0", "0", "0"),
        ("train", "full disk", "1", "1", "0", "0", "0"),
        ("**all**", "", "2", "1", "0", "0", "0"),
    ]
    facts = {"machine": "2 cores", "commit": "abc1234", "customers": 9, "seed": 1, "disk": "", "left_out": []}
    text = page([good, late, lost], facts)
    assert "2 instants tried (1 more came too late to meet anything), **1 states lost**." in text
    assert "- train, full disk, 0 KiB: LOST: a link" in text
