"""Rows out of a SQLite file, its free pages and the log beside it."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ml.common.durable_files import replacing
from ml.common.sql import literal, quoted
from ml.erasure.rows_to_erase import RowsToErase
from ml.erasure.swapped_files import keep_mode

BUSY_SECONDS = 60


def erase_rows(path: Path, rows: RowsToErase, *, is_read_in_place: bool) -> int:
    """Erase rows and words; return how many rows went or changed.

    Parameters
    ----------
    is_read_in_place : bool
        Whether readers may have the file open: then it is changed by transactions. Otherwise a new file
        replaces it, for readers that take it to never change.
    """
    if is_read_in_place:
        return erase_in_place(path, rows)
    with replacing(path, is_locked=True) as fresh:
        shutil.copyfile(path, fresh)
        count = erase_in_place(fresh, rows)
        with closing(sqlite3.connect(fresh)) as connection:
            connection.execute("pragma journal_mode = delete")
        keep_mode(path, fresh)
    return count


def erase_in_place(path: Path, rows: RowsToErase) -> int:
    """Erase in one transaction, then write the file anew without free pages, and empty its log."""
    with opened(path) as connection:
        connection.execute("begin immediate")
        count = sum(erase_from_table(connection, table, rows) for table in tables_of(connection))
        connection.execute("commit")
        vacuum(connection)
    return count


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that overwrites what it deletes."""
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        connection.execute("pragma secure_delete = on")
        try:
            yield connection
        finally:
            if connection.in_transaction:
                connection.execute("rollback")


def vacuum(connection: sqlite3.Connection) -> None:
    """Write the file anew, and empty the log beside it."""
    connection.execute("vacuum")
    connection.execute("pragma wal_checkpoint(truncate)")


def tables_of(connection: sqlite3.Connection) -> list[str]:
    query = "select name from sqlite_master where type = 'table' and name not like 'sqlite!_%' escape '!'"
    return [name for (name,) in connection.execute(query)]


def erase_from_table(connection: sqlite3.Connection, table: str, rows: RowsToErase) -> int:
    """Delete the person's rows of a table, and take words out of the others."""
    names = [name for _, name, *_ in connection.execute(f"pragma table_info({quoted(table)})")]
    count = 0
    for name, keys in rows.columns(names).items():
        listed = ", ".join(map(literal, sorted(keys)))
        where = f"cast({quoted(name)} as text) in ({listed})"
        count += connection.execute(f"delete from {quoted(table)} where {where}").rowcount
    for name in names:
        for word in rows.words:
            where = f"typeof({quoted(name)}) = 'text' and instr({quoted(name)}, {literal(word)}) > 0"
            update = f"update {quoted(table)} set {quoted(name)} = {rows.without_words(name)} where {where}"
            count += connection.execute(update).rowcount
    return count
