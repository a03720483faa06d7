"""What the tables of the online store's file are called, and what becomes of a file laid out otherwise.

A view's table has the view's own name, so that the file can be read with SQL. What is written aside and what
was replaced have a colon in theirs, which no name of a feature view has in Feast; and so has the table of a
view that is called like one of the store's own tables, or as SQLite calls its own.
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
OF_SQLITE = "sqlite_"
ASIDE, SPARE = "next:", "old:"
MARKS = (
    "create table if not exists materialized (view text primary key, source text, until text)",
    "create table if not exists remembered (source text primary key, until text)",
    "create table if not exists loading (view text primary key, said text, whole integer)",
)
# What the first layout called tables aside and tables that were replaced.
ONCE_ASIDE = re.compile(r"\.next$|\.old[0-9a-f]{12}$")


def table_name(view: str) -> str:
    """The table of a view; SQLite does not tell names apart by case."""
    folded = view.lower()
    return f"view:{view}" if folded in OWN_TABLES or folded.startswith(OF_SQLITE) else view


def aside_name(view: str) -> str:
    """The table that is to take the place of a view's."""
    return f"{ASIDE}{view}"


def spare_name(view: str) -> str:
    """A name for the table that a view no longer needs; nothing else was ever called so."""
    return f"{SPARE}{uuid4().hex[:12]}:{view}"


def tables(connection: sqlite3.Connection) -> list[str]:
    """The tables there are."""
    return [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]


def needed_no_more(connection: sqlite3.Connection) -> list[str]:
    """Tables that were replaced, and those of loads that came to nothing."""
    return [name for name in tables(connection) if name.startswith((ASIDE, SPARE))]


def settle(connection: sqlite3.Connection, path: Path) -> None:
    """Lay out a new file, and change one of an older layout over.

    Raises
    ------
    FeatureError
        The layout is one of a later version.
    """
    version = layout(connection)
    if version > LAYOUT:
        raise FeatureError(
            f"{path} was written by a later version of this software: use that one, or delete the file and "
            "run 'churn materialize'"
        )
    for statement in MARKS:
        connection.execute(statement)
    if version < LAYOUT:
        change_over(connection)


def layout(connection: sqlite3.Connection) -> int:
    """The number of the file's layout."""
    version: int = connection.execute("pragma user_version").fetchone()[0]
    return version


def change_over(connection: sqlite3.Connection) -> None:
    """From the first layout to the present one: views keep their tables, what was aside is given up.

    A view whose name is like that of a table aside may hold rows of another: it is loaded anew.
    """
    connection.execute("begin immediate")
    try:
        if layout(connection) == LAYOUT:
            return
        views = {view for (view,) in connection.execute("select view from materialized")}
        for name in filter(ONCE_ASIDE.search, tables(connection)):
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


def clashing(view: FeatureView) -> list[str]:
    """Columns that SQLite would take for one another, for it does not tell case, or for the store's own."""
    names = [*view.join_keys, *kinds(view)]
    times = Counter(name.lower() for name in (*OWN_COLUMNS, *names))
    return [name for name in names if times[name.lower()] > 1]


def check_columns(view: FeatureView) -> None:
    """Refuse a view whose columns cannot stand in one table.

    Raises
    ------
    FeatureError
    """
    if not view.join_keys:
        raise FeatureError(
            f"{view.name} has no join keys, for Feast knows none of its entities: apply its entities with it"
        )
    if names := clashing(view):
        raise FeatureError(
            f"{view.name} cannot be put online with columns named {listed(names)}: names that differ by case "
            f"only are one to SQLite, and {listed(OWN_COLUMNS)} are the store's own; rename them in the "
            "source's field_mapping"
        )


def listed(names: Iterable[str]) -> str:
    """Names as a sentence has them."""
    *some, last = map(repr, names)
    return f"{', '.join(some)} and {last}" if some else last
