"""The online store on a server: outages, locks, two homes, erasing, audit and rollback."""

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from feast import FeatureStore

from ml.common.errors import OnlineUnavailableError, StateChangedError, UsageError
from ml.erasure.online_server import count_online, erase_online
from ml.featurestore.online.read import OnlineReader
from ml.featurestore.online.server_address import ENVIRONMENT, address_of, online_address
from ml.featurestore.online.server_rows import open_rows
from ml.featurestore.online.status import online_builds, online_views
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.serve.served_state import ServedState
from ml.warehouse.doctor import check_online, finding
from ml.warehouse.materialize import materialize, open_feast, write_online
from tests.ml.featurestore.retrieve_rows import offline, online
from tests.ml.featurestore.small_build import ORDER_ROWS, write_build
from tests.ml.featurestore.test_online_table_names import pushed_orders
from tests.online_servers import POSTGRES, REDIS, URLS, online_store

CLOCK = datetime(2024, 3, 1, 10, 11, 12, 987654)
EVERYBODY = ["ann", "nil", "old"]
KEY = "customer-20417-whom-we-forget"


def spare_port() -> int:
    with socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        port: int = spare.getsockname()[1]
    return port


@pytest.mark.parametrize("scheme", [POSTGRES, REDIS])
def test_a_server_that_is_away_is_named_without_its_password(
    home: Path, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, f"{scheme}://someone:s3cret@127.0.0.1:{spare_port()}/0")
    for work in (lambda: online_views(home), lambda: materialize(home=home)):
        with pytest.raises(
            OnlineUnavailableError, match=r"the online store .*127\.0\.0\.1.*cannot be used"
        ) as at:
            work()
        assert "s3cret" not in str(at.value)
        assert "someone" not in str(at.value)
        assert "\n" not in str(at.value)
    found = finding("online store", lambda: check_online(Home.at(home)))
    assert (found["state"], "s3cret" in found["detail"]) == ("broken", False)


@pytest.mark.parametrize("url", ["mysql://a", "x", "postgresql://a:b:c/", "redis://127.0.0.1/?namespace=a.b"])
def test_an_address_that_is_none_is_a_wrong_use(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        address_of(url, tmp_path / "online_store.db")


@pytest.mark.parametrize(("scheme", "driver"), [(POSTGRES, "psycopg"), (REDIS, "redis")])
def test_a_driver_that_is_missing_is_named(
    scheme: str, driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("postgres_rows", "redis_rows", "redis_lock"):
        monkeypatch.delitem(sys.modules, f"ml.featurestore.online.{module}", raising=False)
    monkeypatch.setitem(sys.modules, driver, None)
    address = address_of(f"{scheme}://127.0.0.1/0", tmp_path)
    assert address
    with pytest.raises(UsageError, match=rf"not installed \({driver}\): pip install 'tidemark\["):
        open_rows(address)


def test_two_homes_have_two_namespaces(tmp_path: Path) -> None:
    url = URLS[REDIS]
    one, two = (address_of(url, tmp_path / name / "online_store.db") for name in ("one", "two"))
    assert one
    assert two
    assert one.namespace != two.namespace
    shared = address_of(f"{url}?namespace=shop&socket_timeout=3", tmp_path / "one")
    assert shared
    assert (shared.namespace, shared.url) == ("shop", f"{url}?socket_timeout=3")


@contextmanager
def redis_server(port: int, folder: Path) -> Iterator[None]:
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("NOT TESTED: Redis that stops and starts, for there is no redis-server on this machine")
    words = [server, "--port", str(port), "--dir", str(folder), "--appendonly", "yes"]
    process = subprocess.Popen([*words, "--appendfsync", "always"], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()


def test_redis_that_stops_is_used_again_once_it_is_back(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("redis", reason="NOT TESTED: redis is not installed")
    port, folder = spare_port(), tmp_path / "redis"
    folder.mkdir()
    monkeypatch.setenv(ENVIRONMENT, f"redis://127.0.0.1:{port}/0")
    state = ServedState(Home.at(home), problem_for(Home.at(home), None))
    monkeypatch.setattr(state, "load", lambda *_: "served")
    monkeypatch.setattr("ml.serve.served_state.model_of", lambda *_: home)
    with redis_server(port, folder):
        materialize(home=home)
        reader = OnlineReader(home)
        before = reader.features(EVERYBODY, CLOCK)
        state.refresh()
        assert (state.is_ready, state.fault) == (True, "")
    with pytest.raises(OnlineUnavailableError):
        reader.features(EVERYBODY, CLOCK)
    state.refresh()
    assert not state.is_ready
    assert "cannot be used" in state.fault
    with redis_server(port, folder):
        assert reader.features(EVERYBODY, CLOCK) == before
        state.refresh()
        assert state.is_ready


def test_postgres_that_ends_a_connection_is_used_again(home: Path) -> None:
    with online_store(POSTGRES) as url:
        assert url
        import psycopg

        materialize(home=home)
        reader = OnlineReader(home)
        before = reader.features(EVERYBODY, CLOCK)
        backend = reader.store.provider.online_store.backend(reader.store.config)
        ended = backend.rows.connection().info.backend_pid
        with psycopg.connect(URLS[POSTGRES], autocommit=True) as connection:
            connection.execute("select pg_terminate_backend(%s, 2000)", [ended])
        assert reader.features(EVERYBODY, CLOCK) == before
        assert backend.rows.connection().info.backend_pid != ended


def test_a_writer_whose_lock_ran_out_changes_nothing(home: Path, store: FeatureStore) -> None:
    """The lock of a writer that was stopped for long is another's by then."""
    with online_store(REDIS):
        materialize(home=home)
        store = open_feast(Home.at(home))
        backend = store.provider.online_store.backend(store.config)
        client, key = backend.rows.client, backend.rows._key("lock:writer")
        view = store.get_feature_view("feat_customer_orders")

        def overtaken() -> None:
            with backend.transaction():
                backend.drop(view.name)
                client.set(key, "another's")

        with pytest.raises(StateChangedError, match="nothing was changed"):
            overtaken()
        client.delete(key)
        assert online(home, ["ann"], CLOCK)[0]["orders_30d"] == 2


@pytest.mark.usefixtures("each_server")
def test_swaps_and_rollbacks_under_load_show_one_build_each_time(home: Path) -> None:
    """Two builds differ in both views; a reader that mixed them would match neither."""
    builds, states = [home / "builds" / f"build-00000{number}" for number in (1, 2)], []
    materialize(home=home)
    states.append(OnlineReader(home).features(EVERYBODY, CLOCK))
    write_build(home, "build-000002", [(*row[:2], row[2] + 5, *row[3:]) for row in ORDER_ROWS])
    materialize(home=home)
    states.append(OnlineReader(home).features(EVERYBODY, CLOCK))
    assert [state[0]["orders_30d"] for state in states] == [2, 7]
    done, seen = threading.Event(), list[int]()

    def read() -> None:
        reader = OnlineReader(home)
        while not done.is_set():
            seen.append(states.index(reader.features(EVERYBODY, CLOCK)))

    feast = open_feast(Home.at(home))
    with ThreadPoolExecutor(2) as pool:
        reading = [pool.submit(read) for _ in range(2)]
        for number in range(6):
            write_online(feast, builds[number % 2], CLOCK)
        done.set()
        for one in reading:
            one.result(60)
    assert set(seen) == {0, 1}
    assert online_builds(home) == {"build-000002": CLOCK}


def test_erasing_leaves_no_byte_of_a_customer(home: Path, each_server: str) -> None:
    """Values that were overwritten, pushed, replaced and of an unfinished load go as well."""
    materialize(home=home)
    store = open_feast(Home.at(home))
    store.write_to_online_store("feat_customer_orders", pushed_orders([KEY, "ann"]))
    store.write_to_online_store("feat_customer_orders", pushed_orders([KEY]))
    before = online(home, EVERYBODY, CLOCK)
    assert everything(each_server).count(KEY.encode())
    assert count_online(Home.at(home), [KEY]) == 1

    assert erase_online(Home.at(home), [KEY, "nobody"]) == 1
    assert count_online(Home.at(home), [KEY]) == 0
    assert everything(each_server).count(KEY.encode()) == 0
    assert online(home, [KEY, *EVERYBODY], CLOCK)[1:] == before
    assert online(home, [KEY], CLOCK)[0]["orders_30d"] is None


def everything(url: str) -> bytes:
    """All that a server has of a namespace: files of PostgreSQL's tables and indexes, or Redis's values."""
    base, _, namespace = url.partition("?namespace=")
    if base == URLS[REDIS]:
        import redis

        with redis.Redis.from_url(base) as client:
            found = [content_of(client, key) for key in client.scan_iter(f"{{{namespace}}}:*")]
        return b"\n".join(found)
    import psycopg

    query = (
        "select pg_read_binary_file(pg_relation_filepath(c.oid)) from pg_class c"
        " where c.relnamespace = to_regnamespace(%s) and c.relkind in ('r', 'i')"
    )
    statistics = "select pg_read_binary_file(pg_relation_filepath('pg_statistic'))"
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(f'analyze "{namespace}".state')
        connection.execute("checkpoint")
        files = connection.execute(query, [namespace], binary=True).fetchall()
        return b"".join(file[0] for file in [*files, *connection.execute(statistics, binary=True).fetchall()])


def content_of(client: Any, key: bytes) -> bytes:
    kind = client.type(key)
    values: list[bytes] = [key]
    if kind == b"hash":
        values += [part for item in client.hgetall(key).items() for part in item]
    elif kind == b"set":
        values += list(client.smembers(key))
    elif kind == b"string":
        values.append(client.get(key))
    else:
        raise ValueError(kind)
    return b"\n".join(values)


def test_a_table_without_rows_of_anyone_is_not_there_for_a_view_that_is_gone(
    home: Path, each_server: str
) -> None:
    from ml.featurestore.repository import apply_definitions
    from tests.online_servers import table_views

    materialize(home=home)
    store = open_feast(Home.at(home))
    view = store.get_feature_view("feat_customer_profile")
    store.provider.online_store.update(store.config, [view], [], [], [], True)
    store.provider.online_store.tidy(store.config)
    assert table_views(each_server, home) == ["feat_customer_orders"]
    apply_definitions(store, home)
    materialize(home=home)
    assert online(home, EVERYBODY, CLOCK) == offline(home, EVERYBODY, CLOCK)


@pytest.mark.usefixtures("each_server")
def test_doctor_says_where_the_values_are(home: Path) -> None:
    assert check_online(Home.at(home))[0] == "not yet"
    materialize(home=home)
    state, detail = check_online(Home.at(home))
    address = online_address(home)
    assert state in ("ok", "not yet")
    assert detail.startswith("build-000001 as of 2024-03-01T10:11:12.987654Z")
    assert state == "not yet" or detail.endswith(f"MiB in {address}")


def test_keys_of_any_characters_are_kept_apart(each_server: str, tmp_path: Path) -> None:
    address = address_of(each_server, tmp_path)
    assert address
    rows, keys = open_rows(address), ["a\0b", "a\\0b", "a\\\\0b", '["a"]', "[", "", "%s", "é", "a'b\"c"]
    table: Any = {"name": "1:v", "keys": [("k", "text")], "columns": [("n", "integer"), ("t", "text")]}
    written = [[key, "2024-01-01T00:00:00.000000", None, None, place, key] for place, key in enumerate(keys)]
    rows.begin()
    rows.create(table)
    rows.insert(table, written)
    rows.commit(rows.state().__class__(1, rows.state().document))
    found = {row[0]: list(row[1:]) for row in rows.all_rows(table, ["t", "n"])}
    assert found == {row[0]: [row[1], row[5], row[4]] for row in written}
    rows.close()
