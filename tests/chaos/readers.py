"""Readers that never stop while loads, builds and online values come and go under them.

Two shops take turns. Readers in processes of their own ask the same question over and over; each answer must
be the one that belongs to one whole build. Only rows are asked for which every view answers differently in
the two shops, so that no mixture could pass for a whole.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ml.common.paths import ROOT
from ml.featurestore.catalog import read_catalog
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.layout import Home
from tests.chaos.faults import Trial
from tests.chaos.place import EARLIER, Place
from tests.chaos.running import child_environment, read_and_remove, run
from tests.chaos.states import build_digest, digest_of, rows_digest, scored
from tests.chaos.stories import must

READING = "read while replaced"
SHOPS = ("a", "b")
RECORDED = "turn-"
HELD_SECONDS = 3.0


def features(home: Home, asked: pa.Table) -> str:
    """Features of the entity rows."""
    from ml.features.point_in_time import features_table

    return digest_of(features_table(asked, home=home).to_pylist())


def scores(home: Home, asked: pa.Table) -> str:
    """Scores of everyone eligible."""
    return rows_digest(scored(home))


def dataset(home: Home, asked: pa.Table) -> str:
    """The labelled rows."""
    from ml.features.dataset import dataset as write_dataset

    out = home.root.parent / "temp" / "dataset.parquet"
    write_dataset(out, home=home)
    return digest_of(pq.read_table(out).to_pylist())


def online(home: Home, asked: pa.Table) -> str:
    """Online values of some customers, by a reader that is opened once, as a server would."""
    if home.root not in OPEN:
        from ml.featurestore.online.read import OnlineReader

        OPEN[home.root] = OnlineReader(home.root)
    customers = sorted(set(asked.column("customer_id").to_pylist()))[:20]
    return digest_of(OPEN[home.root].features(customers, EARLIER))


def whole_build(home: Home, asked: pa.Table) -> str:
    """Every row of the build, read before and after a while in which it must not go away."""
    with home.reading() as build:
        first = build_digest(home, build)
        time.sleep(HELD_SECONDS if (home.root.parent / "turns").exists() else 0)
        last = build_digest(home, build)
    return first if first == last else f"{first} became {last}"


OPEN: dict[Path, Any] = {}
QUESTIONS: dict[str, Callable[[Home, pa.Table], str]] = {
    "features": features,
    "scores": scores,
    "dataset": dataset,
    "online values": online,
    "a whole build, held": whole_build,
}


@dataclass
class Answers:
    """What one reader got.

    Parameters
    ----------
    question : str
    counts : Counter
        How often each shop's answer came.
    wrong : list of str
        Answers that belong to neither, and errors.
    """

    question: str
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def trial(self, turns: int) -> Trial:
        """As a line of the table: one answer is one instant."""
        said = ", ".join(f"{count} x {shop}" for shop, count in sorted(self.counts.items()))
        trial = Trial(self.question, READING, f"{sum(self.counts.values())} answers, {turns} publications")
        trial.found, trial.lost = f"{said}; {len(self.wrong)} wrong", bool(self.wrong)
        trial.unclear = self.wrong[:5]
        trial.next_run = "as expected" if len(self.counts) == len(SHOPS) else f"only {said} was ever seen"
        return trial


def reading_trials(place: Place, seconds: float, say: Callable[[str], None]) -> list[Trial]:
    """Prepare both shops, then let readers and one publisher run at once for so long."""
    say("readers: preparing both shops")
    (place.root / "turns").unlink(missing_ok=True)
    asked = place.root / "asked.parquet"
    record_shops(place)
    pq.write_table(rows_to_ask(place), asked)
    rightful = {shop: answers_at_rest(place, shop, asked) for shop in SHOPS}
    for question in QUESTIONS:
        if rightful["a"][question] == rightful["b"][question]:
            raise RuntimeError(f"{question}: both shops answer the same, a mixture would not show")
    place.restore("shop-a")
    with publishing(place, seconds), asking(place, asked) as readers:
        wait_for_turns(place, seconds, say)
    turns = int((place.root / "turns").read_text())
    return [judged(question, file, rightful).trial(turns) for question, file in readers.items()]


def record_shops(place: Place) -> None:
    """Make the state of each shop, built, with one model for both and online; keep what dbt made."""
    place.restore("a")
    for shop in SHOPS:
        folder = place.recording(RECORDED + shop)
        if folder.exists():
            subprocess.run(["rm", "-r", str(folder)], check=True)
        must(run(place, ("ingest", str(place.raw(shop)))), "ingest")
        must(run(place, ("build", "--full-refresh"), plan={"record": str(folder)}), "build")
        must(run(place, ("materialize",)), "materialize")
        place.save(f"shop-{shop}")


def rows_to_ask(place: Place) -> pa.Table:
    """Customers and instants at which each view of one shop differs from that of the other."""
    tables = [every_row(place, shop) for shop in SHOPS]
    differing = [
        (left["customer_id"], left["event_timestamp"])
        for left, right in zip(*tables, strict=True)
        if all(left[view] != right[view] for view in left if view.startswith("feat_"))
    ]
    if len(differing) < len(tables[0]) // 50:
        raise RuntimeError("the two shops differ too little")
    return pa.table(
        {
            "customer_id": [customer for customer, _ in differing],
            "event_timestamp": pa.array([at for _, at in differing], pa.timestamp("us")),
        }
    )


def every_row(place: Place, shop: str) -> list[dict[str, Any]]:
    """What each view says of the customers that both shops may have, week by week, in one shop."""
    place.restore(f"shop-{shop}")
    build = Home.at(place.home).current_build()
    instants = [EARLIER - timedelta(days=7 * week, hours=week) for week in range(40)]
    customers = [f"C{number:07d}" for number in range(1, 300)]
    asked = [(customer, at) for customer in customers for at in instants]
    table = pa.table(
        {
            "customer_id": [customer for customer, _ in asked],
            "event_timestamp": pa.array([at for _, at in asked], pa.timestamp("us")),
        }
    )
    return [by_view(row, build) for row in point_in_time(build, table).to_pylist()]


def by_view(row: dict[str, Any], build: Path) -> dict[str, Any]:
    """A row with the values of each view as one tuple."""
    views = read_catalog(build).views
    keys = {"customer_id": row["customer_id"], "event_timestamp": row["event_timestamp"]}
    return keys | {view.name: tuple(row[one.name] for one in view.features) for view in views}


def answers_at_rest(place: Place, shop: str, asked: Path) -> dict[str, str]:
    """The rightful answers of one shop."""
    place.restore(f"shop-{shop}")
    rows, home = pq.read_table(asked), Home.at(place.home)
    OPEN.clear()
    return {question: ask(home, rows) for question, ask in QUESTIONS.items()}


@contextmanager
def publishing(place: Place, seconds: float) -> Iterator[None]:
    """One process that ingests, builds and materializes the two shops in turn."""
    (place.root / "turns").write_text("0")
    plan = json.dumps({"root": str(place.root), "seconds": seconds})
    with process(place, "tests.chaos.publisher", plan) as publisher:
        yield
        if publisher.wait(seconds + 120) != 0:
            raise RuntimeError("the publisher failed; what it said stands above")


@contextmanager
def asking(place: Place, asked: Path) -> Iterator[dict[str, Any]]:
    """One process for each question, until the block ends; question -> file of its answers."""
    stop = place.root / "stop"
    stop.unlink(missing_ok=True)
    readers, files = [], {}
    for number, question in enumerate(QUESTIONS):
        files[question] = (place.root / f"answers-{number}").open("w+")
        plan = json.dumps({"root": str(place.root), "question": question, "asked": str(asked)})
        words = [sys.executable, "-m", "tests.chaos.asker", plan]
        readers.append(
            subprocess.Popen(words, cwd=ROOT, env=child_environment(place, "reader"), stdout=files[question])
        )
    try:
        yield files
    finally:
        stop.touch()
        for reader in readers:
            reader.wait(60)


@contextmanager
def process(place: Place, module: str, plan: str) -> Iterator[subprocess.Popen[bytes]]:
    """A module of this package in a process of its own; ended with the block at the latest."""
    words = [sys.executable, "-m", module, plan]
    running = subprocess.Popen(words, cwd=ROOT, env=child_environment(place, "publisher"))
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def wait_for_turns(place: Place, seconds: float, say: Callable[[str], None]) -> None:
    """Say now and then how far it is."""
    started = datetime.now()
    while (passed := (datetime.now() - started).total_seconds()) < seconds:
        time.sleep(min(10.0, seconds - passed))
        say(f"readers: {passed:.0f} of {seconds:.0f} s, {(place.root / 'turns').read_text()} publications")


def judged(question: str, file: Any, rightful: dict[str, dict[str, str]]) -> Answers:
    """Count whose answers came."""
    answers = Answers(question)
    owners = {rightful[shop][question]: shop for shop in SHOPS}
    for line in read_and_remove(file).splitlines():
        said = json.loads(line)
        if said in owners:
            answers.counts[owners[said]] += 1
        else:
            answers.wrong.append(said)
    return answers
