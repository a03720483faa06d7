"""MLflow's database of a home, ``mlflow.db``, made by MLflow and renamed when it is complete."""

import os
import sqlite3
from pathlib import Path

from ml.common.durable_files import sync_folder

SUFFIXES = ("", "-journal", "-wal", "-shm")  # of SQLite's files


def make_database(file: Path) -> None:
    """Make the database if it is missing; readers see none or a complete one."""
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.new")
    for suffix in SUFFIXES:  # of a process that was killed
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    migrate(fresh)
    os.replace(fresh, file)
    sync_folder(file.parent)


def migrate(file: Path) -> None:
    """An empty database, by MLflow's own migrations; about two seconds."""
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine

    engine = create_sqlalchemy_engine(f"sqlite:///{file}")
    try:
        _initialize_tables(engine)
    finally:
        engine.dispose()


def is_damaged(file: Path) -> bool:
    """Whether the file exists but is no database, on which MLflow would retry for minutes."""
    if not file.exists():
        return False
    connection = sqlite3.connect(file)
    try:
        connection.execute("select count(*) from sqlite_master")
    except sqlite3.DatabaseError:
        return True
    finally:
        connection.close()
    return False
