"""One step of the online benchmarks, in a process of its own; prints JSON.

fill    materialize with Feast's own engine into one of its own stores
feast   materialize with ours, through Feast's API, into a new file
read    many requests to one store; how long each took
"""

import contextlib
import json
import os
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from benchmarks.peer_store import REDIS, peer, service_of, stored_customers
from ml.home.build_manifest import data_clock

SEED = 7
WARM_UP = 20
Ask = Callable[[list[str]], Any]


@click.group()
def main() -> None:
    """One step of a benchmark."""


@main.command()
@click.argument("kind", type=click.Choice(["sqlite", "redis"]))
@click.argument("build", type=click.Path(path_type=Path))
@click.argument("part", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--redis", default=REDIS)
def fill(kind: str, build: Path, part: Path, folder: Path, redis: str) -> None:
    """Feast's own engine, Feast's own store."""
    from ml.featurestore.feast_objects import BEGINNING

    with contextlib.redirect_stdout(sys.stderr):
        store = peer(kind, build, part, folder, redis)
        started = time.perf_counter()
        store.materialize(max(BEGINNING, datetime(1970, 1, 2, tzinfo=UTC)), clock_of(build))
        seconds = time.perf_counter() - started
    print(json.dumps({"seconds_of_materialize": seconds, "customers": stored_customers(store, kind)}))


@main.command()
@click.argument("home", type=click.Path(path_type=Path))
def feast(home: Path) -> None:
    """Our engine and store through Feast's API, as ``feast materialize`` calls it."""
    from ml.featurestore.feast_objects import BEGINNING
    from ml.featurestore.repository import apply_definitions, open_store

    with contextlib.redirect_stdout(sys.stderr):
        store = open_store(home)
        for file in (home / "feast").glob("*"):
            file.unlink()
        apply_definitions(store, home)
        started = time.perf_counter()
        store.materialize(BEGINNING, clock_of((home / "builds" / "current").resolve()))
        seconds = time.perf_counter() - started
        views = store.list_batch_feature_views()
        customers = min(store.provider.online_store.count(store.config, view) for view in views)
    print(json.dumps({"seconds_of_materialize": seconds, "customers": customers}))


@main.command()
@click.argument("kind", type=click.Choice(["sqlite", "redis", "api", "reader"]))
@click.argument("customers", type=click.Path(path_type=Path))
@click.argument("size", type=int)
@click.argument("repeats", type=int)
@click.option("--home", type=click.Path(path_type=Path), required=True)
@click.option("--folder", type=click.Path(path_type=Path))
@click.option("--part", type=click.Path(path_type=Path))
@click.option("--redis", default=REDIS)
def read(
    kind: str,
    customers: Path,
    size: int,
    repeats: int,
    home: Path,
    folder: Path | None,
    part: Path | None,
    redis: str,
) -> None:
    """Requests for ``size`` customers each, every feature, answers as dictionaries; seconds of each."""
    os.environ["CHURN_HOME"] = str(home)
    everyone, drawn = json.loads(customers.read_text()), random.Random(SEED)
    build = (home / "builds" / "current").resolve()
    with contextlib.redirect_stdout(sys.stderr):
        ask = asking(kind, home, build, folder, part, redis)
        for _ in range(WARM_UP):
            ask(drawn.sample(everyone, size))
        seconds = []
        for _ in range(repeats):
            some = drawn.sample(everyone, size)
            started = time.perf_counter()
            found = ask(some)
            seconds.append(time.perf_counter() - started)
        check(found, some)
    print(json.dumps({"seconds": seconds}))


def asking(kind: str, home: Path, build: Path, folder: Path | None, part: Path | None, redis: str) -> Ask:
    """How to put one question to a store."""
    at = data_clock(build)
    if kind == "reader":
        from ml.featurestore.online.read import OnlineReader

        reader = OnlineReader(home)
        return lambda some: reader.features(some, at)
    if kind == "api":
        from ml.featurestore.repository import open_store

        store = open_store(home)
    else:
        if folder is None or part is None:
            raise click.UsageError(f"{kind} needs --folder and --part")
        store = peer(kind, build, part, folder, redis)
    service, text = service_of(store), at.isoformat(timespec="microseconds")

    def ask(some: list[str]) -> Any:
        rows = [{"customer_id": customer, "event_timestamp": text} for customer in some]
        return store.get_online_features(features=service, entity_rows=rows).to_dict()

    return ask


def check(found: Any, some: list[str]) -> None:
    """The last answer is about those asked, and knows them."""
    rows = (
        found
        if isinstance(found, list)
        else [dict(zip(found, values, strict=True)) for values in zip(*found.values(), strict=True)]
    )
    if [row["customer_id"] for row in rows] != some or any(row["registered_at"] is None for row in rows):
        raise click.ClickException("a store did not know the customers asked for")


def clock_of(build: Path) -> datetime:
    return data_clock(build).replace(tzinfo=UTC)


if __name__ == "__main__":
    main()
