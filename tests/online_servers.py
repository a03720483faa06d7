"""PostgreSQL and Redis as the online store of a test, in a namespace that is dropped afterwards."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from uuid import uuid4

import pytest

from ml.featurestore.online.server_address import ENVIRONMENT

FILE, POSTGRES, REDIS = "sqlite", "postgresql", "redis"
EVERYWHERE, SERVERS = (FILE, POSTGRES, REDIS), (POSTGRES, REDIS)
URLS = {
    POSTGRES: os.environ.get("TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test"),
    REDIS: os.environ.get("TEST_REDIS", "redis://127.0.0.1:6379/0"),
}


@contextmanager
def online_store(kind: str) -> Iterator[str | None]:
    """The online store of every home within: a file, or a server, whose URL it is."""
    if kind == FILE:
        yield None
        return
    check_server(kind)
    namespace = f"test_{uuid4().hex[:12]}"
    url = f"{URLS[kind]}?namespace={namespace}"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(ENVIRONMENT, url)
        try:
            yield url
        finally:
            drop(kind, namespace)


def check_server(kind: str) -> None:
    """Skip a test, loudly, where no server answers."""
    if fault := fault_of(kind):
        pytest.skip(f"NOT TESTED: the online store in {kind}, for no server answers at {URLS[kind]}: {fault}")


@lru_cache
def fault_of(kind: str) -> str:
    if kind == POSTGRES:
        psycopg = pytest.importorskip("psycopg", reason="NOT TESTED: psycopg is not installed")
        try:
            psycopg.connect(URLS[kind], connect_timeout=3).close()
        except psycopg.Error as error:
            return str(error).splitlines()[0]
        return ""
    redis = pytest.importorskip("redis", reason="NOT TESTED: redis is not installed")
    try:
        redis.Redis.from_url(URLS[kind], socket_connect_timeout=3).ping()
    except redis.RedisError as error:
        return str(error)
    return ""


def drop(kind: str, namespace: str) -> None:
    """Drop everything of a namespace."""
    if kind == POSTGRES:
        import psycopg

        with psycopg.connect(URLS[kind], autocommit=True) as connection:
            connection.execute(f'drop schema if exists "{namespace}" cascade')
        return
    import redis

    client = redis.Redis.from_url(URLS[kind])
    for key in client.scan_iter(f"{{{namespace}}}:*", count=1000):
        client.unlink(key)
    client.close()


def table_views(url: str | None, path: os.PathLike[str] | str) -> list[str]:
    """The views of which a store has tables, a view for each: in a file, or at an address."""
    if url is None:
        import sqlite3

        with sqlite3.connect(path) as file:
            names = [row[0] for row in file.execute("select name from sqlite_master where type = 'table'")]
        return sorted({*names} - {"materialized", "remembered", "loading"})
    base, _, namespace = url.partition("?namespace=")
    if base == URLS[POSTGRES]:
        import psycopg

        with psycopg.connect(base) as connection:
            query = "select tablename from pg_tables where schemaname = %s"
            names = [row[0] for row in connection.execute(query, [namespace]).fetchall()]
    else:
        import redis

        with redis.Redis.from_url(base, decode_responses=True) as client:
            names = [key.partition(":rows:")[2] for key in client.scan_iter(f"{{{namespace}}}:rows:*")]
    return sorted(name.partition(":")[2] for name in names if name != "state")
