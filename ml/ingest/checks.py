"""The SQL that reads one part and says of every row what is wrong with it, in one pass.

Comes in: a part. Goes out: ``read_<table>``, the typed rows, each with its faults (null: none).
Next: ``deletions``, then ``duplicates``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from ml.common.sql import literal, quoted
from ml.ingest.batch import FILE, ROW, Part, reading, relation_of
from ml.ingest.casts import present, read_as
from ml.ingest.contract import DELETED, Column, Kind, Table
from ml.ingest.markers import MARKERS, marked
from ml.ingest.physical import is_text, shown, text_of

FAULT = "_fault"

CHECK = """
insert into {target} by name
with present as (select {present} from {relation}),
typed as (select *, {typed} from present),
looked_up as (select *, {unknown} as is_unknown from typed)
select {kept}, {fault} as {FAULT}
from looked_up
"""


@dataclass(frozen=True)
class Rules:
    """What a check needs to know beside the contract.

    Parameters
    ----------
    zone : str
        Time zone of instants that have none; the session's too.
    now : datetime
        The wall clock of this ingest, naive UTC.
    folder : Path
        Where the tables already accepted lie: what is known.
    """

    zone: str
    now: datetime
    folder: Path


def create_read_table(connection: duckdb.DuckDBPyConnection, table: Table, extras: list[str]) -> str:
    """An empty table for the typed rows of ``table``; its name."""
    columns = [f"{column.name} {column.kind.sql_type}" for column in table.columns]
    columns += ["_file varchar", "_row bigint", f"{FAULT} varchar", f"{MARKERS} varchar"]
    columns += [f"{quoted(name)} varchar" for name in extras]
    connection.execute(f"create table read_{table.name} ({', '.join(columns)})")
    return f"read_{table.name}"


def check_part(connection: duckdb.DuckDBPyConnection, part: Part, target: str, rules: Rules) -> None:
    """Add the rows of ``part`` to ``target``, typed, with their faults.

    Raises
    ------
    SourceError
        The source broke off while it was read.
    """
    columns = [column for column in part.table.columns if column.name in part.columns]
    extras = [quoted(name) for name in part.extras]
    words = {
        "target": target,
        "relation": part.relation,
        "present": ", ".join([*raw_columns(part, columns), f"{FILE} as _file", f"{ROW} as _row"]),
        "typed": ", ".join(typed_columns(part, columns, rules.zone)),
        "unknown": unknown(part.table, rules),
        "kept": ", ".join([column.name for column in columns] + ["_file", "_row", MARKERS, *extras]),
        "fault": joined(faults(part.table, columns, rules)),
        "FAULT": FAULT,
    }
    with reading(part.label):
        connection.execute(CHECK.format(**words))


def raw_columns(part: Part, columns: list[Column]) -> list[str]:
    """The contract's columns as the source has them, then the extra ones as text."""
    found = [(column, *part.columns[column.name]) for column in columns]
    raw = [
        f"{present(quoted(actual), sql_type, column.kind)} as raw_{column.name}"
        for column, actual, sql_type in found
    ]
    texts = [
        (column, text_of(quoted(actual), sql_type)) for column, actual, sql_type in found if is_text(sql_type)
    ]
    raw.append(f"{marked(texts)} as {MARKERS}")
    extras = [(name, *part.columns[name]) for name in part.extras]
    return raw + [f"{shown(quoted(actual), sql_type)} as {quoted(name)}" for name, actual, sql_type in extras]


def typed_columns(part: Part, columns: list[Column], zone: str) -> list[str]:
    """The contract's columns in the contract's types, null where a value cannot be read."""
    types = {column: part.columns[column.name][1] for column in columns}
    return [
        f"{read_as(column, f'raw_{column.name}', sql_type, zone)} as {column.name}"
        for column, sql_type in types.items()
    ]


def joined(reasons: Iterator[tuple[str, str]]) -> str:
    """All reasons whose condition holds, joined by ``; ``; null when none does."""
    cases = list(reasons)
    any_fault = " or ".join(f"coalesce({condition}, false)" for condition, _ in cases)
    said = ", ".join(f"case when {condition} then {literal(reason)} end" for condition, reason in cases)
    return f"case when {any_fault} then concat_ws('; ', {said}) end"


def faults(table: Table, columns: list[Column], rules: Rules) -> Iterator[tuple[str, str]]:
    """Every way in which one row can break the contract: condition and reason."""
    deletes = any(column.name == DELETED for column in columns)
    for column in columns:
        if column.required:
            # a row that deletes another need not repeat it: see deletions.py
            unless = f" and {DELETED} is null" if deletes and column.name not in table.key else ""
            yield f"raw_{column.name} is null{unless}", f"{column.name} is missing"
        unread = f"raw_{column.name} is not null and {column.name} is null"
        yield unread, column.complaint
    yield from faults_of_time(table, columns, rules)
    if table.reference:
        yield "is_unknown", table.reference.reason


def unknown(table: Table, rules: Rules) -> str:
    """Whether the row names something that is in no accepted row."""
    if not table.reference:
        return "false"
    column = table.reference.column
    known = relation_of(rules.folder / table.reference.table)
    return f"{column} not in (select {column} from {known})"


def faults_of_time(table: Table, columns: list[Column], rules: Rules) -> Iterator[tuple[str, str]]:
    """Instants after the ingest's own, but for announced ends, and instants in the wrong order."""
    names = [column.name for column in columns]
    for column in columns:
        if column.kind in (Kind.INSTANT, Kind.DATE) and column.name not in table.ends:
            yield f"{column.name} > timestamp '{rules.now}'", f"{column.name} is later than this ingest"
    for later, earlier in table.ordered:
        if later in names:
            yield f"{later} < {earlier}", f"{later} is before {earlier}"
