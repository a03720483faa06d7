"""The tables of the online store in SQL: their shape, the rows that go in, the rows that come out.

A view's table has its join keys as primary key, ``event_timestamp``, a column per feature, and two columns of
the store's own: when the row was created, if the source has that, and whether it was pushed, that is, not
written by the compute engine.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from uuid import uuid4

from feast import FeatureView

from ml.common.sql import quoted
from ml.featurestore.online.table_names import CREATED, INSTANT, PUSHED, aside_name, check_columns, table_name
from ml.featurestore.online.value_kinds import key_kinds, kinds


def columns_of(view: FeatureView) -> dict[str, str]:
    """Every column of a view's table but the keys -> its type."""
    check_columns(view)
    own = {INSTANT: "text", CREATED: "text", PUSHED: "integer"}
    return own | {name: kind.name for name, kind in kinds(view).items()}


def create(view: FeatureView, table: str) -> str:
    """The statement that makes the whole table of a view."""
    keys = {name: kind.name for name, kind in key_kinds(view).items()}
    columns = ", ".join(f"{quoted(name)} {type_}" for name, type_ in (keys | columns_of(view)).items())
    key = ", ".join(map(quoted, keys))
    return f"create table {quoted(table)} ({columns}, primary key ({key})) without rowid"


def shape_table(connection: sqlite3.Connection, view: FeatureView) -> None:
    """Make the table of ``view``, or add and drop columns; a changed table counts as not materialized.

    Columns that stay keep their values. If the keys change, the table is dropped.
    """
    table, columns = table_name(view.name), columns_of(view)
    present = table_columns(connection, table)
    keys = {name: kind.name for name, kind in key_kinds(view).items()}
    if present and (primary_key(connection, table), {key: present.get(key) for key in keys}) != (
        list(keys),
        keys,
    ):
        drop_table(connection, view.name)
        present = {}
    if not present:
        connection.execute(create(view, table))
        index_pushed(connection, view, table)
        return
    if has_shape(connection, view):
        return
    features = {name: type_ for name, type_ in present.items() if name not in keys}
    for name in [name for name, type_ in features.items() if columns.get(name) != type_]:
        connection.execute(f"alter table {quoted(table)} drop column {quoted(name)}")
    for name in [name for name, type_ in columns.items() if features.get(name) != type_]:
        connection.execute(f"alter table {quoted(table)} add column {quoted(name)} {columns[name]}")
    index_pushed(connection, view, table)
    connection.execute("delete from materialized where view = ?", (view.name,))


def has_shape(connection: sqlite3.Connection, view: FeatureView) -> bool:
    """Whether the table of ``view`` is as ``shape_table`` would leave it."""
    table = table_name(view.name)
    keys = {name: kind.name for name, kind in key_kinds(view).items()}
    fits = table_columns(connection, table) == keys | columns_of(view)
    return fits and primary_key(connection, table) == list(keys)


def table_columns(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    """Column -> declared type; empty if there is no such table."""
    return {
        name: type_.lower()
        for _, name, type_, *_ in connection.execute(f"pragma table_info({quoted(table)})")
    }


def primary_key(connection: sqlite3.Connection, table: str) -> list[str]:
    """The columns of the primary key, in order."""
    rows = connection.execute(f"pragma table_info({quoted(table)})").fetchall()
    return [name for _, name in sorted((rank, name) for _, name, _, _, _, rank in rows if rank)]


def index_pushed(connection: sqlite3.Connection, view: FeatureView, table: str) -> None:
    """Make an index of the pushed rows alone, so that queries for them are free if there are none.

    It is renamed with its table by SQLite, so its name is independent of the table's.
    """
    indexes = connection.execute(f"pragma index_list({quoted(table)})").fetchall()
    if not any(is_partial for *_, is_partial in indexes):
        connection.execute(
            f"create index {quoted(f'pushed:{uuid4().hex[:12]}')} on {quoted(table)}"
            f" ({', '.join(map(quoted, view.join_keys))}) where {PUSHED} is not null"
        )


def drop_table(connection: sqlite3.Connection, name: str) -> None:
    """Drop the table of a view, and that of its unfinished load."""
    for table in (table_name(name), aside_name(name)):
        connection.execute(f"drop table if exists {quoted(table)}")
    for marks in ("materialized", "loading"):
        connection.execute(f"delete from {marks} where view = ?", (name,))


def upsert(view: FeatureView, features: Sequence[str], table: str) -> str:
    """The statement that writes one row unless a later one is stored.

    Later means a later event timestamp, or the same and created later; of equal rows the last written stays.
    """
    names = [*view.join_keys, INSTANT, CREATED, PUSHED, *features]
    columns, parameters = ", ".join(map(quoted, names)), ", ".join("?" * len(names))
    insert = f"insert into {quoted(table)} ({columns}) values ({parameters})"
    return f"{insert} {on_conflict(view, table, features)}"


def on_conflict(view: FeatureView, table: str, features: Sequence[str], on_a_tie: str = ">=") -> str:
    """The clause for a row whose key is stored already."""
    target = quoted(table)
    changed = [INSTANT, CREATED, PUSHED, *features]
    changes = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in changed)
    return (
        f"on conflict ({', '.join(map(quoted, view.join_keys))}) do update set {changes}"
        f" where excluded.event_timestamp > {target}.event_timestamp"
        f" or (excluded.event_timestamp = {target}.event_timestamp and"
        f" coalesce(excluded.{CREATED}, '') {on_a_tie} coalesce({target}.{CREATED}, ''))"
    )


def keep_pushed(view: FeatureView) -> str:
    """The statement that copies pushed rows into the table aside, unless it has later ones."""
    aside, features = aside_name(view.name), list(kinds(view))
    names = ", ".join(map(quoted, [*view.join_keys, INSTANT, CREATED, PUSHED, *features]))
    return (
        f"insert into {quoted(aside)} ({names}) select {names} from {quoted(table_name(view.name))}"
        f" where {PUSHED} is not null {on_conflict(view, aside, features, '>')}"
    )


def select_one(view: FeatureView, features: Iterable[str]) -> str:
    """The query for one key.

    Columns are qualified by their table, because SQLite reads an unknown bare name as text.
    """
    matches = " and ".join(f"{named(view, key)} = ?" for key in view.join_keys)
    return f"{selected(view, (INSTANT, *features))} where {matches}"


def select_many(view: FeatureView, features: Iterable[str]) -> str:
    """The query for any number of keys of one column, passed as a JSON list; the key is selected too."""
    key = named(view, view.join_keys[0])
    columns = view.join_keys[0], INSTANT, *features
    return f"{selected(view, columns)} where {key} in (select value from json_each(?))"


def selected(view: FeatureView, columns: Iterable[str]) -> str:
    return f"select {', '.join(named(view, name) for name in columns)} from {quoted(table_name(view.name))}"


def named(view: FeatureView, column: str) -> str:
    return f"{quoted(table_name(view.name))}.{quoted(column)}"
