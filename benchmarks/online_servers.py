"""One customer online in SQLite, PostgreSQL and Redis: our rows, the same bytes bare, Feast's stores.

Ours and the bare read are asked by turns, to meet the same noise. Writes benchmarks/online_servers.json.
Feast's PostgreSQL store needs psycopg-pool, and is left out without it.
Example: python -m benchmarks.online_servers --customers 20000
"""

import contextlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from benchmarks.document import write_document
from benchmarks.machine import machine
from benchmarks.materialization import churn, shop_of
from benchmarks.online_figures import latencies, together
from benchmarks.online_servers_page import servers_section
from benchmarks.peer_store import peer, service_of, write_part
from ml.common.paths import ROOT
from ml.common.progress import Progress
from ml.home.build_manifest import data_clock
from ml.home.layout import Home

RESULTS = ROOT / "benchmarks" / "online_servers.json"
SEED, WARM_UP, NAMESPACE = 7, 100, "bench_online"
POSTGRES, REDIS = "postgresql://postgres@127.0.0.1:5432/test", "redis://127.0.0.1:6379/0"
Ask = Callable[[str], Any]


def run(
    folder: Path, customers: int, part: int, requests: int, repeats: int, urls: dict[str, str], say: Any
) -> dict[str, Any]:
    """Fill every store, then ask all by turns."""
    home = shop_of(folder, customers, say)
    os.environ["CHURN_HOME"] = str(home)
    asks: dict[str, Ask] = {}
    with contextlib.redirect_stdout(sys.stderr):
        build = Home(home).current_build()
        everyone = write_part(build, part, folder / "part")
        for kind, url in urls.items():
            asks |= ways_of(kind, url, home, everyone)
            say.say(f"{kind} is filled")
            asks |= feasts_own(kind, build, folder, part)
        try:
            runs = [one_repeat(asks, everyone, requests, repeat) for repeat in range(repeats)]
        finally:
            for kind, url in urls.items():
                drop(kind, url)
    found = {name: together([one[name] for one in runs]) for name in asks}
    return {"customers": customers, "customers_of_peers": part, "repeats": repeats, "ways": found}


def one_repeat(asks: dict[str, Ask], everyone: list[str], requests: int, repeat: int) -> dict[str, Any]:
    """Our rows and the bare read of each store by turns; all others one after another.

    Feast resolves a request again where another store was asked meanwhile.
    """
    found: dict[str, Any] = {}
    for kind in ("sqlite", "postgresql", "redis"):
        pair = {name: ask for name, ask in asks.items() if name in (f"{kind} bare", f"{kind} rows")}
        found |= by_turns(pair, everyone, requests, repeat)
    for name, ask in asks.items():
        if name not in found:
            found |= by_turns({name: ask}, everyone, requests // 4, repeat)
    return found


def by_turns(asks: dict[str, Ask], everyone: list[str], requests: int, repeat: int) -> dict[str, Any]:
    """Seconds of each way to ask for one customer, each request of one way after that of another."""
    drawn, seconds = random.Random(SEED + repeat), {name: list[float]() for name in asks}
    for number in range(WARM_UP + requests):
        for name, ask in asks.items():
            customer = drawn.choice(everyone)
            started = time.perf_counter()
            ask(customer)
            if number >= WARM_UP:
                seconds[name].append(time.perf_counter() - started)
    return {name: latencies(each) for name, each in seconds.items()}


def ways_of(kind: str, url: str, home: Path, everyone: list[str]) -> dict[str, Ask]:
    """The ways to ask one of our stores: its rows, the same bytes bare, and the reader of a server."""
    from ml.featurestore.online.read import OnlineReader
    from ml.featurestore.online.rows import ViewReader
    from ml.featurestore.online.value_kinds import kinds

    os.environ["CHURN_ONLINE_STORE"] = url
    churn(home, "materialize", "--full-refresh")
    del os.environ["CHURN_ONLINE_STORE"]
    reader, at = OnlineReader(home), data_clock(Home(home).current_build())
    reader.store.config.online_store.url = url or None
    backend = reader.store.provider.online_store.backend(reader.store.config)
    views = reader.store.list_batch_feature_views()
    readers = [ViewReader(view, list(kinds(view))) for view in views]

    def rows(customer: str) -> Any:
        keys = [customer]
        return backend.read([(each, keys) for each in readers])

    if any(row[0][0] is None for row in rows(everyone[0])):
        raise click.ClickException(f"{kind} does not know a customer")
    bare = {"sqlite": bare_of_sqlite, "postgresql": bare_of_postgres, "redis": bare_of_redis}[kind]
    return {
        f"{kind} bare": bare(backend, rows, everyone),
        f"{kind} rows": rows,
        f"{kind} reader": lambda customer: reader.features([customer], at),
    }


def bare_of_sqlite(backend: Any, rows: Ask, everyone: list[str]) -> Ask:
    """One row of one table that has every value of a customer."""
    import sqlite3

    connection = sqlite3.connect(":memory:", isolation_level=None)
    fill_bare(connection, "?", rows, everyone, "{} numeric")
    return lambda customer: connection.execute("select * from bare where key = ?", [customer]).fetchone()


def bare_of_postgres(backend: Any, rows: Ask, everyone: list[str]) -> Ask:
    """The same on the server, by a prepared statement and in its binary form."""
    connection = backend.rows.connect()
    fill_bare(connection, "%s", rows, everyone, "{} {}")
    cursor = connection.cursor(binary=True)
    return lambda customer: cursor.execute("select * from bare where key = %s", [customer]).fetchone()


def fill_bare(connection: Any, mark: str, rows: Ask, everyone: list[str], column: str) -> None:
    values = {customer: [value for (row,) in rows(customer) for value in row] for customer in everyone}
    width = len(values[everyone[0]])
    types = ["text"] * width
    for index in range(width):
        present = {type(row[index]) for row in values.values()} - {type(None)}
        types[index] = "text" if str in present else "double precision" if float in present else "bigint"
    names = ", ".join(column.format(f"c{index}", type_) for index, type_ in enumerate(types))
    connection.execute(f"create temp table bare (key text primary key, {names})")
    marks = ", ".join([mark] * (width + 1))
    cursor = connection.cursor()
    some = [[customer, *row] for customer, row in values.items()]
    cursor.executemany(f"insert into bare values ({marks})", some)


def bare_of_redis(backend: Any, rows: Ask, everyone: list[str]) -> Ask:
    """GET of one text as long as the rows of a customer."""
    client, prefix = backend.rows.client, f"{{{NAMESPACE}}}:bare:"
    tables = [backend.rows._rows(table["name"]) for table in backend.rows.state().document.views.values()]
    for customer in everyone:
        texts = [client.hget(table, customer) for table in tables]
        client.set(prefix + customer, "".join(texts))
    return lambda customer: client.get(prefix + customer)


def feasts_own(kind: str, build: Path, folder: Path, part: int) -> dict[str, Ask]:
    """Feast's own store of a kind with its own engine; nothing where it cannot be used."""
    from ml.featurestore.feast_objects import BEGINNING

    try:
        store = peer(kind, build, folder / "part", folder / f"feast-{kind}-{part}")
    except ImportError as error:
        click.echo(f"NOT MEASURED: Feast's own store in {kind}: {error}", err=True)
        return {}
    clock = data_clock(build).replace(tzinfo=UTC)
    store.materialize(max(BEGINNING, datetime(1970, 1, 2, tzinfo=UTC)), clock)
    service, text = service_of(store), data_clock(build).isoformat(timespec="microseconds")

    def ask(customer: str) -> Any:
        rows = [{"customer_id": customer, "event_timestamp": text}]
        return store.get_online_features(features=service, entity_rows=rows).to_dict()

    return {f"{kind} feast": ask}


def drop(kind: str, url: str) -> None:
    """Leave nothing on a server."""
    if kind == "postgresql":
        import psycopg

        with psycopg.connect(POSTGRES, autocommit=True) as connection:
            connection.execute(f'drop schema if exists "{NAMESPACE}" cascade')
            connection.execute("drop schema if exists peer_postgresql cascade")
    if kind == "redis":
        import redis

        client = redis.Redis.from_url(REDIS)
        for pattern in (f"{{{NAMESPACE}}}:*", "*peer_redis"):  # ours, and those of Feast's own store
            for key in client.scan_iter(pattern, count=1000):
                client.unlink(key)


@click.command()
@click.option("--customers", default=20_000, show_default=True, help="Whom our stores hold.")
@click.option("--part", default=2_000, show_default=True, help="Whom Feast's hold, and who are asked.")
@click.option("--requests", default=2_000, show_default=True, help="Of each way, in each repeat.")
@click.option("--repeats", default=5, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Where to work; a shop there is used again.")
def main(customers: int, part: int, requests: int, repeats: int, folder: Path | None) -> None:
    """Measure one customer; writes benchmarks/online_servers.json."""
    progress = Progress()
    urls = {"sqlite": ""} | {
        kind: f"{url}?namespace={NAMESPACE}" for kind, url in (("postgresql", POSTGRES), ("redis", REDIS))
    }
    with tempfile.TemporaryDirectory() as spare:
        results = run(folder or Path(spare), customers, part, requests, repeats, urls, progress)
    RESULTS.write_text(json.dumps({"machine": machine()} | results, indent=1) + "\n")
    write_document()
    progress.say(servers_section(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
