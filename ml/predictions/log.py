"""The log itself: appended in one transaction for many entries, verified, exported, pruned.

``<home>/predictions/log.db`` is SQLite in WAL mode; ``CHURN_PREDICTION_LOG`` names a PostgreSQL database
instead (``postgresql://user:password@host/database``). Several processes append: each transaction takes the
write lock, reads the last hash and goes on from it, so that the log is one chain.
"""

import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ml.common.errors import TidemarkError, UsageError
from ml.common.instants import format_instant, utc_now
from ml.common.sql import quoted
from ml.home.layout import Home
from ml.predictions.entries import COLUMNS, DROPPED, ERASED, GENESIS, NAMES, Entry
from ml.predictions.erased_entries import ErasedEntries

ENVIRONMENT = "CHURN_PREDICTION_LOG"
POSTGRES = ("postgresql://", "postgres://")
BUSY_SECONDS = 30
ROWS_AT_ONCE = 10_000
LOCK = 7_264_811  # of the advisory lock in PostgreSQL; any number that others do not take
SELECTED = ", ".join(map(quoted, COLUMNS))
TYPES = {"prediction": "double precision", "latency_ms": "double precision", "count": "bigint"}


class PredictionLog:
    """An open prediction log.

    Parameters
    ----------
    home : Home
    url : str, optional
        Of a PostgreSQL database, or empty for the file in the home; by default that of
        ``CHURN_PREDICTION_LOG``, else the file.

    Raises
    ------
    TidemarkError
        It cannot be opened.
    """

    def __init__(self, home: Home, url: str | None = None) -> None:
        url = os.environ.get(ENVIRONMENT) if url is None else url
        self.is_postgres = bool(url)
        try:
            self.connection = connect_postgres(url) if url else connect_sqlite(home)
            with self.transaction() as cursor:
                for statement in schema(self.is_postgres):
                    cursor.execute(statement)
        except Exception as error:
            if not is_database_error(error):
                raise
            raise TidemarkError(f"the prediction log cannot be opened: {first_line(error)}") from error

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> "PredictionLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self, writes: bool = False) -> Iterator[Any]:
        """A cursor within one transaction; a writer waits for the one before it."""
        cursor = self.connection.cursor()
        try:
            cursor.execute("begin immediate" if writes and not self.is_postgres else "begin")
            if writes and self.is_postgres:
                cursor.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
            yield cursor
            cursor.execute("commit")
        except BaseException:
            with suppress(Exception):  # the first error tells more than that of a dead connection
                cursor.execute("rollback")
            raise
        finally:
            cursor.close()

    def sql(self, statement: str) -> str:
        """A statement with the parameter marks of the database."""
        return statement.replace("?", "%s") if self.is_postgres else statement

    def append(self, entries: Sequence[Entry]) -> None:
        """Add entries to the chain, all or none, durably.

        Raises
        ------
        sqlite3.Error, psycopg.Error
            They could not be written.
        """
        with self.transaction(writes=True) as cursor:
            self.append_within(cursor, entries)

    def append_within(self, cursor: Any, entries: Sequence[Entry]) -> None:
        """Add entries to the chain in a transaction that has begun."""
        sequence, previous = self.end(cursor)
        rows = []
        for entry in entries:
            sequence, link = sequence + 1, entry.hash_after(previous)
            rows.append((sequence, *astuple(entry), previous, link))
            previous = link
        marks = ", ".join("?" * len(COLUMNS))
        cursor.executemany(self.sql(f"insert into predictions ({SELECTED}) values ({marks})"), rows)
        cursor.execute("delete from last_entry")
        cursor.execute(self.sql("insert into last_entry values (1, ?, ?)"), (sequence, previous))

    def end(self, cursor: Any) -> tuple[int, str]:
        """The number and the hash of the last entry."""
        cursor.execute("select sequence, hash from predictions order by sequence desc limit 1")
        return cursor.fetchone() or self.pruned(cursor)

    def pruned(self, cursor: Any) -> tuple[int, str]:
        """The number and the hash of the last pruned entry, from which the chain goes on."""
        cursor.execute("select sequence, hash from pruned order by sequence desc limit 1")
        return cursor.fetchone() or (0, GENESIS)

    def has_request(self, request_id: str) -> bool:
        """Whether any entry is of a request."""
        with self.transaction() as cursor:
            cursor.execute(self.sql("select 1 from predictions where request_id = ? limit 1"), (request_id,))
            return cursor.fetchone() is not None

    def rows(self, since: str = "") -> Iterator[dict[str, Any]]:
        """Every entry logged at ``since`` or later, in order, with its number and hashes."""
        select, last = f"select {SELECTED} from predictions", 0
        while True:
            cursor = self.connection.cursor()
            query = f"{select} where sequence > ? and logged_at >= ? order by sequence limit {ROWS_AT_ONCE}"
            cursor.execute(self.sql(query), (last, since))
            batch = cursor.fetchall()
            cursor.close()
            for values in batch:
                row = dict(zip(COLUMNS, values, strict=True))
                row["decision"] = None if row["decision"] is None else bool(row["decision"])
                yield row
            if len(batch) < ROWS_AT_ONCE:
                return
            last = batch[-1][0]

    def verify(self) -> dict[str, Any]:
        """Whether the chain is whole.

        Returns
        -------
        dict
            ``entries``, ``dropped`` (scores that could not be logged), ``erased`` (entries emptied because
            their customer was erased), ``last_hash``, ``first_fault`` (a sentence; None where every entry is
            as it was written and none is missing) and ``whole``.
        """
        with self.transaction() as cursor:
            sequence, previous = self.pruned(cursor)
        entries = dropped = 0
        erased = ErasedEntries()
        fault = None
        for row in self.rows():
            sequence += 1
            entry = Entry(**{name: row[name] for name in NAMES})
            if row["sequence"] != sequence:
                fault = f"entry {sequence} is missing: {row['sequence']} follows {sequence - 1}"
            elif row["previous_hash"] != previous:
                fault = f"entry {sequence} does not follow the one before it"
            elif entry.kind == ERASED:
                # Its content is gone, its hash stays: the next entry and the one that says so vouch for it.
                fault = erased.add(sequence, entry)
            elif row["hash"] != entry.hash_after(previous):
                fault = f"entry {sequence} was changed after it was written"
            if fault:
                break
            previous, entries = row["hash"], entries + 1
            dropped += entry.count if entry.kind == DROPPED else 0
            erased.expect(entry)
        fault = fault or erased.fault(since=sequence - entries)
        with self.transaction() as cursor:
            cursor.execute("select sequence, hash from last_entry")
            written = cursor.fetchone()
        if fault is None and written and tuple(written) != (sequence, previous):
            fault = f"entries after {sequence} are missing: {written[0]} were written"
        return {
            "entries": entries,
            "dropped": dropped,
            "erased": len(erased.found),
            "last_hash": previous,
            "first_fault": fault,
            "whole": fault is None,
        }

    def prune(self, older_than_days: int, now: datetime | None = None) -> dict[str, Any]:
        """Remove the oldest entries; the chain goes on from the hash of the last one removed.

        Returns
        -------
        dict
            ``removed`` and ``kept`` (numbers of entries), ``before`` (the instant).
        """
        if older_than_days < 0:
            raise UsageError("--older-than is a number of days from 0 on")
        now = now or utc_now()
        before = format_instant(now - timedelta(days=older_than_days))
        with self.transaction(writes=True) as cursor:
            # Only from the front: entries of several processes may be some milliseconds out of order.
            cursor.execute(self.sql("select min(sequence) from predictions where logged_at >= ?"), (before,))
            first_kept = cursor.fetchone()[0]
            condition = "sequence < ?" if first_kept is not None else "sequence >= ?"
            limit = (first_kept or 0,)
            cursor.execute(
                self.sql(
                    f"select sequence, hash from predictions where {condition} order by sequence desc limit 1"
                ),
                limit,
            )
            last = cursor.fetchone()
            removed = 0
            if last is not None:
                cursor.execute(self.sql(f"delete from predictions where {condition}"), limit)
                removed = cursor.rowcount
                cursor.execute("delete from pruned")
                cursor.execute(self.sql("insert into pruned values (?, ?)"), tuple(last))
            cursor.execute("select count(*) from predictions")
            kept = cursor.fetchone()[0]
        return {"removed": removed, "kept": kept, "before": before}


def logs_of(home: Home) -> Iterator[PredictionLog]:
    """Every prediction log of a home: the database of ``CHURN_PREDICTION_LOG``, and the file."""
    urls = [url for url in (os.environ.get(ENVIRONMENT),) if url]
    urls += [""] if log_file(home).exists() else []
    for url in urls:
        with PredictionLog(home, url) as log:
            yield log


def log_file(home: Home) -> Path:
    """The SQLite file of the prediction log; it may not exist."""
    return home.root / "predictions" / "log.db"


def schema(is_postgres: bool) -> list[str]:
    """The statements that make the tables where they are missing.

    ``last_entry`` is what the last writer left, so that an end that was cut off is found as well.
    """
    boolean = "boolean" if is_postgres else "integer"
    types = {**TYPES, "decision": boolean}
    columns = ", ".join(f"{quoted(name)} {types.get(name, 'text')}" for name in NAMES)
    statements = [
        f"create table if not exists predictions (sequence bigint primary key, {columns}, "
        "previous_hash text not null, hash text not null)",
        "create table if not exists pruned (sequence bigint, hash text)",
        "create table if not exists last_entry (one integer primary key, sequence bigint, hash text)",
    ]
    return statements


def connect_sqlite(home: Home) -> sqlite3.Connection:
    file = log_file(home)
    file.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    return connection


def connect_postgres(url: str) -> Any:
    if not url.startswith(POSTGRES):
        raise UsageError(f"{ENVIRONMENT} is no address of PostgreSQL: it begins with postgresql://")
    try:
        import psycopg
    except ImportError as error:
        raise UsageError(
            f"{ENVIRONMENT} needs the package psycopg: pip install 'tidemark[postgres]'"
        ) from error
    return psycopg.connect(url, autocommit=True, connect_timeout=10)


def is_database_error(error: BaseException) -> bool:
    """Whether an error is one of SQLite, of PostgreSQL or of the disk."""
    psycopg = sys.modules.get("psycopg")
    kinds = (sqlite3.Error, OSError, *((psycopg.Error,) if psycopg else ()))
    return isinstance(error, kinds)


def first_line(error: Exception) -> str:
    """An error in one line, without an address or password."""
    return (str(error).splitlines() or [type(error).__name__])[0].partition(" at ")[0]
