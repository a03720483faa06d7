"""What happened to one customer, and from when each event was known; personal data are left out.

An event is an instant of a raw row: an order is placed, then perhaps returned. A value that counts from an
instant, such as the rating of a ticket, stands beside that instant and no earlier one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ml.home.build_manifest import data_clock
from ml.ingest.contract import Kind, Table
from ml.ingest.declaration import raw_tables
from ml.receipt.facts import Facts
from ml.receipt.raw_rows import Version
from ml.warehouse.compiled_models import read_models
from ml.warehouse.customer_tables import CustomerTables


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Parameters
    ----------
    at : datetime
        When it happened.
    known_at : datetime
        From when it was known.
    table : str
        The raw table.
    subject, what : str
        To what it happened, such as ``order O1``, and what, such as ``ordered``.
    details : dict
        Columns of the row.
    """

    at: datetime
    known_at: datetime
    table: str
    subject: str
    what: str
    details: dict[str, Any]


def customer_events(build: Path, load: Path, customer: str, as_of: datetime) -> list[Event]:
    """What was known of a customer at an instant, the latest first.

    Raises
    ------
    NotReadyError
        The raw rows of the build are gone.
    """
    with CustomerTables(read_models(build), load, [customer], with_items=False) as tables:
        facts = Facts(tables, data_clock(build))
        events = [
            event
            for table in raw_tables()
            if table.customer and any((load / table.name).glob("*.parquet"))
            for event in events_of(table, list(facts.versions(table).values()))
            if event.known_at <= as_of and event.at <= as_of
        ]
    return sorted(events, key=lambda event: (event.at, event.known_at, event.subject), reverse=True)


def events_of(table: Table, versions: list[Version]) -> Iterator[Event]:
    """The events of one table: each instant of a version that the version before did not have."""
    before: dict[tuple[Any, ...], Version] = {}
    for version in sorted(versions, key=lambda version: version.staged["version_number"]):
        key = tuple(version.staged[name] for name in table.key)
        yield from events_of_version(table, version, before.get(key))
        before[key] = version


def events_of_version(table: Table, version: Version, before: Version | None) -> Iterator[Event]:
    """The events that one version of a subject brought."""
    line, earlier = version.line(), before.line() if before else None
    recorded = line.known_at or version.staged["known_at"]
    subject = "profile" if table.is_of_customers else line.subject.split(" version ")[0]
    values = details_of(table, line.raw)
    instants = line.occurred
    had = earlier.occurred if earlier else {}
    is_new = False
    for name, at in instants.items():
        if had.get(name) == at:
            continue
        is_new = True
        shown = {
            column: value for column, value in values.items() if counts_with(table, column, name, instants)
        }
        yield Event(
            at, max(at, recorded), table.name, subject, name.removesuffix("_at").removesuffix("_on"), shown
        )
    if not is_new and earlier is not None:
        old = details_of(table, earlier.raw)
        changed = {name: value for name, value in values.items() if old.get(name) != value}
        yield Event(recorded, recorded, table.name, subject, "changed", changed)


def details_of(table: Table, raw: dict[str, Any]) -> dict[str, Any]:
    """The columns of a row that are neither key, instant nor personal, where they have a value."""
    left_out = {*table.key, table.customer, *table.personal}
    return {
        column.name: raw[column.name]
        for column in table.columns
        if column.kind is not Kind.INSTANT
        and column.name not in left_out
        and raw.get(column.name) is not None
    }


def counts_with(table: Table, column: str, instant: str, instants: dict[str, datetime]) -> bool:
    """Whether a column's value was known with an instant of its row."""
    declared = next(entry for entry in table.columns if entry.name == column)
    if not declared.counts_from:
        return instant == next(iter(instants))
    return instant == next((name for name in declared.counts_from if name in instants), None)
