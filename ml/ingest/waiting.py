"""Rows that wait: rejected only because what they refer to is not there yet, and tried again by each append.

<load>/waiting/<table>/<ingest>.parquet   the rows of an ingest that still wait, typed

``tables`` keeps those of its own ingest here and takes in those of earlier ones whose customer or order came.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml.common.sql import literal, parquet, quoted
from ml.ingest.batch import rows_of
from ml.ingest.checks import FAULT, create_read_table, unknown
from ml.ingest.contract import Table
from ml.ingest.deletions import NOTHING_TO_DELETE, complete_deletions
from ml.ingest.duplicates import refuse_copies
from ml.ingest.staging_database import Load, count_rows

WAITING = "waiting"
BOOKKEEPING = ("_file", "_row", "_ingest", "_reason")

# The ingest is part of the file's name here: two ingests may have read files of one name.
AGAIN = """
insert into read_{name} by name
select * exclude (_ingest, _reason) replace (_ingest || '/' || _file as _file),
    case when {is_unknown} then _reason end as {FAULT}
from {rows}
"""
OUTCOMES = """
create table outcomes_{name} as
select
    split_part(_file, '/', 1) as ingest, substr(_file, strpos(_file, '/') + 1) as file, _row as row,
    coalesce(refused.reason, {FAULT}) as reason
from read_{name} left join refused_{name} as refused using (_file, _row)
"""
IN_NOW = """
copy (
    select {columns}
    from (
        select * replace (substr(_file, strpos(_file, '/') + 1) as _file)
        from read_{name} anti join refused_{name} using (_file, _row)
        where {FAULT} is null
    )
) to {file} (format parquet)
"""
STILL = """
copy (
    from {rows} as waiting
    semi join (from outcomes_{name} where reason = {reference} or reason = {nothing}) as outcomes
    on waiting._ingest = outcomes.ingest and waiting._file = outcomes.file and waiting._row = outcomes.row
) to {file} (format parquet, compression zstd)
"""
REJECTED_NOW = """
copy (
    select rejected.* replace (coalesce(outcomes.reason, rejected.reason) as reason)
    from {rows} as rejected
    left join outcomes_{name} as outcomes
    on rejected."table" = {table} and outcomes.ingest = {ingest}
        and rejected.file = outcomes.file and rejected.row = outcomes.row
    where outcomes.file is null or outcomes.reason is not null
    order by "table", rejected.file, rejected.row
) to {file} (format parquet, compression zstd)
"""


@dataclass(frozen=True)
class Outcome:
    """What became of rows of one earlier ingest that waited: ``reason`` is None for those that are in now."""

    table: str
    ingest: str
    waited_for: str
    reason: str | None
    rows: int


@dataclass(frozen=True)
class Again:
    """The rows of one table that were tried again.

    Parameters
    ----------
    file : Path, optional
        The rows that are in now.
    outcomes : tuple of Outcome
    """

    file: Path | None = None
    outcomes: tuple[Outcome, ...] = ()

    @property
    def accepted(self) -> int:
        return sum(each.rows for each in self.outcomes if each.reason is None)

    @property
    def waited(self) -> int:
        return sum(each.rows for each in self.outcomes)


def keep_waiting(load: Load, table: Table, extras: Sequence[str]) -> None:
    """Write the rows of this ingest that lack nothing but what they refer to."""
    if not table.reference:
        return
    waits = f"{FAULT} in ({literal(table.reference.reason)}, {literal(NOTHING_TO_DELETE)})"
    if not count_rows(load, f"read_{table.name} where {waits}"):
        return
    folder = load.folder / WAITING / table.name
    folder.mkdir(parents=True, exist_ok=True)
    columns = ", ".join([*table.names, "_file", "_row", *map(quoted, extras)])
    load.connection.execute(
        f"copy (select {columns}, {literal(load.name)} as _ingest, {FAULT} as _reason from read_{table.name} "
        f"where {waits}) to {literal(folder / f'{load.name}.parquet')} (format parquet, compression zstd)"
    )


def try_again(load: Load, table: Table, linked: Sequence[Path]) -> Again:
    """Try the rows of earlier ingests that wait; those that wait on are written for the next append.

    Parameters
    ----------
    linked : sequence of Path
        The files of earlier ingests in this load.
    """
    files = sorted((load.earlier / WAITING / table.name).glob("*.parquet")) if load.earlier else []
    if not files or not table.reference:
        return Again()
    again, loaded = replace(table, name=f"again_{table.name}"), rows_of(table, load.folder / table.name)
    waiting = parquet(files, "union_by_name = true")
    extras = extras_of(load, waiting, table)
    create_read_table(load.connection, again, extras)
    load.connection.execute(
        AGAIN.format(name=again.name, is_unknown=unknown(table, load.rules), rows=waiting, FAULT=FAULT)
    )
    complete_deletions(load.connection, again, loaded if linked else None)
    refuse_copies(load.connection, again, loaded if linked else None)
    load.connection.execute(OUTCOMES.format(name=again.name, FAULT=FAULT))
    outcomes = find_outcomes(load, table, waiting)
    for file in files:
        keep_on(load, table, file)
    if not any(each.reason is None for each in outcomes):
        return Again(None, outcomes)
    in_now = load.work / f"{again.name}.parquet"
    columns = ", ".join([*table.names, "_file", "_row", *map(quoted, extras)])
    words = {"columns": columns, "name": again.name, "FAULT": FAULT, "file": literal(in_now)}
    load.connection.execute(IN_NOW.format(**words))
    return Again(in_now, outcomes)


def extras_of(load: Load, waiting: str, table: Table) -> list[str]:
    """The user's own columns of the rows that wait."""
    described = load.connection.execute(f"describe from {waiting}").fetchall()
    return [row[0] for row in described if row[0] not in (*table.names, *BOOKKEEPING)]


def find_outcomes(load: Load, table: Table, waiting: str) -> tuple[Outcome, ...]:
    """What became of them, by ingest."""
    query = f"""
        select outcomes.ingest, waiting._reason, outcomes.reason, count(*)
        from outcomes_again_{table.name} as outcomes
        join {waiting} as waiting
        on waiting._ingest = outcomes.ingest and waiting._file = outcomes.file and waiting._row = outcomes.row
        group by all
        order by all
    """
    found = load.connection.execute(query).fetchall()
    return tuple(Outcome(table.name, ingest, before, now, rows) for ingest, before, now, rows in found)


def keep_on(load: Load, table: Table, file: Path) -> None:
    """Write the rows of one earlier ingest that wait on; no file where none does."""
    folder = load.folder / WAITING / table.name
    folder.mkdir(parents=True, exist_ok=True)
    words = {
        "rows": parquet([file]),
        "name": f"again_{table.name}",
        "reference": literal(table.reference.reason if table.reference else ""),
        "nothing": literal(NOTHING_TO_DELETE),
        "file": literal(folder / file.name),
    }
    if not load.connection.execute(STILL.format(**words)).fetchall()[0][0]:
        (folder / file.name).unlink()


def take_from_rejected(load: Load, folder: Path, again: Sequence[Again]) -> None:
    """Take the rows that are in now out of the rejected ones; those with another reason now get it.

    The files are links to those of the load before, which stay as they are.
    """
    for outcome in {(each.table, each.ingest) for one in again for each in one.outcomes if is_settled(each)}:
        table, ingest = outcome
        file, new = folder / f"{ingest}.parquet", load.work / "rejected.parquet"
        words = {
            "rows": parquet([file]),
            "name": f"again_{table}",
            "table": literal(table),
            "ingest": literal(ingest),
            "file": literal(new),
        }
        load.connection.execute(REJECTED_NOW.format(**words))
        os.replace(new, file)


def is_settled(outcome: Outcome) -> bool:
    """Whether the rows wait no more."""
    return outcome.reason != outcome.waited_for


def moved_to_now(record: dict[str, Any], again: Sequence[Again]) -> dict[str, Any]:
    """The earlier record without the rows that are in now: this ingest counts them as its own."""
    tables = {name: dict(counts) for name, counts in record["tables"].items()}
    reasons = dict(record["reasons"])
    ingests = [
        each | {"tables": {name: dict(counts) for name, counts in each["tables"].items()}}
        for each in record["ingests"]
    ]
    for outcome in (each for one in again for each in one.outcomes if is_settled(each)):
        reasons[f"{outcome.table}: {outcome.waited_for}"] -= outcome.rows
        if outcome.reason is not None:
            for name in (f"{outcome.table}: {reason}" for reason in outcome.reason.split("; ")):
                reasons[name] = reasons.get(name, 0) + outcome.rows
            continue
        of_ingest = next(each["tables"] for each in ingests if each["load_id"] == outcome.ingest)
        for counts in (tables[outcome.table], of_ingest[outcome.table]):
            counts["read"] -= outcome.rows
            counts["rejected"] -= outcome.rows
    kept = {name: rows for name, rows in reasons.items() if rows}
    return record | {"tables": tables, "reasons": kept, "ingests": ingests}


def note_on(table: Table, again: Again) -> str | None:
    """How many of the rows that waited are in now; None where none waited."""
    if not again.waited or not table.reference:
        return None
    what = table.reference.reason.removeprefix("unknown ")
    return (
        f"{again.accepted:,} of {again.waited:,} rows of {table.name} that waited for their {what} are in now"
    )
