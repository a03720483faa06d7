"""One key of the customers for all tables: the pair of columns whose values agree in most rows.

A shop names customers by number in one export and by address in another; by names of columns alone, no row
of one would find its customer in the other.
"""

from collections.abc import Sequence
from dataclasses import replace

import duckdb

from ml.ingest.contract import Column
from ml.mapping.exports import Export, ExportColumn
from ml.mapping.matching import Mapped, Match
from ml.mapping.names import bare, likeness


def agree_on_customers(connection: duckdb.DuckDBPyConnection, chosen: Sequence[Mapped]) -> list[Mapped]:
    """``chosen`` with the key of customers, and the columns that refer to it, by which most rows agree."""
    parent = next((mapped for mapped in chosen if mapped.table.is_of_customers), None)
    children = [
        mapped
        for mapped in chosen
        if parent and mapped.table.reference and mapped.table.reference.table == parent.table.name
    ]
    if parent is None or not children:
        return list(chosen)
    options = [
        agreement(connection, parent, key, children)
        for key in candidates(parent.export, column_of(parent, parent.table.key[0]))
        if key.distinct == parent.export.rows
    ]
    total, changed = max(options, key=lambda option: option[0], default=(0, []))
    by_table = {mapped.table.name: mapped for mapped in changed} if total else {}
    return [by_table.get(mapped.table.name, mapped) for mapped in chosen]


def agreement(
    connection: duckdb.DuckDBPyConnection, parent: Mapped, key: ExportColumn, children: Sequence[Mapped]
) -> tuple[float, list[Mapped]]:
    """The shares of rows that agree with ``key``, added up, and the tables with the columns that do."""
    total, changed = 0.0, [with_match(parent, parent.table.key[0], key, "")]
    for child in children:
        name = str(child.table.reference.column)  # type: ignore[union-attr]
        shares = [
            (share_in(connection, child.export, column, parent.export, key), -position, column)
            for position, column in enumerate(candidates(child.export, column_of(child, name)))
        ]
        share, _, column = max(shares, key=lambda option: option[:2], default=(0.0, 0, key))
        if share:
            total += share
            reason = f"{share:.0%} of the rows have a value of {key.name!r} of {parent.export.label}"
            changed.append(with_match(child, name, column, reason))
    return total, changed


def column_of(mapped: Mapped, name: str) -> Column:
    return next(column for column in mapped.table.columns if column.name == name)


def candidates(export: Export, column: Column) -> list[ExportColumn]:
    """The columns that may be ``column`` by their names, or hold addresses, the likeliest first."""
    ranked = [(likeness(column.name, source.name)[0], source) for source in export.columns if source.filled]
    fitting = [(alike, source) for alike, source in ranked if alike or is_address(source)]
    return [source for _, source in sorted(fitting, key=lambda pair: -pair[0])]


def is_address(source: ExportColumn) -> bool:
    return "mail" in bare(source.name)


def key_sql(source: ExportColumn) -> str:
    """A key as text; an address means the same in capitals."""
    return f"lower(trim({source.sql}))" if is_address(source) else source.sql


def share_in(
    connection: duckdb.DuckDBPyConnection,
    child: Export,
    column: ExportColumn,
    parent: Export,
    key: ExportColumn,
) -> float:
    """The share of the child's rows whose value the parent has."""
    query = f"""
        select count(*) filter (
            ({key_sql(column)})::varchar in (select ({key_sql(key)})::varchar from {parent.copy})
        ) / greatest(count(*), 1)
        from {child.copy}
    """
    return float(connection.execute(query).fetchall()[0][0])


def with_match(mapped: Mapped, name: str, source: ExportColumn, reason: str) -> Mapped:
    """``mapped`` with ``source`` as a column; as it is if that was so and no address is compared."""
    before = next(match for match in mapped.matches if match.column.name == name)
    sql = key_sql(source)
    if before.sql == sql:
        return mapped
    why = likeness(name, source.name)[1] or f"{source.name!r} names the customer"
    reasons = [why, reason, "addresses in small letters" if is_address(source) else ""]
    match = Match(before.column, sql, "; ".join(filter(None, reasons)), (source.name,), 0.9)
    return replace(mapped, matches=tuple(match if one is before else one for one in mapped.matches))
