"""Which export a raw table comes from, and which of its columns mean which of the table's, with reasons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

import duckdb

from ml.common.sql import literal
from ml.ingest.contract import Column, Kind, Table
from ml.mapping.exports import Export, ExportColumn
from ml.mapping.names import CHANGED, STATUS_WORDS, STATUSES, bare, likeness
from ml.mapping.readings import Reading, read_amounts, read_instants

# A raw table is written where so large a share of what it requires was found.
REQUIRED_MIN = 0.6
# A status has few values; more are free text.
STATUS_VALUES_MAX = 30
NAME_WEIGHT = 0.5  # of an export that is called like the table, beside the likeness of its columns
NAME_LIKENESS_MIN = 0.6  # orders_export is like orders


@dataclass(frozen=True)
class Match:
    """One column of a raw table: SQL that gives it, and why; None for neither."""

    column: Column
    sql: str | None
    reason: str
    sources: tuple[str, ...] = ()
    likeness: float = 0.0
    is_guess: bool = False


@dataclass(frozen=True)
class Mapped:
    """A raw table, the export it comes from, and a match for each of its columns.

    Where ``is_grouped``, the export is of something else and has many rows of each customer.
    """

    table: Table
    export: Export
    matches: tuple[Match, ...]
    is_grouped: bool = False

    @property
    def missing(self) -> list[str]:
        """Required columns without a match."""
        return [match.column.name for match in self.matches if match.column.required and match.sql is None]

    @property
    def unused(self) -> list[str]:
        used = {source for match in self.matches for source in match.sources}
        return [column.name for column in self.export.columns if column.name not in used]

    @property
    def score(self) -> float:
        """How well the export fits: what the table requires, and its name."""
        required = [match.likeness for match in self.matches if match.column.required]
        return sum(required) / len(required) + NAME_WEIGHT * is_named_like(self.export, self.table)

    @property
    def is_enough(self) -> bool:
        """Whether most of what the table requires is there, and its key unless no load can do without it."""
        required = sum(column.required for column in self.table.columns)
        has_key = not {*self.table.key} & {*self.missing}
        return len(self.missing) <= (1 - REQUIRED_MIN) * required and (has_key or self.table.required)

    def of(self, name: str | None) -> Match | None:
        return next((match for match in self.matches if match.column.name == name), None)


def map_tables(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], exports: Sequence[Export]
) -> list[Mapped]:
    """Each table from the export that fits it best; tables that no export has most of are left out.

    Customers come from an export of customers; where there is none, from the first of another table that
    names them.
    """
    fits = [
        with_line_numbers(Mapped(table, export, tuple(matches_of(connection, table, export))))
        for table in tables
        for export in exports
    ]
    fits = [mapped for mapped in fits if mapped.is_enough]
    subject = {export.label: max(of_export(fits, export), key=score_of, default=None) for export in exports}
    chosen: list[Mapped] = []
    for table in tables:
        own = [mapped for mapped in fits if mapped.table == table]
        if table.is_of_customers:
            own = [mapped for mapped in own if mapped is subject[mapped.export.label]]
        if own:
            chosen.append(max(own, key=score_of))
    tables_chosen = {mapped.table for mapped in chosen}
    return chosen + [
        mapped
        for table in tables
        if table not in tables_chosen
        if (mapped := from_other_table(table, chosen))
    ]


def of_export(fits: Sequence[Mapped], export: Export) -> list[Mapped]:
    return [mapped for mapped in fits if mapped.export is export]


def score_of(mapped: Mapped) -> float:
    return mapped.score


def with_line_numbers(mapped: Mapped) -> Mapped:
    """Numbers for the lines of a table whose key has one and whose export does not."""
    parent, *rest = mapped.table.key
    number, of_parent = mapped.of(rest[-1] if rest else None), mapped.of(parent)
    is_numbered = number is not None and number.column.kind is Kind.WHOLE
    if not is_numbered or number is None or number.sql or of_parent is None or not of_parent.sql:
        return mapped
    others = ", ".join(match.sql for match in mapped.matches if match.sql and match is not of_parent)
    sql = f"row_number() over (partition by {of_parent.sql} order by {others})"
    made = Match(number.column, sql, "the export has none: numbered by their content", is_guess=True)
    return replace(mapped, matches=tuple(made if match is number else match for match in mapped.matches))


def matches_of(connection: duckdb.DuckDBPyConnection, table: Table, export: Export) -> Iterator[Match]:
    """A match for each column of the table; no column of the export is taken twice, the likeliest first."""
    candidates = sorted(
        (
            (alike, column, source, reason)
            for column in table.columns
            for source in export.columns
            for alike, reason in [likeness_in(table, column, source, export)]
            if alike and source.filled
        ),
        key=lambda candidate: -candidate[0],
    )
    taken: dict[str, Match] = {}
    used: set[str] = set()
    for alike, column, source, reason in candidates:
        if column.name in taken or source.name in used:
            continue
        if reading := reading_of(connection, column, source, export):
            text = f"{reason}; {reading.reason}" if reading.reason else reason
            taken[column.name] = Match(column, reading.sql, text, (source.name,), alike, reading.is_guess)
            used.add(source.name)
    for column in table.columns:
        yield (
            taken.get(column.name)
            or status_match(connection, column, export)
            or Match(column, None, "nothing like it in the export")
        )


def is_named_like(export: Export, table: Table) -> bool:
    return SequenceMatcher(None, bare(export.name), table.name).ratio() > NAME_LIKENESS_MIN


def likeness_in(table: Table, column: Column, source: ExportColumn, export: Export) -> tuple[float, str]:
    """The likeness of two names; a bare ``id`` is the key of what its export is named after."""
    alike, reason = likeness(column.name, source.name)
    if bare(source.name) == "id":
        is_own = column.name in table.key and is_named_like(export, table)
        return (0.9, f"the id of {export.name}") if is_own else (0.0, "")
    return alike, reason


def reading_of(
    connection: duckdb.DuckDBPyConnection, column: Column, source: ExportColumn, export: Export
) -> Reading | None:
    """How the export's column is read as the type of the table's; None if its content cannot be."""
    if column.kind in (Kind.INSTANT, Kind.DATE):
        return read_instants(connection, export.copy, source.sql, source.sql_type)
    if column.kind in (Kind.AMOUNT, Kind.WHOLE):
        return read_amounts(connection, export.copy, source.sql, source.sql_type)
    if source.sql_type.endswith("[]") or source.sql_type.startswith("STRUCT"):
        return None
    return Reading(source.sql, "")


def status_match(connection: duckdb.DuckDBPyConnection, column: Column, export: Export) -> Match | None:
    """A later instant from a status that says that it has come, and the instant of the row's last change."""
    words = STATUSES.get(column.name, ())
    changed = next((other for name in CHANGED for other in export.columns if bare(other.name) == name), None)
    for source in export.columns:
        is_status = bare(source.name).split("_")[-1] in STATUS_WORDS and source.distinct <= STATUS_VALUES_MAX
        if not words or not is_status:
            continue
        lower, listed = f"lower(trim({source.sql}::varchar))", ", ".join(map(literal, words))
        query = f"select distinct {lower} from {export.copy} where {lower} in ({listed})"
        values = [value for (value,) in connection.execute(query).fetchall()]
        if not values:
            continue
        reached = " or ".join(sorted(values))
        reading = changed and read_instants(connection, export.copy, changed.sql, changed.sql_type)
        if changed is None or reading is None:
            return Match(
                column, None, f"{source.name!r} says {reached}, but no column says when", (source.name,)
            )
        listed = ", ".join(literal(value) for value in sorted(values))
        sql = f"case when {lower} in ({listed}) then {reading.sql} end"
        reason = f"CHECK: {source.name!r} says {reached}; {changed.name!r} is taken for when"
        return Match(column, sql, reason, (source.name, changed.name), 0.5, is_guess=True)
    return None


def from_other_table(table: Table, mapped: Sequence[Mapped]) -> Mapped | None:
    """Customers from an export of something else, where they have none: known from their first row there."""
    if not table.is_of_customers or table.customer is None or table.occurred is None:
        return None
    for other in mapped:
        customer, occurred = other.of(other.table.customer), other.of(other.table.occurred)
        if customer and customer.sql and occurred and occurred.sql:
            first = f"min({occurred.sql})"
            reasons = {
                table.customer: (customer.sql, f"the customers of {other.export.label}", customer.sources),
                table.occurred: (
                    first,
                    f"CHECK: no registration; the first of {other.table.name}",
                    occurred.sources,
                ),
            }
            return Mapped(
                table,
                other.export,
                tuple(
                    Match(column, *reasons[column.name], 0.5, is_guess=column.name == table.occurred)
                    if column.name in reasons
                    else Match(column, None, "nothing like it in the export")
                    for column in table.columns
                ),
                is_grouped=True,
            )
    return None
