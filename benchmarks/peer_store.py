"""Feast's own stores over a part of a build: the same views, features and service, the same values.

The part is written beforehand in the types that travel through Feast, in one file a view: the conversion,
which our engine does, is spared them and not counted.
"""

import socket
from pathlib import Path
from typing import Any

import duckdb
from feast import FeatureService, FeatureStore, FeatureView, FileSource, RepoConfig

from ml.featurestore.catalog import Catalog, Feature, read_catalog
from ml.featurestore.feast_objects import SERVICE, feast_objects
from ml.featurestore.feast_types import base_type, is_instant

REDIS = "127.0.0.1:6379"
KEYS = ("customer_id", "event_timestamp")


def write_part(build: Path, customers: int, folder: Path) -> list[str]:
    """Write all rows of some customers, drawn by a hash, one file a view; who they are."""
    folder.mkdir(parents=True, exist_ok=True)
    catalog = read_catalog(build)
    with duckdb.connect() as connection:
        first = f"read_parquet('{catalog.views[0].path}/*.parquet')"
        connection.execute(
            f"create table part as select customer_id from (select distinct customer_id from {first})"
            f" order by md5(customer_id) limit {customers}"
        )
        for view in catalog.views:
            columns = ", ".join([*KEYS, *map(carried, view.features)])
            rows = f"read_parquet('{view.path}/*.parquet') semi join part using (customer_id)"
            file = folder / f"{view.name}.parquet"
            connection.execute(f"copy (select {columns} from {rows}) to '{file}' (format parquet)")
        return [row[0] for row in connection.execute("select customer_id from part order by 1").fetchall()]


def carried(feature: Feature) -> str:
    """A column in the type that Feast carries it in."""
    name = f'"{feature.name}"'
    if is_instant(feature.sql_type):
        form = "%Y-%m-%d" if base_type(feature.sql_type) == "DATE" else "%Y-%m-%dT%H:%M:%S.%f"
        return f"strftime({name}, '{form}') as {name}"
    return f"{name}::double as {name}" if base_type(feature.sql_type) == "DECIMAL" else name


def peer(kind: str, build: Path, part: Path, folder: Path, redis: str = REDIS) -> FeatureStore:
    """Feast with its own engine and one of its own online stores, everything applied.

    Parameters
    ----------
    kind : str
        sqlite, redis or postgresql.
    build : Path
        Where names, types and formulas come from.
    part : Path
        The files of ``write_part``.
    folder : Path
        Where registry and SQLite file are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    online = {
        "sqlite": {"type": "sqlite", "path": str(folder / "online.db")},
        "redis": {"type": "redis", "connection_string": redis},
        "postgresql": {
            "type": "postgres",
            "host": "127.0.0.1",
            "database": "test",
            "db_schema": "peer_postgresql",
            "user": "postgres",
            "password": "none",
            "sslmode": "disable",
        },
    }[kind]
    config = RepoConfig(
        project=f"peer_{kind}",
        provider="local",
        registry={"path": str(folder / "registry.db"), "cache_ttl_seconds": 0},
        offline_store={"type": "duckdb"},
        online_store=online,
        entity_key_serialization_version=3,
        repo_path=folder,
    )
    store = FeatureStore(config=config)
    store.apply(list(peer_objects(read_catalog(build), part).values()))
    return store


def peer_objects(catalog: Catalog, part: Path) -> dict[str, Any]:
    """The objects of a build, reading the part instead."""
    wanted = feast_objects(catalog)
    for name, each in wanted.items():
        if type(each) is FeatureView:
            path = str(part / f"{name}.parquet")
            each.batch_source = FileSource(name=name, path=path, timestamp_field="event_timestamp")
            each.materialization_intervals.clear()
    return {name: each for name, each in wanted.items() if not isinstance(each, FileSource)}


def service_of(store: FeatureStore) -> FeatureService:
    """The whole catalogue."""
    return store.get_feature_service(SERVICE)


def stored_customers(store: FeatureStore, kind: str) -> int | None:
    """How many customers the smallest view holds online; None where the store has no way to say."""
    if kind != "sqlite":
        return None
    import sqlite3

    with sqlite3.connect(store.config.online_store.path) as file:
        names = [row[0] for row in file.execute("select name from sqlite_master where type = 'table'")]
        counts = [
            file.execute(f'select count(distinct entity_key) from "{name}"').fetchone()[0] for name in names
        ]
    return min(counts)


def answers(address: str) -> bool:
    """Whether somebody listens at host:port."""
    host, _, port = address.partition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except OSError:
        return False
