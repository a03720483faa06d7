"""One state of the online store, read whole and without Feast: which views it has, and every row of them."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ml.common.errors import OnlineDamagedError, StateChangedError, TidemarkError
from ml.common.paths import online_file
from ml.common.sql import quoted
from ml.featurestore.online.server_address import Address, online_address
from ml.featurestore.online.server_rows import Rows, State, loaded_views, rows_at

BUSY_SECONDS = 60
MATERIALIZED = "select view, source, until from materialized order by view"
Loaded = tuple[str, str, str]
"""A view, the source it was loaded from, and up to which instant."""


class WholeState(ABC):
    """One state of the store."""

    @abstractmethod
    def loaded(self) -> list[Loaded]:
        """Every view that is online."""

    @abstractmethod
    def columns(self, view: str) -> set[str]:
        """The features of a view."""

    @abstractmethod
    def rows(self, view: str, key: str, columns: Sequence[str]) -> Iterator[Sequence[Any]]:
        """Every row of a view with one join key: key, event timestamp, values as they are stored."""


class StateOfFile(WholeState):
    """Of a SQLite file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def loaded(self) -> list[Loaded]:
        try:
            return self.connection.execute(MATERIALIZED).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise

    def columns(self, view: str) -> set[str]:
        return {row[1] for row in self.connection.execute(f"pragma table_info({self._table(view)})")}

    def rows(self, view: str, key: str, columns: Sequence[str]) -> Iterator[Sequence[Any]]:
        names = ", ".join(map(quoted, [key, "event_timestamp", *columns]))
        yield from self.connection.execute(f"select {names} from {self._table(view)}")

    @staticmethod
    def _table(view: str) -> str:
        from ml.featurestore.online.table_names import table_name  # with Feast, which is slow to import

        return quoted(table_name(view))


class StateOfServer(WholeState):
    """Of PostgreSQL or Redis: its tables never change but by an increment, which makes another version."""

    def __init__(self, rows: Rows, state: State) -> None:
        self._rows, self.state = rows, state

    def loaded(self) -> list[Loaded]:
        return [(view, *loaded) for view, loaded in loaded_views(self.state.document).items()]

    def columns(self, view: str) -> set[str]:
        return {column[0] for column in self.state.document.views[view]["columns"] if column}

    def rows(self, view: str, key: str, columns: Sequence[str]) -> Iterator[Sequence[Any]]:
        table = self.state.document.views[view]
        if [name for name, _ in table["keys"]] != [key]:
            raise TidemarkError(f"{view} has other keys online than {key}: run 'churn materialize'")
        yield from self._rows.all_rows(table, columns)
        self.check()

    def check(self) -> None:
        """Raise a StateChangedError where the state is another by now."""
        if self._rows.state().version != self.state.version:
            raise StateChangedError("the online store was changed while it was read: try again")


@contextmanager
def whole_state(home: Path) -> Iterator[WholeState | None]:
    """The present state of a home's store; None where there is no store yet.

    Raises
    ------
    OnlineDamagedError
        The file is no database, or a damaged one.
    OnlineUnavailableError
        The server does not answer.
    TidemarkError
        The file cannot be read.
    """
    address = online_address(home)
    if address is not None:
        state = rows_at(address).state()
        yield StateOfServer(rows_at(address), state) if state.version else None
        return
    file = online_file(home)
    if not file.is_file():
        yield None
        return
    with state_of_file(file) as state_:
        yield state_


@contextmanager
def state_of_file(file: Path) -> Iterator[StateOfFile]:
    # not read-only: the log of a store that is not open can be read by its owner alone
    address = f"{file.absolute().as_uri()}?mode=rw"
    try:
        connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        with closing(connection), damage_as_error(file):
            connection.execute("begin")
            connection.execute("select 1 from sqlite_master").fetchone()
            yield StateOfFile(connection)
    except sqlite3.Error as error:
        raise TidemarkError(f"{file} cannot be read: {error}; once it can, try again") from error


@contextmanager
def damage_as_error(path: Path) -> Iterator[None]:
    """Turn an error about a damaged database into one with a remedy.

    Raises
    ------
    OnlineDamagedError
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:
            raise
        raise OnlineDamagedError(
            f"{path} is damaged ({error}): delete it with its -wal and -shm, then run 'churn materialize'"
        ) from error


def erase_from_server(address: Address, key: str, customers: Sequence[str]) -> int:
    """Erase customers from every view of a server, from replaced tables and unfinished loads too.

    Returns
    -------
    int
        The number of rows.
    """
    rows = rows_at(address)
    with rows.alone():
        state = rows.state()
        if not state.version:
            return 0
        drop_all_but_views(rows)
        tables = [
            table
            for table in rows.state().document.views.values()
            if key in [name for name, _ in table["keys"]]
        ]
        return rows.erase(tables, key, customers)


def drop_all_but_views(rows: Rows) -> None:
    """Drop replaced tables and unfinished loads."""
    rows.begin()
    try:
        state = rows.state()
        document = state.document
        for name in [*document.old, *(load["table"]["name"] for load in document.loading.values())]:
            rows.drop(name)
        document.old, document.loading = [], {}
        rows.commit(state)
    except BaseException:
        rows.rollback()
        raise


def count_on_server(address: Address, key: str, customers: Sequence[str]) -> int:
    """How many rows of some customers a server has."""
    rows, gone = rows_at(address), [(customer,) for customer in customers]
    state, count = rows.state(), 0
    for table in state.document.views.values():
        if [name for name, _ in table["keys"]] == [key]:
            count += rows.count_keys(table, gone)
    return count
