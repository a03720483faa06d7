"""What befalls an online store: kills, readers and pushes at any moment, a file that is taken away, forks."""

import os
import random
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from feast import FeatureStore

from ml.common.paths import ROOT
from ml.featurestore.online.connection import CHECK_SECONDS
from ml.featurestore.online.read import OnlineReader
from ml.featurestore.online.rows import OUTSIDE_MAX_AGE, PRESENT
from ml.featurestore.repository import open_store
from ml.warehouse.materialize import materialize
from tests.ml.featurestore.retrieve_rows import offline, online
from tests.ml.featurestore.small_build import ORDER_ROWS, write_build
from tests.ml.featurestore.test_online_table_names import customer, opened, pushed_orders, view_of

pytestmark = pytest.mark.subjects("ml/featurestore/online", "ml/home")

CLOCK = datetime(2024, 3, 1, 10, 11, 12, 987654)
LONG_AGO = datetime(2015, 5, 20)
EVERYBODY = ["ann", "nil", "old"]

KILLS = """
import itertools, os, random, signal, sys, time
from datetime import datetime
from pathlib import Path
from ml.featurestore.online import last_rows
from ml.featurestore.online.read import OnlineReader
from ml.warehouse.materialize import materialize

home, luck = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
clock, long_ago = datetime(2024, 3, 1, 10, 11, 12, 987654), datetime(2015, 5, 20)
last_rows.BATCH_ROWS = 1

def child(do):
    process = os.fork()
    if not process:
        status = 1
        try:
            do()
            status = 0
        finally:
            os._exit(status)
    return process

def load_for_ever():
    for number in itertools.count():
        materialize(home=home, as_of=(clock, long_ago)[number % 2], full_refresh=luck.random() < 0.3)

def look():
    (ann,) = OnlineReader(home).features(["ann"], clock)
    seen = ann["orders_30d"], ann["registered_at"]
    print(seen, flush=True)
    assert seen in ((None, None), (2, "2024-01-01T00:00:00.000000")), seen

for _ in range(int(sys.argv[3])):
    loading = child(load_for_ever)
    time.sleep(luck.uniform(0.05, 1.2))
    os.kill(loading, signal.SIGKILL)
    assert os.waitpid(loading, 0)[1] == signal.SIGKILL
    assert os.waitpid(child(look), 0)[1] == 0
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_kills_at_random_leave_one_whole_state_and_nothing_else(home: Path, seed: int) -> None:
    materialize(home=home)
    script = [sys.executable, "-c", textwrap.dedent(KILLS), str(home), str(seed), "8"]
    ran = subprocess.run(
        script,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == 8

    materialize(home=home)
    assert online(home, EVERYBODY, CLOCK) == offline(home, EVERYBODY, CLOCK)
    with sqlite3.connect(home / "feast" / "online_store.db") as file:
        names = {row[0] for row in file.execute("select name from sqlite_master where type = 'table'")}
        assert file.execute("pragma quick_check").fetchall() == [("ok",)]
    views = {"feat_customer_orders", "feat_customer_profile"}
    assert names == {"materialized", "remembered", "loading", *views}


@pytest.mark.usefixtures("each_store")
def test_many_readers_see_one_state_each_time_while_loads_go_on(home: Path) -> None:
    """A thousand customers a request, most of them unknown, some twice; increments and whole loads."""
    materialize(home=home)
    asked = [*EVERYBODY, *(f"nobody {number}" for number in range(995)), "ann", "old"]
    states = {}
    for instant in (LONG_AGO, CLOCK):
        materialize(home=home, as_of=instant)
        states[instant] = OnlineReader(home).features(asked, CLOCK)
    assert [row["orders_30d"] for row in states[CLOCK]] == [2, 0, 0, *[None] * 995, 2, 0]
    assert [row["customer_id"] for row in states[LONG_AGO]] == asked
    done, seen = threading.Event(), list[int]()

    def read() -> None:
        reader = OnlineReader(home)
        while not done.is_set():
            answer = reader.features(asked, CLOCK)
            seen.append([*states.values()].index(answer))

    with ThreadPoolExecutor(3) as pool:
        reading = [pool.submit(read) for _ in range(3)]
        for number in range(8):
            materialize(home=home, as_of=(LONG_AGO, CLOCK)[number % 2], full_refresh=number % 3 == 0)
        done.set()
        for one in reading:
            one.result(60)
    assert set(seen) == {0, 1}


@pytest.mark.usefixtures("each_store")
def test_of_pushes_at_once_the_latest_of_each_customer_holds(home: Path, store: FeatureStore) -> None:
    materialize(home=home)
    luck = random.Random(0)
    pushes = [(who, minute) for who in EVERYBODY for minute in range(24)]
    luck.shuffle(pushes)

    def push(some: list[tuple[str, int]]) -> None:
        mine = open_store(home)
        for who, minute in some:
            instant = pd.Timestamp(CLOCK, tz="UTC") + timedelta(minutes=minute)
            rows = pushed_orders([who]).assign(event_timestamp=instant, orders_30d=100 + minute)
            mine.write_to_online_store("feat_customer_orders", rows)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(push, [pushes[place::4] for place in range(4)]))
    assert [row["orders_30d"] for row in online(home, EVERYBODY, CLOCK)] == [123] * 3


@pytest.mark.usefixtures("each_store")
def test_pushes_during_whole_loads_are_neither_lost_nor_doubled(home: Path, store: FeatureStore) -> None:
    """Feast's own materialize keeps what was pushed, whenever that comes."""
    last, done = [0], threading.Event()

    def push() -> None:
        mine = open_store(home)
        while not done.is_set():
            last[0] += 1
            instant = pd.Timestamp(CLOCK, tz="UTC") + timedelta(minutes=last[0])
            rows = pushed_orders(["ann"]).assign(event_timestamp=instant, orders_30d=100 + last[0])
            mine.write_to_online_store("feat_customer_orders", rows)

    with ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(push)
        for _ in range(4):
            loading = open_store(home)
            loading.provider.batch_engine.rewrites_all = True
            loading.materialize_incremental(CLOCK.replace(tzinfo=UTC))
        done.set()
        pushing.result(60)
    assert last[0] > 4
    assert [row["orders_30d"] for row in online(home, EVERYBODY, CLOCK)] == [100 + last[0], 0, 0]
    assert (
        store.provider.online_store.count(store.config, store.get_feature_view("feat_customer_orders")) == 3
    )


def take_away(home: Path) -> None:
    for file in (home / "feast").glob("online_store.db*"):
        file.unlink()


def test_who_has_the_file_open_notices_that_it_was_made_anew(home: Path) -> None:
    """A server and whoever pushes go on with the file of the name, not with the one that was deleted."""
    materialize(home=home)
    reader, pusher = OnlineReader(home), open_store(home)
    pusher.write_to_online_store("feat_customer_orders", pushed_orders(["ann"]))
    assert reader.features(["ann"], CLOCK)[0]["orders_30d"] == 9

    take_away(home)
    time.sleep(2 * CHECK_SECONDS)
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match="run 'churn materialize' first"):
            reader.features(["ann"], CLOCK)
    write_build(home, "build-000002", [(*row[:2], row[2] + 5, *row[3:]) for row in ORDER_ROWS])
    materialize(home=home)
    assert reader.features(EVERYBODY, CLOCK) == offline(home, EVERYBODY, CLOCK)

    rows = pushed_orders(["old"])
    pusher.refresh_registry()
    pusher.write_to_online_store("feat_customer_orders", rows)
    assert [row["orders_30d"] for row in reader.features(EVERYBODY, CLOCK)] == [7, 5, 9]


def test_a_transaction_ends_in_the_file_it_began_in(home: Path, store: FeatureStore) -> None:
    materialize(home=home)
    held = store.provider.online_store
    with held.snapshot(store.config) as connection:
        take_away(home)
        with held.snapshot(store.config) as inner:
            assert inner is connection
        assert connection.execute("select count(*) from feat_customer_orders").fetchone() == (3,)


def in_a_fork(do: Callable[[], Any]) -> bool:
    """Whether ``do`` says yes in a process that was forked from this one."""
    process = os.fork()
    if not process:
        said = False
        try:
            said = bool(do())
        finally:
            os._exit(0 if said else 1)
    return os.waitpid(process, 0)[1] == 0


def test_a_forked_process_has_a_connection_of_its_own(home: Path, store: FeatureStore) -> None:
    materialize(home=home)
    held = store.provider.online_store
    connection = held.backend(store.config).connection()

    def another() -> bool:
        mine = held.backend(store.config).connection()
        count = mine.execute("select count(*) from feat_customer_orders").fetchone()
        return mine is not connection and count == (3,)

    assert in_a_fork(another)
    assert held.backend(store.config).connection() is connection


@pytest.mark.usefixtures("each_store")
def test_a_thousand_keys_some_unknown_some_too_old(tmp_path: Path) -> None:
    store = opened(tmp_path)
    view = view_of(tmp_path, "v", list(range(300)))
    view.ttl = timedelta(days=3650)
    store.apply([customer, view])
    now = datetime.now(UTC)
    store.materialize(datetime(2000, 1, 1, tzinfo=UTC), now)
    too_old = {"customer_id": ["c3", "c4"], "seen": [pd.Timestamp("2024-02-02", tz="UTC")] * 2, "n": [7, 8]}
    store.write_to_online_store("v", pd.DataFrame(too_old))
    fresh = {"customer_id": ["c4", "new"], "seen": [pd.Timestamp(now)] * 2, "n": [80, 90]}
    store.write_to_online_store("v", pd.DataFrame(fresh))
    view.ttl = timedelta(days=1)
    store.apply([customer, view])

    luck = random.Random(3)
    asked = [luck.choice(["c3", "c4", "new", "c299", "nobody"]) for _ in range(1000)]
    told = {"c4": 80, "new": 90}
    answer = store.get_online_features(["v:n"], {"customer_id": asked})
    assert answer.to_dict() == {"customer_id": asked, "n": [told.get(one) for one in asked]}
    (vector,) = answer.proto.results[1:]
    known = {**dict.fromkeys(("c3", "c299"), OUTSIDE_MAX_AGE), **dict.fromkeys(told, PRESENT)}
    assert [known.get(one) for one in asked if one != "nobody"] == [
        status for one, status in zip(asked, vector.statuses, strict=True) if one != "nobody"
    ]
