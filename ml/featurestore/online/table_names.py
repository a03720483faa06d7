"""The names of the tables in the online store's file, and the migration of older layouts.

A view's table has the view's own name, so that the file can be read with SQL. Tables aside and replaced
tables have a colon in their names, which no feature view of Feast has; and so has the table of a view whose
name is that of one of the store's own tables, or reserved by SQLite.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

from feast import FeatureView

from ml.common.errors import FeatureError
from ml.common.sql import quoted
from ml.featurestore.online.value_kinds import kinds

LAYOUT = 1
INSTANT, CREATED, PUSHED = "event_timestamp", "__created", "__pushed"
OWN_COLUMNS = (INSTANT, CREATED, PUSHED)
OWN_TABLES = ("materialized", "remembered", "loading", "read_files")
SQLITE_PREFIX = "sqlite_"
ASIDE, SPARE = "next:", "old:"
STATE_TABLES = (
    "create table if not exists materialized (view text primary key, source text, until text)",
    "create table if not exists remembered (source text primary key, until text)",
    "create table if not exists loading (view text primary key, said text, whole integer)",
)
# Names of tables aside and of replaced tables in the first layout.
FORMER_ASIDE = re.compile(r"\.next$|\.old[0-9a-f]{12}$")


def table_name(view: str) -> str:
    """The table of a view; SQLite ignores the case of names."""
    folded = view.lower()
    return f"view:{view}" if folded in OWN_TABLES or folded.startswith(SQLITE_PREFIX) else view


def aside_name(view: str) -> str:
    """The table that will replace the table of a view."""
    return f"{ASIDE}{view}"


def spare_name(view: str) -> str:
    """A unique name for the replaced table of a view."""
    return f"{SPARE}{uuid4().hex[:12]}:{view}"


def tables(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]


def obsolete_tables(connection: sqlite3.Connection) -> list[str]:
    """Replaced tables, and tables of abandoned loads."""
    return [name for name in tables(connection) if name.startswith((ASIDE, SPARE))]


def prepare_layout(connection: sqlite3.Connection, path: Path) -> None:
    """Create the layout of a new file, and migrate a file of an older layout.

    Raises
    ------
    FeatureError
        The layout belongs to a later version.
    """
    version = layout(connection)
    if version > LAYOUT:
        raise FeatureError(
            f"{path} was written by a later version of this software: use that one, or delete the file and "
            "run 'churn materialize'"
        )
    for statement in STATE_TABLES:
        connection.execute(statement)
    if version < LAYOUT:
        migrate(connection)


def layout(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("pragma user_version").fetchone()[0]
    return version


def migrate(connection: sqlite3.Connection) -> None:
    """Migrate the first layout to the present one: views keep their tables, tables aside are dropped.

    A view whose name looks like that of a table aside may have rows of another view, so it is loaded again.
    """
    connection.execute("begin immediate")
    try:
        if layout(connection) == LAYOUT:
            return
        views = {view for (view,) in connection.execute("select view from materialized")}
        for name in filter(FORMER_ASIDE.search, tables(connection)):
            if name in views:
                connection.execute("delete from materialized where view = ?", (name,))
            else:
                connection.execute(f"drop table {quoted(name)}")
        connection.execute("delete from loading")
        connection.execute(f"pragma user_version = {LAYOUT}")
        connection.execute("commit")
    finally:
        if connection.in_transaction:
            connection.execute("rollback")


def clashing_columns(view: FeatureView) -> list[str]:
    """Columns whose names differ only by case, which SQLite ignores, or belong to the store."""
    names = [*view.join_keys, *kinds(view)]
    times = Counter(name.lower() for name in (*OWN_COLUMNS, *names))
    return [name for name in names if times[name.lower()] > 1]


def check_columns(view: FeatureView) -> None:
    """Refuse a view whose columns cannot be in one table.

    Raises
    ------
    FeatureError
    """
    if not view.join_keys:
        raise FeatureError(
            f"{view.name} has no join keys, for Feast knows none of its entities: apply its entities with it"
        )
    if names := clashing_columns(view):
        raise FeatureError(
            f"{view.name} cannot be put online with columns named {quoted_names(names)}: names that differ "
            f"by case only are one to SQLite, and {quoted_names(OWN_COLUMNS)} are the store's own; rename "
            "them in the source's field_mapping"
        )


def quoted_names(names: Iterable[str]) -> str:
    """Names in a sentence: 'a', 'b' and 'c'."""
    *some, last = map(repr, names)
    return f"{', '.join(some)} and {last}" if some else last
