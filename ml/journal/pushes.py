"""The pushes of a home, ``<home>/journal/pushes.db``: lines, answer, and the customers whom they touch.

A push is durable when ``add`` returns. One process at a time adds or takes in, under ``alone``; readers need
no lock.
"""

import json
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ml.common.errors import TidemarkError
from ml.common.instants import format_instant, parse_instant
from ml.home.layout import Home
from ml.home.write_lock import alone

FILE = "pushes.db"
BUSY_SECONDS = 30
SCHEMA = """
create table if not exists pushes (
    number integer primary key,
    key text not null unique,
    hash text not null,
    received_at text not null,
    lines text,
    answer text not null,
    customers text not null,
    newest_at text,
    load text
);
create table if not exists staged (
    base text not null,
    load text not null,
    newest integer not null
)
"""


@dataclass(frozen=True)
class Push:
    """One push.

    Parameters
    ----------
    key : str
        Its idempotency key.
    hash : str
        SHA-256 of its content.
    received_at : datetime
    lines : list of (str, str)
        Table and JSON object of each line that names a declared table.
    answer : dict
        What the sender got.
    customers : list of str
        Whom its accepted rows touch.
    newest_at : datetime, optional
        The latest instant at which anything in its accepted rows became known.
    """

    key: str
    hash: str
    received_at: datetime
    lines: list[tuple[str, str]]
    answer: dict[str, Any]
    customers: list[str]
    newest_at: datetime | None


class Pushes:
    """The open file of a home's pushes.

    Parameters
    ----------
    home : Home

    Raises
    ------
    TidemarkError
        It cannot be opened.
    """

    def __init__(self, home: Home) -> None:
        self.folder = home.journal
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(
                self.folder / FILE, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self.connection.execute("pragma journal_mode = wal")
            self.connection.execute("pragma synchronous = full")
            self.connection.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise TidemarkError(f"{self.folder / FILE} cannot be opened: {error}") from error

    def __enter__(self) -> "Pushes":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def alone(self) -> AbstractContextManager[None]:
        """Only one process at a time adds or takes in, until the end of the block."""
        return alone(self.folder)

    def find(self, key: str) -> tuple[str, dict[str, Any]] | None:
        """The hash and the answer of the push with an idempotency key."""
        row = self.connection.execute("select hash, answer from pushes where key = ?", (key,)).fetchone()
        return (row[0], json.loads(row[1])) if row else None

    def staged(self) -> tuple[str, str, int] | None:
        """Of the journal's own load: the home's load below it, its name, and the newest push in it."""
        row = self.connection.execute("select base, load, newest from staged").fetchone()
        return tuple(row) if row else None

    def set_staged(self, base: str, load: str, newest: int) -> None:
        """Remember what the journal's own load is made of."""
        with self.transaction():
            self.connection.execute("delete from staged")
            self.connection.execute("insert into staged values (?, ?, ?)", (base, load, newest))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is written in the block."""
        self.connection.execute("begin immediate")
        try:
            yield
            self.connection.execute("commit")
        except BaseException:
            self.connection.execute("rollback")
            raise

    def add(self, push: Push, load: str) -> int:
        """Keep a push, durably; return its number.

        Parameters
        ----------
        load : str
            The journal's own load, with the rows of this push.

        Raises
        ------
        TidemarkError
            It cannot be written.
        """
        values = (
            push.key,
            push.hash,
            format_instant(push.received_at),
            json.dumps(push.lines),
            json.dumps(push.answer),
            json.dumps(push.customers),
            format_instant(push.newest_at) if push.newest_at else None,
        )
        try:
            with self.transaction():
                cursor = self.connection.execute(
                    "insert into pushes (key, hash, received_at, lines, answer, customers, newest_at) "
                    "values (?, ?, ?, ?, ?, ?, ?)",
                    values,
                )
                self.connection.execute("update staged set load = ?, newest = ?", (load, cursor.lastrowid))
        except sqlite3.Error as error:
            raise TidemarkError(f"the facts could not be kept, send them again: {error}") from error
        return int(cursor.lastrowid or 0)

    def waiting(self) -> list[tuple[int, list[tuple[str, str]]]]:
        """Number and lines of the pushes that are in no load yet, in their order."""
        rows = self.connection.execute("select number, lines from pushes where load is null order by number")
        return [(number, [(table, text) for table, text in json.loads(lines)]) for number, lines in rows]

    def newest_waiting(self) -> int:
        """The number of the newest push that is in no load yet, 0 without any."""
        query = "select coalesce(max(number), 0) from pushes where load is null"
        return int(self.connection.execute(query).fetchone()[0])

    def mark_taken_in(self, numbers: Collection[int], load: str) -> None:
        """The rows of some pushes are in ``load`` now; their lines need not be kept."""
        marks = ", ".join("?" * len(numbers))
        self.connection.execute(
            f"update pushes set load = ?, lines = null where number in ({marks})", (load, *numbers)
        )

    def newest_number(self) -> int:
        """The number of the newest push, 0 without any."""
        return int(self.connection.execute("select coalesce(max(number), 0) from pushes").fetchone()[0])

    def taken_in_by(self, instant: datetime) -> tuple[str, ...]:
        """The loads that took in what had been pushed by an instant."""
        rows = self.connection.execute("select distinct load, received_at from pushes where load is not null")
        return tuple(sorted({load for load, received in rows if parse_instant(received) <= instant}))

    def touched(self, loads: Collection[str], after: int = 0) -> dict[str, datetime | None]:
        """The customers of pushes that are in none of ``loads``: the newest instant of the facts pushed.

        Parameters
        ----------
        loads : collection of str
            The ingests of a load: what is in them counts there already.
        after : int
            Only customers of a push with a greater number.
        """
        rows = self.connection.execute(
            "select number, customers, newest_at from pushes "
            "where load is null or load not in (select value from json_each(?)) order by number",
            (json.dumps([*loads]),),
        )
        touched: dict[str, datetime | None] = {}
        wanted = set[str]()
        for number, names, newest in rows:
            instant = parse_instant(newest) if newest else None
            for customer in json.loads(names):
                known = touched.get(customer)
                touched[customer] = max(filter(None, (known, instant)), default=None)
                if number > after:
                    wanted.add(customer)
        return {customer: instant for customer, instant in touched.items() if customer in wanted}


def has_pushes(home: Home) -> bool:
    """Whether anything was ever pushed into a home."""
    return (home.journal / FILE).exists()
