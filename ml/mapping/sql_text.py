"""The SQL file of one raw table: a select of its columns, each with the reason of its guess."""

import duckdb

from ml.ingest.value_formats import UTF8
from ml.mapping.matching import Mapped, Match
from ml.mapping.readings import count


def sql_of(connection: duckdb.DuckDBPyConnection, mapped: Mapped) -> str:
    """The text of a SQL file."""
    table, export = mapped.table, mapped.export
    lines = [f"-- {table.name}, guessed from {export.label} ({export.rows:,} rows): check each line"]
    if export.encoding != UTF8:
        lines.append(f"-- CHECK: the files are no UTF-8; they are read as {export.encoding}")
    lines += [
        f"-- MISSING: {name} is required, and nothing in the export is like it" for name in mapped.missing
    ]
    if mapped.unused:
        lines.append(f"-- not used: {', '.join(mapped.unused)}")
    source, last = export.relation, ""
    if mapped.is_grouped:
        customer = mapped.of(table.customer)
        last = f"\ngroup by {customer.sql}" if customer else ""
    elif one_row := one_row_of_each(connection, mapped):
        source, reason = one_row
        lines.append(f"-- {reason}")
    lines.append("select")
    lines += [line_of(match, "" if match is mapped.matches[-1] else ",") for match in mapped.matches]
    return "\n".join([*lines, f"from {source}{last}"]) + "\n"


def line_of(match: Match, comma: str) -> str:
    return f"    {match.sql or 'null'} as {match.column.name}{comma}  -- {match.reason}"


def one_row_of_each(connection: duckdb.DuckDBPyConnection, mapped: Mapped) -> tuple[str, str] | None:
    """The export with one row for each key, where its rows repeat it and no column says which came last."""
    table, export = mapped.table, mapped.export
    of_key = [match for match in mapped.matches if match.column.name in table.key]
    version = mapped.of(table.version)
    # A number that is made for each line, and of no column of the export, repeats no key.
    if not all(match.sources for match in of_key) or (version and version.sql):
        return None
    keys = [match.sql for match in of_key]
    key = ", ".join(map(str, keys))
    query = f"select count(*) from (select distinct {key} from {export.copy})"
    repeated = export.rows - connection.execute(query).fetchall()[0][0]
    if not repeated:
        return None
    required = [match.sql for match in mapped.matches if match.column.required and match.sql not in keys]
    emptiest = [sql for sql in required if sql and count(connection, export.copy, f"{sql} is null")]
    order = ", ".join([f"{sql} is null" for sql in emptiest] or [sql for sql in required if sql] or [key])
    source = f"{export.relation}\nqualify row_number() over (partition by {key} order by {order}) = 1"
    reason = f"CHECK: {repeated:,} rows repeat a key, as exports with a row for each line do: one is kept"
    return source, reason
