"""The file of a record, ``mlflow.db`` in the home, made whole in one step.

MLflow makes a new database by seventy migrations, which takes seconds. ``empty.sql`` is what comes out of
them; it is used while the installed MLflow wants just that schema, else MLflow makes it its own way. Renew it
with ``python -m ml.tracking.database`` when MLflow's version changes.
"""

import os
import sqlite3
import sys
import tempfile
from pathlib import Path

from ml.common.disk import sync_folder

SCHEMA = Path(__file__).with_name("empty.sql")
BESIDE = ("", "-journal", "-wal", "-shm")


def make_database(file: Path) -> None:
    """Make the database, if it is not there yet; readers see none or a whole one."""
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.new")
    discard(fresh)
    if wanted_schema() in SCHEMA.read_text(encoding="utf-8"):
        fill(fresh)
    else:
        migrate(fresh)
    os.replace(fresh, file)
    sync_folder(file.parent)


def discard(file: Path) -> None:
    """Remove what a killed process left."""
    for ending in BESIDE:
        file.with_name(file.name + ending).unlink(missing_ok=True)


def wanted_schema() -> str:
    """The statement that marks the schema which the installed MLflow wants."""
    from mlflow.store.db.utils import _get_latest_schema_revision

    return f"INSERT INTO \"alembic_version\" VALUES('{_get_latest_schema_revision()}');"


def fill(file: Path) -> None:
    """The schema from ``empty.sql``."""
    connection = sqlite3.connect(file)
    try:
        connection.executescript(SCHEMA.read_text(encoding="utf-8"))
    finally:
        connection.close()


def migrate(file: Path) -> None:
    """The schema as MLflow makes it."""
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine

    engine = create_sqlalchemy_engine(f"sqlite:///{file}")
    try:
        _initialize_tables(engine)
    finally:
        engine.dispose()


def schema_of(file: Path) -> str:
    """All of an empty database as SQL."""
    connection = sqlite3.connect(file)
    try:
        return "\n".join(connection.iterdump()) + "\n"
    finally:
        connection.close()


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


if __name__ == "__main__":
    from ml.tracking.server import hushed

    with hushed(), tempfile.TemporaryDirectory() as folder:
        migrate(Path(folder) / "empty.db")
        SCHEMA.write_text(schema_of(Path(folder) / "empty.db"), encoding="utf-8")
    sys.stderr.write(f"wrote {SCHEMA}\n")
