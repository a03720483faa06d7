"""Who is to be erased: every key of the person, the rows that other tables refer to, and personal values.

The raw loads of a home and its waiting pushes come in; a ``Person`` goes out.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from ml.common.sql import parquet
from ml.home.layout import Home, numbered
from ml.ingest.contract import Kind, Table
from ml.ingest.declaration import merges_table, parent_of, raw_tables, tables_of_customers
from ml.ingest.load import LAST_FAILURE, REJECTED
from ml.ingest.waiting_rows import WAITING
from ml.journal.pushes import Pushes, has_pushes


@dataclass(frozen=True)
class Person:
    """One person in all the raw data of a home.

    Parameters
    ----------
    customers : frozenset of str
        The customer's key, and those that merges join to it.
    rows : dict
        Table to the keys of the person's rows in it, of tables that others refer to.
    personal : frozenset of str
        Values of columns declared personal that nobody else has.
    is_known : bool
        Whether any raw row is the person's.
    """

    customers: frozenset[str]
    rows: dict[str, frozenset[str]] = field(default_factory=dict)
    personal: frozenset[str] = frozenset()
    is_known: bool = False

    def __or__(self, other: "Person") -> "Person":
        tables = {*self.rows, *other.rows}
        rows = {name: self.rows.get(name, frozenset()) | other.rows.get(name, frozenset()) for name in tables}
        return Person(
            self.customers | other.customers,
            rows,
            self.personal | other.personal,
            self.is_known or other.is_known,
        )

    def as_json(self) -> dict[str, Any]:
        """As ``from_json`` reads it."""
        rows = {table: sorted(keys) for table, keys in sorted(self.rows.items())}
        return {"customers": sorted(self.customers), "rows": rows, "personal": sorted(self.personal)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Person":
        rows = {table: frozenset(keys) for table, keys in content["rows"].items()}
        return cls(frozenset(content["customers"]), rows, frozenset(content["personal"]), True)


def find_person(home: Home, customer: str) -> Person:
    """The person whose key is ``customer``, by every load on disk and every push that is in none yet."""
    loads = loads_of(home)
    lines = waiting_lines(home)
    with duckdb.connect() as connection:
        keys = joined_keys(customer, [*loaded_merges(connection, loads), *pushed_merges(lines)])
        rows: dict[str, frozenset[str]] = {}
        is_known = False
        for table in tables_of_customers():
            if table.customer is None:
                continue
            found, is_there = keys_of_rows(connection, loads, table, keys)
            pushed = {
                str(row[table.key[0]]) for row in of_person(lines, table, keys) if row.get(table.key[0])
            }
            is_known = is_known or is_there or bool(pushed)
            if any(parent_of(other) == table for other in raw_tables()):
                mine = found | pushed
                mine |= rejected_keys(connection, home, loads, table, keys) - mine
                rows[table.name] = frozenset(mine)
        personal = frozenset(personal_values(connection, loads, keys))
    return Person(keys, rows, personal, is_known)


def loads_of(home: Home) -> list[Path]:
    """Every load on disk, the journal's own among them."""
    return [*numbered(home.raw, "load"), *numbered(home.journal / "staged" / "raw", "load")]


def files_of(loads: Iterable[Path], table: str) -> list[Path]:
    """The files of a table in some loads, one path for those that loads share."""
    files: dict[tuple[int, int], Path] = {}
    for load in loads:
        for file in sorted((load / table).glob("*.parquet")):
            state = file.stat()
            files.setdefault((state.st_dev, state.st_ino), file)
    return list(files.values())


def relation(files: Iterable[Path], table: Table) -> str:
    """The rows of some files, with every column of the contract."""
    typed = ", ".join(f"null::{column.kind.sql_type} as {column.name}" for column in table.columns)
    rows = f" union all by name from {parquet(files, 'union_by_name = true')}" if files else ""
    return f"(select {typed} where false{rows})"


def loaded_merges(connection: duckdb.DuckDBPyConnection, loads: list[Path]) -> list[tuple[str, str]]:
    """Both keys of every merge in some loads."""
    table = merges_table()
    if table is None or table.merges is None:
        return []
    rows = relation(files_of(loads, table.name), table)
    return connection.execute(
        f"select distinct {table.merges.old}, {table.merges.new} from {rows}"
    ).fetchall()


def pushed_merges(lines: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Both keys of every merge in some lines."""
    table = merges_table()
    if table is None or table.merges is None:
        return
    for row in rows_of_lines(lines, table.name):
        old, new = row.get(table.merges.old), row.get(table.merges.new)
        if old is not None and new is not None:
            yield str(old), str(new)


def joined_keys(customer: str, merges: Iterable[tuple[str, str]]) -> frozenset[str]:
    """All keys that merges join to ``customer``, whichever way: they are one person."""
    pairs, keys = list(merges), {customer}
    while added := {key for pair in pairs if keys & set(pair) for key in pair} - keys:
        keys |= added
    return frozenset(keys)


def keys_of_rows(
    connection: duckdb.DuckDBPyConnection, loads: list[Path], table: Table, keys: frozenset[str]
) -> tuple[set[str], bool]:
    """The keys of the person's rows of a table, accepted and waiting; whether there are any."""
    rows = relation(files_of(loads, table.name), table)
    waiting = [file for load in loads for file in sorted((load / WAITING / table.name).glob("*.parquet"))]
    both = f"(from {rows} union all by name from {relation(waiting, table)})" if waiting else rows
    query = (
        f"select distinct {table.key[0]}::varchar from {both} where {table.customer} in (select unnest(?))"
    )
    found = {key for (key,) in connection.execute(query, [sorted(keys)]).fetchall() if key is not None}
    return found, bool(found)


def rejected_keys(
    connection: duckdb.DuckDBPyConnection, home: Home, loads: list[Path], table: Table, keys: frozenset[str]
) -> set[str]:
    """The keys of the person's rejected rows, but those under which another customer has a row."""
    files = [*files_of(loads, REJECTED), *existing(home.raw / LAST_FAILURE)]
    if not files:
        return set()
    query = f'select content from {parquet(files)} where "table" = ?'
    contents = connection.execute(query, [table.name]).fetchall()
    found = {
        str(row[table.key[0]])
        for row in filter(None, (row_of(text) for (text,) in contents))
        if str(row.get(str(table.customer))) in keys and row.get(table.key[0]) is not None
    }
    rows = relation(files_of(loads, table.name), table)
    of_others = f"select {table.key[0]} from {rows} where {table.key[0]} in (select unnest(?))"
    return found - {key for (key,) in connection.execute(of_others, [sorted(found)]).fetchall()}


def existing(file: Path) -> list[Path]:
    return [file] if file.exists() else []


def personal_values(
    connection: duckdb.DuckDBPyConnection, loads: list[Path], keys: frozenset[str]
) -> Iterator[str]:
    """The person's values of columns declared personal, but those that others share."""
    for table in tables_of_customers():
        columns = [column.name for column in table.columns if column.personal and column.kind is Kind.TEXT]
        if table.customer is None or not columns:
            continue
        rows = relation(files_of(loads, table.name), table)
        mine = f"{table.customer} in (select unnest($keys))"
        for name in columns:
            query = (
                f"select distinct {name} from {rows} where {mine} and {name} is not null "
                f"except select {name} from {rows} where not ({mine})"
            )
            yield from (value for (value,) in connection.execute(query, {"keys": sorted(keys)}).fetchall())


def waiting_lines(home: Home) -> list[tuple[str, str]]:
    """Table and JSON object of every pushed row that is in no load yet."""
    if not has_pushes(home):
        return []
    with Pushes(home) as pushes:
        return [line for _, lines in pushes.waiting() for line in lines]


def of_person(lines: list[tuple[str, str]], table: Table, keys: frozenset[str]) -> list[dict[str, Any]]:
    """The person's rows of a table among some lines."""
    rows = rows_of_lines(lines, table.name)
    return [
        row
        for row in rows
        if row.get(str(table.customer)) is not None and str(row[str(table.customer)]) in keys
    ]


def rows_of_lines(lines: Iterable[tuple[str, str]], table: str) -> list[dict[str, Any]]:
    """The rows of a table among some lines."""
    return [row for row in (row_of(text) for name, text in lines if name == table) if row is not None]


def row_of(text: str) -> dict[str, Any] | None:
    """A raw row as JSON text, under the contract's names; None if it is no JSON object."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return {name.strip().lower(): value for name, value in row.items()} if isinstance(row, dict) else None
