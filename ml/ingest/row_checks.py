"""The SQL that casts one batch and lists the faults of every row, in one pass.

A batch comes in; ``read_<table>``, the typed rows with their faults (null: none), goes out. ``deletions`` and
``duplicates`` are next.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb

from ml.common.sql import literal, quoted
from ml.home.erased_keys import ErasedKeys
from ml.ingest.batch import FILE, ROW, Batch, relation_of, source_errors
from ml.ingest.casts import cast_sql, from_utc, not_missing
from ml.ingest.contract import DELETED, Column, Kind, Table
from ml.ingest.erased_customers import REASON as ERASED
from ml.ingest.erased_customers import erased_condition
from ml.ingest.missing_values import MARKERS, markers_sql
from ml.ingest.physical_types import display_text, is_text, text_of
from ml.ingest.value_formats import ValueFormats

FAULT = "_fault"
INTO_ITSELF = "a customer cannot merge into itself"
TAKEN_BACK = "deleted_at is set, and a merge cannot be taken back"

TYPED = "select *, {typed} from (select {raw} from {relation})"
CHECK = """
insert into {target} by name
with typed as ({rows}),
checked as (select *, {unknown} as is_unknown from typed)
select {columns}, {fault} as {FAULT}
from checked
"""


@dataclass(frozen=True)
class Rules:
    """The input of a check beside the contract.

    Parameters
    ----------
    formats : ValueFormats
        How values are written; its zone is the session's too.
    now : datetime
        The wall clock of this ingest, naive UTC.
    folder : Path
        The folder of the tables already accepted.
    erased : ErasedKeys
        The customers whose rows no load takes in.
    """

    formats: ValueFormats
    now: datetime
    folder: Path
    erased: ErasedKeys = field(default_factory=ErasedKeys)

    @property
    def zone(self) -> str:
        """The time zone of instants that have none."""
        return self.formats.zone


def create_read_table(connection: duckdb.DuckDBPyConnection, table: Table, extras: list[str]) -> str:
    """An empty table for the typed rows of ``table``; its name."""
    columns = [f"{column.name} {column.kind.sql_type}" for column in table.columns]
    columns += ["_file varchar", "_row bigint", f"{FAULT} varchar", f"{MARKERS} varchar"]
    columns += [f"{quoted(name)} varchar" for name in extras]
    connection.execute(f"create table read_{table.name} ({', '.join(columns)})")
    return f"read_{table.name}"


def check_part(connection: duckdb.DuckDBPyConnection, batch: Batch, target: str, rules: Rules) -> None:
    """Add the rows of ``batch`` to ``target``, typed, with their faults.

    Raises
    ------
    SourceError
        The source failed during the read.
    """
    columns = [column for column in batch.table.columns if column.name in batch.columns]
    extras = [quoted(name) for name in batch.extras]
    rows = TYPED.format(
        relation=batch.relation,
        raw=", ".join([*raw_columns(batch, columns, rules.formats), f"{FILE} as _file", f"{ROW} as _row"]),
        typed=", ".join(typed_columns(batch, columns, rules.formats)),
    )
    fields = {
        "target": target,
        "rows": rows,
        "unknown": unknown_reference(batch.table, rules),
        "columns": ", ".join([column.name for column in columns] + ["_file", "_row", MARKERS, *extras]),
        "fault": all_reasons(faults(batch.table, columns, rules)),
        "FAULT": FAULT,
    }
    with source_errors(batch.label):
        names = [column.name for column in columns]
        if is_erased := erased_condition(connection, batch.table, rows, names, rules.erased, rules.folder):
            # No other reason: such a row neither waits for its customer nor shows a value.
            fields["fault"] = f"case when {is_erased} then {literal(ERASED)} else {fields['fault']} end"
        connection.execute(CHECK.format(**fields))


def raw_columns(batch: Batch, columns: list[Column], formats: ValueFormats) -> list[str]:
    """The contract's columns with raw values, then the extra ones as text."""
    source_columns = [(column, *batch.columns[column.name]) for column in columns]
    raw = [
        f"{not_missing(quoted(actual), sql_type, column.kind, formats)} as raw_{column.name}"
        for column, actual, sql_type in source_columns
    ]
    texts = [
        (column, text_of(quoted(actual), sql_type))
        for column, actual, sql_type in source_columns
        if is_text(sql_type)
    ]
    raw.append(f"{markers_sql(texts, formats.missing)} as {MARKERS}")
    extras = [(name, *batch.columns[name]) for name in batch.extras]
    return raw + [
        f"{display_text(quoted(actual), sql_type)} as {quoted(name)}" for name, actual, sql_type in extras
    ]


def typed_columns(batch: Batch, columns: list[Column], formats: ValueFormats) -> list[str]:
    """The contract's columns in the contract's types; null if a value cannot be cast."""
    types = {column: batch.columns[column.name][1] for column in columns}
    return [
        f"{cast_sql(column, f'raw_{column.name}', sql_type, formats)} as {column.name}"
        for column, sql_type in types.items()
    ]


def all_reasons(reasons: Iterator[tuple[str, str]]) -> str:
    """All reasons whose condition is true, joined by ``; ``; null if there is none."""
    cases = list(reasons)
    any_fault = " or ".join(f"coalesce({condition}, false)" for condition, _ in cases)
    reason_cases = ", ".join(
        f"case when {condition} then {literal(reason)} end" for condition, reason in cases
    )
    return f"case when {any_fault} then concat_ws('; ', {reason_cases}) end"


def faults(table: Table, columns: list[Column], rules: Rules) -> Iterator[tuple[str, str]]:
    """The condition and reason of every fault that a row can have."""
    deletes = any(column.name == DELETED for column in columns)
    for column in columns:
        if column.required:
            # a row that deletes another need not repeat it: see deletions.py
            not_deleted = f" and {DELETED} is null" if deletes and column.name not in table.key else ""
            yield f"raw_{column.name} is null{not_deleted}", f"{column.name} is missing"
        is_unreadable = f"raw_{column.name} is not null and {column.name} is null"
        yield is_unreadable, column.complaint
    yield from faults_of_time(table, columns, rules)
    if table.merges:
        yield f"{table.merges.old} = {table.merges.new}", INTO_ITSELF
        if deletes:
            yield f"{DELETED} is not null", TAKEN_BACK
    if table.reference:
        yield "is_unknown", table.reference.reason


def unknown_reference(table: Table, rules: Rules) -> str:
    """The SQL condition that the row refers to a key without an accepted row."""
    if not table.reference:
        return "false"
    accepted = relation_of(rules.folder / table.reference.table)
    return " or ".join(
        f"{column} not in (select {table.reference.column} from {accepted})" for column in table.referring
    )


def faults_of_time(table: Table, columns: list[Column], rules: Rules) -> Iterator[tuple[str, str]]:
    """Clocks after the instant of the ingest, instants in the wrong order, measurements of no whole day."""
    names = [column.name for column in columns]
    for column in columns:
        if column.kind is Kind.DATE or column.name in table.clocks:
            yield f"{column.name} > timestamp '{rules.now}'", f"{column.name} is later than this ingest"
    for later, earlier in table.ordered:
        if later in names:
            yield f"{later} < {earlier}", f"{later} is before {earlier}"
    if table.period:
        local = from_utc(str(table.occurred), rules.zone)
        yield (
            f"{local} != date_trunc('{table.period}', {local})",
            f"{table.occurred} is not the start of a day",
        )
