"""Rows in PostgreSQL: a schema for each home, a table for each load of a view, a column for each feature.

A read is one statement, which joins the tables of all views to the version of the state: one snapshot, one
round trip, prepared after its first uses.
"""

import json
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from hashlib import sha256
from typing import Any

import psycopg

from ml.common import sql as common_sql
from ml.common.errors import FeatureError, OnlineUnavailableError, UsageError
from ml.featurestore.online.postgres_values import (
    as_json,
    escaped,
    fits,
    plain,
    stored_row,
    type_of,
    unescaped,
)
from ml.featurestore.online.server_address import TIMEOUT_SECONDS, Address
from ml.featurestore.online.server_rows import Column, Document, ReadPlan, Rows, State, Table, document_of

INSTANT, CREATED, PUSHED, OTHER = "event_timestamp", "__created", "__pushed", "__other"
OWN = {
    INSTANT: 'text collate "C" not null',
    CREATED: 'text collate "C"',
    PUSHED: "integer",
    # values that the column of their feature cannot have, such as NaN: feature -> value, as JSON
    OTHER: "text",
}
LONGEST_NAME = 63  # in bytes; PostgreSQL cuts longer ones in silence
ROWS_AT_ONCE = 20_000


class PostgresRows(Rows):
    """Rows in one schema.

    Parameters
    ----------
    address : Address
    """

    def __init__(self, address: Address) -> None:
        self.driver: Any = psycopg
        self.address, self.schema = address, quoted(address.namespace)
        self._local = threading.local()
        self._lock = int.from_bytes(sha256(address.namespace.encode()).digest()[:7], "big")

    def connect(self) -> Any:
        try:
            connection = self.driver.connect(
                self.address.url,
                autocommit=True,
                connect_timeout=TIMEOUT_SECONDS,
                prepare_threshold=2,
                application_name="tidemark",
            )
        except self.driver.ProgrammingError as error:
            # the driver's message has the whole URL in it
            raise UsageError(f"the URL of the online store {self.address} cannot be read") from error
        # to compile a lookup of some rows takes a thousand times as long as to run it
        connection.execute("set jit = off")
        return connection

    def connection(self) -> Any:
        """This thread's connection, opened where there is none; a forked process opens its own."""
        connection, process = getattr(self._local, "connection", (None, 0))
        if connection is None or connection.closed or process != os.getpid():
            connection = self.connect()
            self._local.connection = connection, os.getpid()
        return connection

    def close(self) -> None:
        connection, _ = getattr(self._local, "connection", (None, 0))
        self._local.connection = None, 0
        if connection is not None:
            with suppress(Exception):
                connection.close()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Say what a failing server says in one sentence; the next call opens another connection."""
        try:
            yield
        except self.driver.Error as error:
            if isinstance(error, self.driver.OperationalError | self.driver.InterfaceError):
                self.close()
            raise self.address.unavailable(error) from error

    def _execute(self, sql: str, parameters: Sequence[Any] = (), *, binary: bool = False) -> Any:
        """Run a statement; once more on another connection where this one had ended and nothing was begun."""
        with self._failures():
            connection = self.connection()
            try:
                return connection.execute(sql, parameters, binary=binary)
            except self.driver.OperationalError:
                if not connection.closed or getattr(self._local, "has_begun", False):
                    raise
                return self.connection().execute(sql, parameters, binary=binary)

    def state(self) -> State:
        try:
            row = self._execute(f"select version, document from {self.schema}.state").fetchone()
        except OnlineUnavailableError as error:
            if is_missing(error, self.driver):
                return State(0, Document())
            raise
        return State(row[0], document_of(row[1], self.address)) if row else State(0, Document())

    def begin(self) -> None:
        self._execute("begin")
        self._local.has_begun = True
        self._execute("select pg_advisory_xact_lock(%s)", [self._lock])
        if (
            self._execute(
                "select to_regclass(%s)", [f"{common_sql.quoted(self.address.namespace)}.state"]
            ).fetchone()[0]
            is None
        ):
            self._execute(f"create schema if not exists {self.schema}")
            columns = "one integer primary key, version bigint not null, document text not null"
            self._execute(f"create table {self.schema}.state ({columns})")

    def commit(self, state: State | None) -> None:
        if state is not None:
            self._execute(
                f"insert into {self.schema}.state values (1, %s, %s) on conflict (one) do update"
                " set version = excluded.version, document = excluded.document",
                [state.version, json.dumps(asdict(state.document))],
            )
        self._execute("commit")
        self._local.has_begun = False

    def rollback(self) -> None:
        self._local.has_begun = False
        connection, _ = getattr(self._local, "connection", (None, 0))
        if connection is not None and not connection.closed:
            connection.execute("rollback")

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._failures():
            connection = self.connect()
        try:
            with self._failures():
                connection.execute("select pg_advisory_lock(%s)", [self._lock + 1])
            yield
        finally:
            connection.close()

    def create(self, table: Table) -> None:
        columns = [column for column in table["columns"] if column]
        long = [name for name, _ in (*table["keys"], *columns) if len(name.encode()) > LONGEST_NAME]
        if long:
            raise FeatureError(
                f"PostgreSQL has no names longer than {LONGEST_NAME} bytes, so {long[0]} cannot be put "
                "online: rename it in the source's field_mapping"
            )
        keys = {name: f"{type_of(type_)} not null" for name, type_ in table["keys"]}
        types = keys | OWN | {name: type_of(type_) for name, type_ in columns}
        listed = ", ".join(f"{quoted(name)} {type_}" for name, type_ in types.items())
        self._execute(
            f"create table {self._named(table['name'])} ({listed}, primary key ({key_list(table)}))"
        )
        self._execute(
            f"create index on {self._named(table['name'])} ({key_list(table)}) where {PUSHED} is not null"
        )

        # else the server's statistics would have some customers' keys as well; a unique index needs none
        for name, _ in table["keys"]:
            self._execute(f"alter table {self._named(table['name'])} alter {quoted(name)} set statistics 0")

    def reshape(self, table: Table, columns: list[Column], new_name: str) -> Table:
        new: Table = {"name": new_name, "keys": table["keys"], "columns": list(columns)}
        self.create(new)
        present = dict(filter(None, table["columns"]))
        same = [name for name, type_ in columns if present.get(name) == type_]
        names = ", ".join(map(quoted, [*(name for name, _ in table["keys"]), *OWN, *same]))
        self._execute(
            f"insert into {self._named(new_name)} ({names}) select {names} from {self._named(table['name'])}"
        )
        return new

    def drop(self, name: str) -> None:
        self._execute(f"drop table if exists {self._named(name)}")

    def insert(self, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        names, encode = self._writing(table, [name for name, _ in filter(None, table["columns"])])
        columns = ", ".join(map(quoted, names))
        with (
            self._failures(),
            self.connection().cursor() as cursor,
            cursor.copy(f"copy {self._named(table['name'])} ({columns}) from stdin", []) as copy,
        ):
            for row in rows:
                copy.write_row(encode(row))

    def upsert(
        self, table: Table, features: Sequence[str], rows: Iterable[Sequence[Any]], wins_ties: bool = True
    ) -> None:
        names, encode = self._writing(table, features)
        columns, marks = ", ".join(map(quoted, names)), ", ".join(["%s"] * len(names))
        sql = f"insert into {self._named(table['name'])} as stored ({columns}) values ({marks})"
        with self._failures(), self.connection().cursor() as cursor:
            clause = on_conflict(table, features, ">=" if wins_ties else ">")
            cursor.executemany(f"{sql} {clause}", [encode(row) for row in rows])

    def copy_pushed(self, old: Table, new: Table) -> None:
        present = dict(filter(None, old["columns"]))
        same = [name for name, type_ in filter(None, new["columns"]) if present.get(name) == type_]
        names = ", ".join(map(quoted, [*(name for name, _ in new["keys"]), *OWN, *same]))
        self._execute(
            f"insert into {self._named(new['name'])} as stored ({names}) select {names}"
            f" from {self._named(old['name'])} where {PUSHED} is not null {on_conflict(new, same, '>')}"
        )

    def delete(self, table: Table, keys: Iterable[Sequence[Any]]) -> None:
        matches = " and ".join(f"{quoted(name)} = %s" for name, _ in table["keys"])
        sql = f"delete from {self._named(table['name'])} where {matches} and {PUSHED} is null"
        with self._failures(), self.connection().cursor() as cursor:
            cursor.executemany(sql, [[plain(key) for key in each] for each in keys])

    def count(self, table: Table) -> int:
        count: int = self._execute(f"select count(*) from {self._named(table['name'])}").fetchone()[0]
        return count

    def has_pushed(self, table: Table) -> bool:
        sql = f"select exists (select 1 from {self._named(table['name'])} where {PUSHED} is not null)"
        return bool(self._execute(sql).fetchone()[0])

    def read(self, plan: ReadPlan, keys: Sequence[tuple[Any, ...]]) -> list[list[Sequence[Any]]] | None:
        if not keys:
            return [[] for _ in plan.tables]
        one = len(keys) == 1
        sql = plan.prepared.get(one)
        if sql is None:
            sql = plan.prepared[one] = self._select(plan, one)
        width = len(plan.tables[0][0]["keys"])
        keys = [tuple(map(plain, each)) or (None,) * width for each in keys]
        parameters: Sequence[Any] = keys[0] * len(plan.tables)
        if not one:
            parameters = [list(part) for part in zip(*keys, strict=True)]
        try:
            rows = self._execute(sql, parameters, binary=True).fetchall()
        except OnlineUnavailableError as error:
            if is_missing(error, self.driver):
                return None
            raise
        if len(rows) < len(keys) or rows[0][0] != plan.version:
            return None
        if not one:
            rows.sort(key=lambda row: row[1])
        answers, place = [], 1 if one else 2
        for _, features in plan.tables:
            end = place + 2 + len(features)
            answers.append([stored_row(row[place:end], features) for row in rows])
            place = end
        return answers

    def _select(self, plan: ReadPlan, one: bool) -> str:
        """The statement for rows of several tables: version, number of the key, then each table's columns."""
        columns, joins = ["state.version"], []
        keys = plan.tables[0][0]["keys"]
        if not one:
            columns.append("keys.number")
            names = ", ".join(f"key{index}" for index in range(len(keys)))
            arrays = ", ".join(f"%s::{type_of(type_).partition(' collate')[0]}[]" for _, type_ in keys)
            joins.append(f"cross join unnest({arrays}) with ordinality as keys ({names}, number)")
        for number, (table, features) in enumerate(plan.tables):
            alias = f"table{number}"
            columns += [f"{alias}.{quoted(name)}" for name in (INSTANT, OTHER, *features)]
            same = " and ".join(
                f"{alias}.{quoted(name)} = {'%s' if one else f'keys.key{index}'}"
                for index, (name, _) in enumerate(table["keys"])
            )
            joins.append(f"left join {self._named(table['name'])} as {alias} on {same}")
        return f"select {', '.join(columns)} from {self.schema}.state {' '.join(joins)}"

    def all_rows(self, table: Table, features: Sequence[str]) -> Iterator[Sequence[Any]]:
        keys = [name for name, _ in table["keys"]]
        columns = ", ".join(map(quoted, [*keys, INSTANT, OTHER, *features]))
        with (
            self._failures(),
            self.connect() as connection,
            connection.transaction(),
            connection.cursor("rows", binary=True) as cursor,
        ):
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(f"select {columns} from {self._named(table['name'])}", [])
            for row in cursor:
                yield (*map(unescaped, row[: len(keys)]), *stored_row(row[len(keys) :], features))

    def count_keys(self, table: Table, keys: Sequence[Sequence[Any]]) -> int:
        matches = " and ".join(f"{quoted(name)} = %s" for name, _ in table["keys"])
        sql = f"select count(*) from {self._named(table['name'])} where {matches}"
        return sum(self._execute(sql, list(map(plain, key))).fetchone()[0] for key in keys)

    def erase(self, tables: Sequence[Table], key: str, values: Sequence[str]) -> int:
        erased = 0
        for table in tables:
            name = self._named(table["name"])
            keys = [escaped(value) for value in values]
            erased += self._execute(f"delete from {name} where {quoted(key)} = any(%s)", [keys]).rowcount
            # a deleted row stays in its page until the table is written anew
            self._execute(f"vacuum full {name}")
        return erased

    def bytes_used(self) -> int:
        sql = (
            "select coalesce(sum(pg_total_relation_size(pg_class.oid)), 0)::bigint from pg_class"
            " where relnamespace = to_regnamespace(%s) and relkind = 'r'"
        )
        size: int = self._execute(sql, [common_sql.quoted(self.address.namespace)]).fetchone()[0]
        return size

    def _named(self, table: str) -> str:
        return f"{self.schema}.{quoted(cut(table))}"

    def _writing(self, table: Table, features: Sequence[str]) -> tuple[list[str], Any]:
        """The columns that are written, and how a row becomes theirs."""
        types, width = dict(filter(None, table["columns"])), len(table["keys"])
        feature_types = [types[name] for name in features]

        def encode(row: Sequence[Any]) -> list[Any]:
            values, other = list(row[width + 3 :]), {}
            for index, (value, type_) in enumerate(zip(values, feature_types, strict=True)):
                if type(value) is bool:
                    values[index] = int(value)
                elif not fits(value, type_):
                    values[index], other[features[index]] = None, as_json(value)
            keys = map(plain, row[:width])
            return [*keys, *row[width : width + 3], json.dumps(other) if other else None, *values]

        return [*(name for name, _ in table["keys"]), *OWN, *features], encode


def on_conflict(table: Table, features: Sequence[str], on_a_tie: str) -> str:
    """The clause for a row whose key is stored already: the later one stays."""
    changes = ", ".join(
        f"{quoted(name)} = excluded.{quoted(name)}" for name in (*OWN, *features) if name != OTHER
    )
    other = f"{quoted(OTHER)} = excluded.{quoted(OTHER)}"
    if len(features) < len([column for column in table["columns"] if column]):
        # the other features keep their values, also those that are no column's
        names = ", ".join(common_sql.literal(name).replace("%", "%%") for name in features)
        other = (
            f"{quoted(OTHER)} = (coalesce((stored.{quoted(OTHER)})::jsonb - array[{names}]::text[], '{{}}')"
            f" || coalesce((excluded.{quoted(OTHER)})::jsonb, '{{}}'))::text"
        )
    return (
        f"on conflict ({key_list(table)}) do update set {changes}, {other}"
        f" where excluded.{INSTANT} > stored.{INSTANT} or (excluded.{INSTANT} = stored.{INSTANT}"
        f" and coalesce(excluded.{CREATED}, '') {on_a_tie} coalesce(stored.{CREATED}, ''))"
    )


def quoted(name: str) -> str:
    """A name in SQL with parameters, where % stands for one."""
    return common_sql.quoted(name).replace("%", "%%")


def key_list(table: Table) -> str:
    return ", ".join(quoted(name) for name, _ in table["keys"])


def cut(name: str) -> str:
    """A name as PostgreSQL cuts it, but never within a character."""
    return name.encode()[:LONGEST_NAME].decode(errors="ignore")


def is_missing(error: BaseException, driver: Any) -> bool:
    """Whether an error says that a table or schema is not there."""
    kinds = driver.errors.UndefinedTable, driver.errors.InvalidSchemaName
    return isinstance(error.__cause__, kinds)
