"""Waiting rows: rejected only because the row they refer to is missing, and retried by each append.

<load>/waiting/<table>/<ingest>.parquet   the rows of an ingest that still wait, typed

``tables`` writes the waiting rows of its own ingest, and accepts those of earlier ones whose customer or
order has come.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml.common.sql import literal, parquet, quoted
from ml.ingest.batch import rows_of
from ml.ingest.contract import Table
from ml.ingest.deletions import NOTHING_TO_DELETE, complete_deletions
from ml.ingest.duplicates import find_conflicts
from ml.ingest.row_checks import FAULT, create_read_table, unknown_reference
from ml.ingest.staging_database import Load, count_rows

WAITING = "waiting"
BOOKKEEPING = ("_file", "_row", "_ingest", "_reason")

# The name of the ingest is put before that of the file, because two ingests may have read files of one name.
RETRY = """
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
ACCEPTED_NOW = """
copy (
    select {columns}
    from (
        select * replace (substr(_file, strpos(_file, '/') + 1) as _file)
        from read_{name} anti join refused_{name} using (_file, _row)
        where {FAULT} is null
    )
) to {file} (format parquet)
"""
STILL_WAITING = """
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
    """The outcome of waiting rows of one earlier ingest: ``reason`` is None for those accepted now."""

    table: str
    ingest: str
    waited_for: str
    reason: str | None
    rows: int


@dataclass(frozen=True)
class Retried:
    """The waiting rows of one table after a retry.

    Parameters
    ----------
    file : Path, optional
        The rows accepted now.
    outcomes : tuple of Outcome
    """

    file: Path | None = None
    outcomes: tuple[Outcome, ...] = ()

    @property
    def accepted(self) -> int:
        return sum(outcome.rows for outcome in self.outcomes if outcome.reason is None)

    @property
    def waited(self) -> int:
        return sum(outcome.rows for outcome in self.outcomes)


def write_waiting(load: Load, table: Table, extras: Sequence[str]) -> None:
    """Write the rows of this ingest whose only fault is the missing row that they refer to."""
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


def retry_waiting(load: Load, table: Table, linked: Sequence[Path]) -> Retried:
    """Retry the waiting rows of earlier ingests; those that still wait are written for the next append.

    Parameters
    ----------
    linked : sequence of Path
        The files of earlier ingests in this load.
    """
    files = sorted((load.earlier / WAITING / table.name).glob("*.parquet")) if load.earlier else []
    if not files or not table.reference:
        return Retried()
    retried, loaded = replace(table, name=f"again_{table.name}"), rows_of(table, load.folder / table.name)
    waiting = parquet(files, "union_by_name = true")
    columns_read = [row[0] for row in load.connection.execute(f"describe from {waiting}").fetchall()]
    extras = [name for name in columns_read if name not in (*table.names, *BOOKKEEPING)]
    create_read_table(load.connection, retried, extras)
    load.connection.execute(
        RETRY.format(
            name=retried.name, is_unknown=unknown_reference(table, load.rules), rows=waiting, FAULT=FAULT
        )
    )
    complete_deletions(load.connection, retried, loaded if linked else None)
    find_conflicts(load.connection, retried, loaded if linked else None)
    load.connection.execute(OUTCOMES.format(name=retried.name, FAULT=FAULT))
    outcomes = find_outcomes(load, table, waiting)
    for file in files:
        write_still_waiting(load, table, file)
    if not any(outcome.reason is None for outcome in outcomes):
        return Retried(None, outcomes)
    accepted = load.temp_folder / f"{retried.name}.parquet"
    columns = ", ".join([*table.names, "_file", "_row", *map(quoted, extras)])
    fields = {"columns": columns, "name": retried.name, "FAULT": FAULT, "file": literal(accepted)}
    load.connection.execute(ACCEPTED_NOW.format(**fields))
    return Retried(accepted, outcomes)


def find_outcomes(load: Load, table: Table, waiting: str) -> tuple[Outcome, ...]:
    """The outcomes of the waiting rows, by ingest."""
    query = f"""
        select outcomes.ingest, waiting._reason, outcomes.reason, count(*)
        from outcomes_again_{table.name} as outcomes
        join {waiting} as waiting
        on waiting._ingest = outcomes.ingest and waiting._file = outcomes.file and waiting._row = outcomes.row
        group by all
        order by all
    """
    rows = load.connection.execute(query).fetchall()
    return tuple(Outcome(table.name, ingest, before, now, count) for ingest, before, now, count in rows)


def write_still_waiting(load: Load, table: Table, file: Path) -> None:
    """Write the rows of one earlier ingest that still wait; no file if there are none."""
    folder = load.folder / WAITING / table.name
    folder.mkdir(parents=True, exist_ok=True)
    fields = {
        "rows": parquet([file]),
        "name": f"again_{table.name}",
        "reference": literal(table.reference.reason if table.reference else ""),
        "nothing": literal(NOTHING_TO_DELETE),
        "file": literal(folder / file.name),
    }
    if not load.connection.execute(STILL_WAITING.format(**fields)).fetchall()[0][0]:
        (folder / file.name).unlink()


def remove_from_rejected(load: Load, folder: Path, retried_tables: Sequence[Retried]) -> None:
    """Remove the rows accepted now from the rejected ones, and update the reason of others.

    The files are links to those of the load before, which must not change.
    """
    outcomes = [outcome for retried in retried_tables for outcome in retried.outcomes if is_settled(outcome)]
    for table, ingest in {(outcome.table, outcome.ingest) for outcome in outcomes}:
        file, new = folder / f"{ingest}.parquet", load.temp_folder / "rejected.parquet"
        fields = {
            "rows": parquet([file]),
            "name": f"again_{table}",
            "table": literal(table),
            "ingest": literal(ingest),
            "file": literal(new),
        }
        load.connection.execute(REJECTED_NOW.format(**fields))
        os.replace(new, file)


def is_settled(outcome: Outcome) -> bool:
    """Whether the rows no longer wait."""
    return outcome.reason != outcome.waited_for


def without_retried(record: dict[str, Any], retried_tables: Sequence[Retried]) -> dict[str, Any]:
    """The earlier manifest without the rows accepted now, which this ingest counts as its own."""
    tables = {name: dict(counts) for name, counts in record["tables"].items()}
    reasons = dict(record["reasons"])
    ingests = [
        ingest | {"tables": {name: dict(counts) for name, counts in ingest["tables"].items()}}
        for ingest in record["ingests"]
    ]
    for outcome in (
        ingest for retried in retried_tables for ingest in retried.outcomes if is_settled(ingest)
    ):
        reasons[f"{outcome.table}: {outcome.waited_for}"] -= outcome.rows
        if outcome.reason is not None:
            for name in (f"{outcome.table}: {reason}" for reason in outcome.reason.split("; ")):
                reasons[name] = reasons.get(name, 0) + outcome.rows
            continue
        ingest_tables = next(ingest["tables"] for ingest in ingests if ingest["load_id"] == outcome.ingest)
        for counts in (tables[outcome.table], ingest_tables[outcome.table]):
            counts["read"] -= outcome.rows
            counts["rejected"] -= outcome.rows
    remaining = {name: rows for name, rows in reasons.items() if rows}
    return record | {"tables": tables, "reasons": remaining, "ingests": ingests}


def note_on_waiting(table: Table, retried: Retried) -> str | None:
    """How many of the waiting rows are accepted now; None if none waited."""
    if not retried.waited or not table.reference:
        return None
    what = table.reference.reason.removeprefix("unknown ")
    rows = f"{retried.accepted:,} of {retried.waited:,} rows of {table.name}"
    return f"{rows} that waited for their {what} are in now"
