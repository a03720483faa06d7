"""MLflow's database of a home, ``mlflow.db``, made by MLflow and put in place whole."""

import os
import sqlite3
from pathlib import Path

from ml.common.disk import sync_folder

BESIDE = ("", "-journal", "-wal", "-shm")


def make_database(file: Path) -> None:
    """Make the database, if it is not there yet; readers see none or a whole one."""
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.new")
    discard(fresh)
    migrate(fresh)
    os.replace(fresh, file)
    sync_folder(file.parent)


def discard(file: Path) -> None:
    """Remove what a killed process left."""
    for ending in BESIDE:
        file.with_name(file.name + ending).unlink(missing_ok=True)


def migrate(file: Path) -> None:
    """An empty database, by MLflow's own migrations; about two seconds."""
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine

    engine = create_sqlalchemy_engine(f"sqlite:///{file}")
    try:
        _initialize_tables(engine)
    finally:
        engine.dispose()


def damaged(file: Path) -> bool:
    """Whether a file that is there is no database; MLflow would try again for minutes."""
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
