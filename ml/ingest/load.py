"""One load from its source to publication: read and check tables, write the manifest, publish.

raw/load-000002.unfinished/ -> raw/load-000002/{<table>,rejected_rows}/*.parquet, load.json -> raw/current
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from ml.common.errors import RefusedError, SourceError, UsageError
from ml.common.instants import format_instant
from ml.common.progress import SILENT, Progress
from ml.common.sql import parquet
from ml.home.build_manifest import manifest_of
from ml.home.layout import Home, numbered
from ml.home.publication import publish
from ml.home.read_leases import finish_removals, remove
from ml.ingest.api_tables import Pulls
from ml.ingest.batch import rows_of
from ml.ingest.change_log import note_on_change_log
from ml.ingest.dates_without_time import note_on_dates
from ml.ingest.declaration import raw_tables
from ml.ingest.folders import shortened
from ml.ingest.load_tables import LoadResult, link_earlier, load_tables
from ml.ingest.manifest import Counts, make_load_manifest, read_load_manifest, write_load_manifest
from ml.ingest.rejected_rows import count_erased, count_reasons, count_waiting, write_rejected
from ml.ingest.rejection_examples import example_text, find_examples
from ml.ingest.sources import Source, open_source, require_tables
from ml.ingest.staging_database import Load, unfinished_load
from ml.ingest.table_clocks import describe_clocks
from ml.ingest.value_formats import UTF8, ValueFormats
from ml.ingest.waiting_rows import Retried, note_on_waiting, remove_from_rejected, without_retried

LOADS_TO_KEEP = 2  # the current one, and the one before for a rollback by hand
REJECTED = "rejected_rows"
LAST_FAILURE = "rejected-last-failure.parquet"
REASONS_SHOWN = 3  # of a table, in one message


def ingest(
    source: str | os.PathLike[str],
    *,
    home: str | os.PathLike[str] | Home | None = None,
    append: bool = False,
    max_rejected: float | None = 0.05,
    timezone: str = "UTC",
    dates_known: str | None = None,
    encoding: str = UTF8,
    date_formats: Sequence[str] = (),
    decimal_comma: bool = False,
    thousands: str | None = None,
    currencies: Sequence[str] = (),
    nulls: Sequence[str] = (),
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Load raw tables, check every row, and publish the accepted ones.

    Parameters
    ----------
    source : path or str
        A folder of raw tables, or a ``duckdb:///``, ``sqlite:///``, ``postgresql://`` or ``mysql://`` URL.
    home : path, optional
        The folder of all state.
    append : bool
        Add to the rows there are, instead of replacing them; any of the tables may then be missing.
    max_rejected : float, optional
        Largest share of rejected rows of any table read in this ingest. A table of which every row is
        rejected fails whatever the share; with None nothing fails for its rows.
    timezone : str
        Zone of instants that have none.
    dates_known : str, optional
        ``end-of-day``: rows of a table whose occurred instants have no time of day are known at the end of
        their day. It holds for later ``append`` too.
    encoding : str
        Encoding of CSV, TSV and JSON files.
    date_formats : sequence of str
        Forms of instants and dates beside ISO 8601, as strftime writes them.
    decimal_comma : bool
        Numbers have a comma before their decimals, and no point.
    thousands : str, optional
        What stands between thousands.
    currencies : sequence of str
        Signs or codes that may stand beside an amount.
    nulls : sequence of str
        Texts that mean a missing value, in every column.
    dry_run : bool
        Do everything up to publication, and publish and keep nothing.

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
        days apart, and the like). Of JSON APIs also pulled (when the first request was made, and the hash of
        the address, by file). Of a dry run also dry_run (True); its load_id is the name that the load would
        have, and rejected_rows is None.

    Raises
    ------
    UsageError
        The source does not exist, or an option makes no sense.
    SourceError
        The source cannot be read, lacks something required, or too much of it was rejected. What was
        published before stays. A dry run that finds too much of it rejected raises a RefusedError, whose
        ``result`` is what it would have returned.
    """
    if max_rejected is not None and not 0 <= max_rejected <= 1:
        raise UsageError(f"--max-rejected is a share from 0 to 1, not {max_rejected:g}")
    formats = ValueFormats(
        timezone, encoding, tuple(date_formats), decimal_comma, thousands, tuple(currencies), tuple(nulls)
    )
    home_ = Home.at(home)
    with home_.writing("ingest --dry-run" if dry_run else "ingest"):
        with unfinished_load(home_, append, formats, dates_known, dry_run) as load:
            pulls = Pulls(home_.pulls, load.earlier, load.rules.now, progress)
            raw_source = open_source(source, load.connection, pulls, load.rules.formats.encoding)
            if not load.earlier:
                require_tables(raw_source)
            if raw_source.not_read:
                progress.say(f"not read: {shortened(raw_source.not_read)}")
            result = load_tables(load, raw_source, progress)
            reasons = count_reasons(load.connection)
            examples = find_examples(load.connection, reasons, result.batches)
            spans = find_spans(load)
            change_log_notes = notes_on_change_logs(result)
            faults = faults_of(load, result.counts, examples, max_rejected)
            if faults and not dry_run:
                # What is mended at the other end must be fetched again.
                pulls.remove()
                refuse(load, faults, home_.raw / LAST_FAILURE, change_log_notes)
            link_earlier(load, REJECTED)
            remove_from_rejected(load, load.folder / REJECTED, list(result.retried.values()))
            write_rejected(load.connection, load.folder / REJECTED / f"{load.name}.parquet")
            manifest = make_load_manifest(
                describe(load, raw_source, result, reasons) | pulls.manifest, earlier_manifest(load, result)
            )
            manifest |= describe_clocks(load.folder, manifest["data_clock"], load.connection)
            manifest["notes"] += [*change_log_notes, *notes_on_dates(load), *notes_on_waiting(result)]
            write_load_manifest(load.folder, manifest)
        if not dry_run:
            publish(home_.raw / load.name)
            pulls.remove()
            (home_.raw / LAST_FAILURE).unlink(missing_ok=True)
            with suppress(OSError):
                prune(home_)
    rejected_rows = home_.raw / load.name / REJECTED / f"{load.name}.parquet"
    ingested = {
        **manifest["ingests"][-1],
        "rejected_rows": str(rejected_rows) if reasons and not dry_run else None,
        "examples": examples,
        "spans": spans,
        **{name: manifest[name] for name in ("data_clock", "clocks", "orders_arrive", "notes")},
        "total": manifest["tables"],
    }
    return end_of_dry_run(ingested, faults, change_log_notes) if dry_run else ingested


@dataclass(frozen=True)
class Faults:
    """What is wrong with the tables of which too large a share was rejected, and what to do."""

    sentence: str
    remedy: str


def faults_of(
    load: Load, counts: Counts, examples: list[dict[str, Any]], max_rejected: float | None
) -> Faults | None:
    """The faults of the tables of which too large a share was rejected; None if there are none."""
    if max_rejected is None:
        return None
    failed = [name for name, rows in counts.items() if exceeds_limit(load, name, rows, max_rejected)]
    if not failed:
        return None
    is_whole = any(counts[name]["accepted"] == 0 for name in failed)
    remedy = "mend them" if is_whole else "mend them, or raise --max-rejected to load the rest"
    return Faults("; ".join(fault_of(name, counts[name], examples, max_rejected) for name in failed), remedy)


def refuse(load: Load, faults: Faults, evidence: Path, notes: Sequence[str]) -> NoReturn:
    """Write the rejected rows to ``evidence`` and raise a SourceError; notes on causes are part of it."""
    write_rejected(load.connection, evidence)
    kept = f"nothing was loaded, the rejected rows are in {evidence}"
    raise SourceError("; ".join([faults.sentence, f"{kept} ({faults.remedy})", *notes]))


def end_of_dry_run(ingested: dict[str, Any], faults: Faults | None, notes: Sequence[str]) -> dict[str, Any]:
    """The result of a dry run; a RefusedError with it if the ingest would fail."""
    result = {**ingested, "dry_run": True}
    if faults:
        sentence = f"the ingest would load nothing ({faults.remedy})"
        raise RefusedError("; ".join([faults.sentence, sentence, *notes]), result)
    return result


def exceeds_limit(load: Load, name: str, rows: dict[str, int], max_rejected: float) -> bool:
    """Whether more than the allowed share of a table was rejected, or all of its rows.

    Rows that wait for their customer or order are retried by the next ``--append``, so with it they may be
    all rows of a table. Rows of erased customers are rejected as they should be.
    """
    erased = count_erased(load.connection, name)
    rows = {count: rows[count] - erased * (count != "accepted") for count in rows}
    if rows["rejected"] > max_rejected * rows["read"]:
        return True
    waiting = count_waiting(load.connection, name) if load.earlier else 0
    return rows["read"] > 0 and rows["accepted"] == 0 and waiting < rows["rejected"]


def fault_of(name: str, rows: dict[str, int], examples: list[dict[str, Any]], max_rejected: float) -> str:
    """The message about one table, with its most frequent reasons."""
    table_examples = [example for example in examples if example["reason"].startswith(f"{name}: ")][
        :REASONS_SHOWN
    ]
    frequent = ", ".join(
        f"{example['rows']:,} x {example['reason']} ({example_text(example)})" for example in table_examples
    )
    limit = f"at most {max_rejected:.1%} may" if rows["accepted"] else "and no row holds"
    return (
        f"{rows['rejected']:,} of {rows['read']:,} rows of {name} ({rows['rejected'] / rows['read']:.1%}) "
        f"break the contract, {limit}: {frequent}"
    )


def describe(load: Load, raw_source: Source, result: LoadResult, reasons: dict[str, int]) -> dict[str, Any]:
    """The manifest of this ingest."""
    clock = newest_instant(load)
    return {
        "load_id": load.name,
        "source": raw_source.label,
        "ingested_at": format_instant(load.rules.now),
        "timezone": load.rules.zone,
        "dates_known": load.dates_known,
        "formats": load.rules.formats.stated,
        "appended_to": load.earlier.name if load.earlier else None,
        "tables": {name: with_waiting(rows, result.retried[name]) for name, rows in result.counts.items()},
        "tried_again": {
            name: {"waited": retried.waited, "accepted": retried.accepted}
            for name, retried in result.retried.items()
            if retried.waited
        },
        "files": raw_source.files,
        "not_read": raw_source.not_read,
        "reasons": reasons,
        "markers": result.markers,
        "data_clock": format_instant(clock) if clock else None,
    }


def with_waiting(counts: dict[str, int], retried: Retried) -> dict[str, int]:
    """The counts of an ingest, with the waiting rows that were accepted."""
    added = {"read": retried.accepted, "accepted": retried.accepted}
    return {name: rows + added.get(name, 0) for name, rows in counts.items()}


def earlier_manifest(load: Load, result: LoadResult) -> dict[str, Any] | None:
    """The manifest of the load that is appended to, without the waiting rows accepted now."""
    return (
        without_retried(read_load_manifest(load.earlier), list(result.retried.values()))
        if load.earlier
        else None
    )


def notes_on_waiting(result: LoadResult) -> list[str]:
    """Notes on the waiting rows that were accepted."""
    notes = (note_on_waiting(table, result.retried[table.name]) for table in raw_tables())
    return [note for note in notes if note]


def notes_on_change_logs(result: LoadResult) -> list[str]:
    """Notes on columns that mark rows as deleted."""
    notes = (note_on_change_log(table.name, result.batches[table.name]) for table in raw_tables())
    return [note for note in notes if note]


def notes_on_dates(load: Load) -> list[str]:
    """Notes on tables whose instants may be dates without a time of day."""
    notes = (
        note_on_dates(
            load.connection, table, load.folder / table.name / f"{load.name}.parquet", load.rules.zone
        )
        for table in raw_tables()
    )
    return [note for note in notes if note]


def find_spans(load: Load) -> dict[str, dict[str, str]]:
    """The occurred column of each table, and its first and last instant among the rows accepted now."""
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


def newest_instant(load: Load) -> datetime | None:
    """The largest instant at which anything in a row accepted now became known.

    Announced ends count from their instant on, in rows of earlier ingests too.
    """
    clocks: list[datetime | None] = []
    for table in raw_tables():
        ends = table.end_instants
        file = load.folder / table.name / f"{load.name}.parquet"
        if file.exists():
            clocks += newest_of(load, table.clocks, parquet([file]))
        if ends:
            clocks += newest_of(load, ends, rows_of(table, load.folder / table.name))
    return max((clock for clock in clocks if clock), default=None)


def newest_of(load: Load, names: Sequence[str], relation: str) -> Sequence[datetime | None]:
    """The largest instant of some columns up to now."""
    newest = ", ".join(f"max({name}) filter ({name} <= $now)" for name in names)
    return load.connection.execute(f"select {newest} from {relation}", {"now": load.rules.now}).fetchall()[0]


def prune(home: Home) -> None:
    """Remove all loads except the last ones and those of existing builds.

    Hard links of other loads to their files stay.
    """
    finish_removals(home.raw)
    loads_of_builds = {manifest_of(build).get("load_id") for build in home.published_builds()}
    for old in numbered(home.raw, "load")[:-LOADS_TO_KEEP]:
        if old.name not in loads_of_builds:
            remove(old)
