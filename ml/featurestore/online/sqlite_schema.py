"""The tables of the online store in SQL: their shape, the rows that go in, the rows that come out.

A view's table has its join keys as primary key, ``event_timestamp``, a column a feature, and two columns of
the store's own: when the row was created, as far as the source says so, and whether it was pushed, that is,
written by anyone but the compute engine.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from uuid import uuid4

from feast import FeatureView

from ml.common.sql import quoted
from ml.featurestore.online.layout import CREATED, INSTANT, PUSHED, aside_name, check_columns, table_name
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

    Values of columns that stay stay readable. Where the keys themselves are others, nothing can stay.
    """
    table, wanted = table_name(view.name), columns_of(view)
    there = table_columns(connection, table)
    keys = {name: kind.name for name, kind in key_kinds(view).items()}
    if there and (primary_key(connection, table), subset(there, keys)) != (list(keys), keys):
        drop_table(connection, view.name)
        there = {}
    if not there:
        connection.execute(create(view, table))
        index_pushed(connection, view, table)
        return
    if has_shape(connection, view):
        return
    spare = {name: type_ for name, type_ in there.items() if name not in keys}
    for name in [name for name, type_ in spare.items() if wanted.get(name) != type_]:
        connection.execute(f"alter table {quoted(table)} drop column {quoted(name)}")
    for name in [name for name, type_ in wanted.items() if spare.get(name) != type_]:
        connection.execute(f"alter table {quoted(table)} add column {quoted(name)} {wanted[name]}")
    index_pushed(connection, view, table)
    connection.execute("delete from materialized where view = ?", (view.name,))


def has_shape(connection: sqlite3.Connection, view: FeatureView) -> bool:
    """Whether the table of ``view`` is as ``shape_table`` would leave it."""
    table = table_name(view.name)
    keys = {name: kind.name for name, kind in key_kinds(view).items()}
    fits = table_columns(connection, table) == keys | columns_of(view)
    return fits and primary_key(connection, table) == list(keys)


def table_columns(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    """Column -> type as declared; nothing where there is no such table."""
    return {
        name: type_.lower()
        for _, name, type_, *_ in connection.execute(f"pragma table_info({quoted(table)})")
    }


def subset(columns: dict[str, str], names: Iterable[str]) -> dict[str, str | None]:
    return {name: columns.get(name) for name in names}


def primary_key(connection: sqlite3.Connection, table: str) -> list[str]:
    """The columns of the primary key, in its order."""
    rows = connection.execute(f"pragma table_info({quoted(table)})").fetchall()
    return [name for _, name in sorted((place, name) for _, name, _, _, _, place in rows if place)]


def index_pushed(connection: sqlite3.Connection, view: FeatureView, table: str) -> None:
    """An index of the pushed rows alone, so that finding them costs nothing where there are none.

    It goes with its table when that is renamed, so its name is its own.
    """
    there = connection.execute(f"pragma index_list({quoted(table)})").fetchall()
    if not any(is_partial for *_, is_partial in there):
        connection.execute(
            f"create index {quoted(f'pushed:{uuid4().hex[:12]}')} on {quoted(table)}"
            f" ({', '.join(map(quoted, view.join_keys))}) where {PUSHED} is not null"
        )


def drop_table(connection: sqlite3.Connection, name: str) -> None:
    """Forget a view, and what was being loaded for it."""
    for table in (table_name(name), aside_name(name)):
        connection.execute(f"drop table if exists {quoted(table)}")
    for marks in ("materialized", "loading"):
        connection.execute(f"delete from {marks} where view = ?", (name,))


def insert(view: FeatureView, table: str, features: Iterable[str]) -> str:
    """The statement that adds one row that is not there yet."""
    names = [*view.join_keys, INSTANT, CREATED, PUSHED, *features]
    columns, places = ", ".join(map(quoted, names)), ", ".join("?" * len(names))
    return f"insert into {quoted(table)} ({columns}) values ({places})"


def upsert(view: FeatureView, features: Sequence[str], table: str) -> str:
    """The statement that writes one row unless a later one is there: compare, then set.

    Later is a later event timestamp, or the same and created later; of equal rows the last written stays.
    """
    return f"{insert(view, table, features)} {on_conflict(view, table, features)}"


def on_conflict(view: FeatureView, table: str, features: Sequence[str], on_a_tie: str = ">=") -> str:
    """What becomes of a row whose key is there already."""
    there = quoted(table)
    changed = [INSTANT, CREATED, PUSHED, *features]
    changes = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in changed)
    return (
        f"on conflict ({', '.join(map(quoted, view.join_keys))}) do update set {changes}"
        f" where excluded.event_timestamp > {there}.event_timestamp"
        f" or (excluded.event_timestamp = {there}.event_timestamp and"
        f" coalesce(excluded.{CREATED}, '') {on_a_tie} coalesce({there}.{CREATED}, ''))"
    )


def keep_pushed(view: FeatureView) -> str:
    """The statement that takes pushed rows over into the table aside, unless they are older than there."""
    aside, features = aside_name(view.name), list(kinds(view))
    names = ", ".join(map(quoted, [*view.join_keys, INSTANT, CREATED, PUSHED, *features]))
    return (
        f"insert into {quoted(aside)} ({names}) select {names} from {quoted(table_name(view.name))}"
        f" where {PUSHED} is not null {on_conflict(view, aside, features, '>')}"
    )


def select_one(view: FeatureView, features: Iterable[str]) -> str:
    """The query for one key.

    Columns are named with their table: SQLite takes a lone name that it does not know for a text.
    """
    matches = " and ".join(f"{named(view, key)} = ?" for key in view.join_keys)
    return f"{selected(view, features)} where {matches}"


def select_many(view: FeatureView, features: Iterable[str]) -> str:
    """The query for any number of keys of one column, given as a JSON list."""
    key = named(view, view.join_keys[0])
    return f"{selected(view, features)} where {key} in (select value from json_each(?))"


def selected(view: FeatureView, features: Iterable[str]) -> str:
    columns = ", ".join(named(view, name) for name in (*view.join_keys, INSTANT, *features))
    return f"select {columns} from {quoted(table_name(view.name))}"


def named(view: FeatureView, column: str) -> str:
    return f"{quoted(table_name(view.name))}.{quoted(column)}"
