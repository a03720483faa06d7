"""Words that stand for a missing value, as databases and tools write them, and how often each was met.

``checks`` reads them as missing and notes them in a column of its own; here they are counted.
"""

from typing import Any

import duckdb

from ml.common.sql import literal
from ml.ingest.contract import Column, Kind, Table

MARKERS = "_markers"
# Never a value: MySQL and Hive, SQL clients, pandas.
UNAMBIGUOUS = ("NULL", "null", "(null)", "<null>", "\\N", "<NA>", "NaT")
# In text also Namibia's code, a word or a name; in any other column they say the same in any case.
IN_TYPED_COLUMNS = (
    "null",
    "(null)",
    "<null>",
    "\\n",
    "<na>",
    "nat",
    "na",
    "n/a",
    "#n/a",
    "nan",
    "none",
    "nil",
)
# As numbers, with the blank, and 0 of an empty text.
STARTS = {word[0] for word in IN_TYPED_COLUMNS} | {word[0].upper() for word in IN_TYPED_COLUMNS} | {" "}
FIRST_LETTERS = ", ".join(str(code) for code in sorted({0, *map(ord, STARTS)}))
READ, KEPT = "missing", "text"


def is_missing(column: str, kind: Kind) -> str:
    """The SQL that a column of text holds nothing, or a marker that its kind takes for nothing."""
    bare = f"trim({column})"
    if kind is Kind.TEXT:
        return where_it_may_be(column, f"{bare} in ('', {listed(UNAMBIGUOUS)})")
    return where_it_may_be(column, f"{bare} = '' or lower({bare}) in ({listed(IN_TYPED_COLUMNS)})")


def is_marker(column: str) -> str:
    """The SQL that a column of text holds any marker."""
    return where_it_may_be(column, f"lower(trim({column})) in ({listed(IN_TYPED_COLUMNS)})")


def where_it_may_be(column: str, condition: str) -> str:
    """A condition that is looked at only where the first letter allows it; most values begin otherwise."""
    return f"case when ascii({column}) in ({FIRST_LETTERS}) then {condition} else false end"


def listed(words: tuple[str, ...]) -> str:
    return ", ".join(map(literal, words))


def marked(columns: list[tuple[Column, str]]) -> str:
    """The SQL for the markers of a row, ``column=marker`` each on a line; null where there is none.

    Parameters
    ----------
    columns : list of (Column, str)
        Those of text, each with the SQL of its text.
    """
    if not columns:
        return "null"
    found = [
        f"case when {is_marker(sql)} then '{column.name}=' || trim({sql}) end" for column, sql in columns
    ]
    any_marker = " or ".join(is_marker(sql) for _, sql in columns)
    return f"case when {any_marker} then concat_ws(e'\\n', {', '.join(found)}) end"


def count_markers(connection: duckdb.DuckDBPyConnection, table: Table) -> list[dict[str, Any]]:
    """In how many rows of each column each marker stood, and what it was read as."""
    rows = connection.execute(
        f"""
        select split_part(marker, '=', 1) as name, substr(marker, strpos(marker, '=') + 1) as text, count(*)
        from (select unnest(string_split({MARKERS}, e'\\n')) as marker from read_{table.name})
        where marker is not null
        group by all
        """
    ).fetchall()
    kinds = {column.name: column.kind for column in table.columns}
    return [
        {
            "table": table.name,
            "column": name,
            "text": text,
            "rows": count,
            "read_as": KEPT if kinds[name] is Kind.TEXT and text not in UNAMBIGUOUS else READ,
        }
        for name, text, count in sorted(rows, key=lambda row: (table.names.index(row[0]), row[1]))
    ]


def note_of(marker: dict[str, Any]) -> str:
    """One marker in a sentence."""
    text, place = repr(marker["text"]).replace("\\\\", "\\"), f"{marker['table']}.{marker['column']}"
    rows = f"{marker['rows']:,} row{'s' if marker['rows'] > 1 else ''}"
    if marker["read_as"] == READ:
        return f"{text} read as missing in {rows} of {place}"
    return f"{text} kept as text in {rows} of {place}: leave it empty there if it means that nothing is known"
