"""One load from its source to what readers see: fill, judge, record, publish.

raw/load-000002.unfinished/ -> raw/load-000002/{<table>,rejected_rows}/*.parquet, load.json -> raw/current
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from ml.common.errors import SourceError, UsageError
from ml.common.instants import format_instant
from ml.common.progress import SILENT, Progress
from ml.common.sql import parquet
from ml.home.build_manifest import manifest_of
from ml.home.layout import Home, numbered, publish
from ml.home.leases import finish_removals, remove
from ml.ingest.batch import rows_of
from ml.ingest.change_log import note_on_change_log
from ml.ingest.clocks import arrival_of_orders, notes_on_clocks, table_clocks
from ml.ingest.dates import note_on_dates
from ml.ingest.declaration import raw_tables
from ml.ingest.examples import example_text, find_examples
from ml.ingest.manifest import Counts, make_record, read_record, write_record
from ml.ingest.rejected import count_reasons, count_waiting, write_rejected
from ml.ingest.sources import Source, open_source, require_tables
from ml.ingest.staging_database import Load, unfinished
from ml.ingest.tables import Filled, fill, link_earlier
from ml.ingest.waiting import Again, moved_to_now, note_on, take_from_rejected

LOADS_KEPT = 2
REJECTED = "rejected_rows"
LAST_FAILURE = "rejected-last-failure.parquet"
REASONS_SHOWN = 3


def ingest(
    source: str | os.PathLike[str],
    *,
    home: str | os.PathLike[str] | Home | None = None,
    append: bool = False,
    max_rejected: float = 0.05,
    timezone: str = "UTC",
    dates_known: str | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Load raw tables, check every row, and publish what holds.

    Parameters
    ----------
    source : path or str
        A folder of raw tables, or a ``duckdb:///``, ``sqlite:///`` or ``postgresql://`` URL.
    home : path, optional
        The folder of all state.
    append : bool
        Add to the rows there are, instead of replacing them; any of the tables may then be missing.
    max_rejected : float
        Largest share of rejected rows of any table read in this ingest. A table of which every row is
        rejected fails whatever the share.
    timezone : str
        Zone of instants that have none.
    dates_known : str, optional
        ``end-of-day``: rows of a table whose occurred instants have no time of day are known at the end of
        their day. It holds for later ``append`` too.

    Returns
    -------
    dict
        load_id, source, tables (read, accepted and rejected rows of this ingest), reasons (rows per reason),
        examples (text, file, row and hint for each reason), spans (the first and the last occurred instant of
        this ingest by table), markers (texts that stand for a missing value, by table and column),
        tried_again (rows of earlier ingests that waited for their customer or order, and how many of them are
        in now, by table), rejected_rows (the file of them, or None), total (the same counts over all that
        was appended), data_clock, clocks (the largest instant that the rows of each table vouch for),
        orders_arrive (share of a day's orders in at its end, days until 99 % are), notes (on tables that end
        days apart, and the like).

    Raises
    ------
    UsageError
        The source does not exist, or an option makes no sense.
    SourceError
        The source cannot be read, lacks something required, or too much of it was rejected. What was
        published before stays.
    """
    if not 0 <= max_rejected <= 1:
        raise UsageError(f"--max-rejected is a share from 0 to 1, not {max_rejected:g}")
    where = Home.at(home)
    with where.writing("ingest"):
        with unfinished(where, append, timezone, dates_known) as load:
            found = open_source(source, load.connection)
            if not load.earlier:
                require_tables(found)
            for note in found.notes:
                progress.say(note)
            filled = fill(load, found, progress)
            reasons = count_reasons(load.connection)
            examples = find_examples(load.connection, reasons, filled.parts)
            spans = find_spans(load)
            marks = notes_on_change_logs(filled)
            refuse_too_many(load, filled.counts, examples, max_rejected, where.raw / LAST_FAILURE, marks)
            link_earlier(load, REJECTED)
            take_from_rejected(load, load.folder / REJECTED, list(filled.again.values()))
            write_rejected(load.connection, load.folder / REJECTED / f"{load.name}.parquet")
            record = make_record(describe(load, found, filled, reasons), earlier_record(load, filled))
            record |= describe_clocks(load, record["data_clock"])
            record["notes"] += [*marks, *notes_on_dates(load), *notes_on_waiting(filled)]
            write_record(load.folder, record)
        publish(where.raw / load.name)
        (where.raw / LAST_FAILURE).unlink(missing_ok=True)
        with suppress(OSError):
            prune(where)
    this = record["ingests"][-1]
    rejected_rows = where.raw / load.name / REJECTED / f"{load.name}.parquet"
    return {
        **this,
        "rejected_rows": str(rejected_rows) if reasons else None,
        "examples": examples,
        "spans": spans,
        **{name: record[name] for name in ("data_clock", "clocks", "orders_arrive", "notes")},
        "total": record["tables"],
    }


def refuse_too_many(
    load: Load,
    counts: Counts,
    examples: list[dict[str, Any]],
    max_rejected: float,
    evidence: Path,
    notes: Sequence[str],
) -> None:
    """SourceError when too large a share of a table was rejected; the rejected rows stay in ``evidence``.

    Notes that may say why are part of the sentence.
    """
    failed = [name for name, rows in counts.items() if is_too_much(load, name, rows, max_rejected)]
    if not failed:
        return
    write_rejected(load.connection, evidence)
    faults = "; ".join(fault_of(name, counts[name], examples, max_rejected) for name in failed)
    is_whole = any(counts[name]["accepted"] == 0 for name in failed)
    remedy = "mend them" if is_whole else "mend them, or raise --max-rejected to load the rest"
    sentence = f"{faults}; nothing was loaded, the rejected rows are in {evidence} ({remedy})"
    raise SourceError("; ".join([sentence, *notes]))


def is_too_much(load: Load, name: str, rows: dict[str, int], max_rejected: float) -> bool:
    """Whether a table lost more than the allowed share, or all of its rows.

    Rows that wait for their customer or order are tried again with the next ``--append``, so there they may
    be all that a table delivers.
    """
    if rows["rejected"] > max_rejected * rows["read"]:
        return True
    waiting = count_waiting(load.connection, name) if load.earlier else 0
    return rows["read"] > 0 and rows["accepted"] == 0 and waiting < rows["rejected"]


def fault_of(name: str, rows: dict[str, int], examples: list[dict[str, Any]], max_rejected: float) -> str:
    """What is wrong with one table, with its most frequent reasons."""
    own = [example for example in examples if example["reason"].startswith(f"{name}: ")][:REASONS_SHOWN]
    frequent = ", ".join(
        f"{example['rows']:,} x {example['reason']} ({example_text(example)})" for example in own
    )
    limit = f"at most {max_rejected:.1%} may" if rows["accepted"] else "and no row holds"
    return (
        f"{rows['rejected']:,} of {rows['read']:,} rows of {name} ({rows['rejected'] / rows['read']:.1%}) "
        f"break the contract, {limit}: {frequent}"
    )


def describe(load: Load, found: Source, filled: Filled, reasons: dict[str, int]) -> dict[str, Any]:
    """What there is to say about this ingest."""
    clock = newest_instant(load)
    return {
        "load_id": load.name,
        "source": found.label,
        "ingested_at": format_instant(load.rules.now),
        "timezone": load.rules.zone,
        "dates_known": load.dates_known,
        "appended_to": load.earlier.name if load.earlier else None,
        "tables": {name: with_waiting(rows, filled.again[name]) for name, rows in filled.counts.items()},
        "tried_again": {
            name: {"waited": again.waited, "accepted": again.accepted}
            for name, again in filled.again.items()
            if again.waited
        },
        "files": found.files,
        "not_read": found.not_read,
        "reasons": reasons,
        "markers": filled.markers,
        "data_clock": format_instant(clock) if clock else None,
    }


def with_waiting(counts: dict[str, int], again: Again) -> dict[str, int]:
    """The counts of an ingest with the rows that had waited and are in now."""
    more = {"read": again.accepted, "accepted": again.accepted}
    return {name: rows + more.get(name, 0) for name, rows in counts.items()}


def earlier_record(load: Load, filled: Filled) -> dict[str, Any] | None:
    """The record of the load that is added to, without the rows that are in now."""
    return moved_to_now(read_record(load.earlier), list(filled.again.values())) if load.earlier else None


def notes_on_waiting(filled: Filled) -> list[str]:
    """How many of the rows that waited are in now."""
    notes = (note_on(table, filled.again[table.name]) for table in raw_tables())
    return [note for note in notes if note]


def notes_on_change_logs(filled: Filled) -> list[str]:
    """Columns that mark rows as deleted: how they are read, or that they are not."""
    notes = (note_on_change_log(table.name, filled.parts[table.name]) for table in raw_tables())
    return [note for note in notes if note]


def notes_on_dates(load: Load) -> list[str]:
    """Tables whose instants look like dates without a time of day."""
    notes = (
        note_on_dates(
            load.connection, table, load.folder / table.name / f"{load.name}.parquet", load.rules.zone
        )
        for table in raw_tables()
    )
    return [note for note in notes if note]


def find_spans(load: Load) -> dict[str, dict[str, str]]:
    """The column, and its first and last instant among the rows accepted in this ingest, of each table."""
    spans = {}
    for table in raw_tables():
        file = load.folder / table.name / f"{load.name}.parquet"
        if table.occurred and file.exists():
            query = f"select min({table.occurred}), max({table.occurred}) from {parquet([file])}"
            ((first, last),) = load.connection.execute(query).fetchall()
            if first:
                spans[table.name] = {
                    "column": table.occurred,
                    "first": format_instant(first),
                    "last": format_instant(last),
                }
    return spans


def describe_clocks(load: Load, data_clock: str | None) -> dict[str, Any]:
    """The clock of each table of the whole load, and what is worth a warning."""
    clocks = table_clocks(load.folder, load.connection)
    arrival = arrival_of_orders(load.folder, clocks["orders"], load.connection)
    notes = notes_on_clocks(clocks, data_clock, arrival)
    return {"clocks": clocks, "orders_arrive": arrival, "notes": notes}


def newest_instant(load: Load) -> datetime | None:
    """The largest instant at which any row accepted in this ingest, or anything in it, became known.

    Ends that were announced count once they have come, in rows of earlier ingests too.
    """
    clocks: list[datetime | None] = []
    for table in raw_tables():
        ends = [name for name in table.instants if name in table.ends]
        others = [name for name in table.instants if name not in table.ends]
        file = load.folder / table.name / f"{load.name}.parquet"
        if others and file.exists():
            clocks += newest_of(load, others, parquet([file]))
        if ends:
            clocks += newest_of(load, ends, rows_of(table, load.folder / table.name))
    return max((clock for clock in clocks if clock), default=None)


def newest_of(load: Load, names: list[str], relation: str) -> Sequence[datetime | None]:
    """The largest instant of some columns up to now."""
    newest = ", ".join(f"max({name}) filter ({name} <= $now)" for name in names)
    return load.connection.execute(f"select {newest} from {relation}", {"now": load.rules.now}).fetchall()[0]


def prune(home: Home) -> None:
    """Remove all loads but the last ones and those that a kept build was made from.

    Files that a load which stays shares with them stay.
    """
    finish_removals(home.raw)
    built = {load_of(build) for build in home.kept_builds()}
    for old in numbered(home.raw, "load")[:-LOADS_KEPT]:
        if old.name not in built:
            remove(old)


def load_of(build: Path) -> str | None:
    """The load that a build was made from; None when its manifest is damaged."""
    return manifest_of(build).get("load_id")
