"""Markers of a missing value, as databases and tools write them, and their counts.

``checks`` reads them as missing and lists them in a column of its own; this module counts them.
"""

from collections.abc import Sequence
from typing import Any

import duckdb

from ml.common.sql import literal
from ml.ingest.contract import Column, Kind, Table

MARKERS = "_markers"
# Never a value: MySQL and Hive, SQL clients, pandas.
UNAMBIGUOUS = ("NULL", "null", "(null)", "<null>", "\\N", "<NA>", "NaT")
# In text NA is also Namibia's code, and None a name; in columns of other types they mean a missing value.
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
AS_MISSING, AS_TEXT = "missing", "text"


def is_missing(column: str, kind: Kind, stated: Sequence[str] = ()) -> str:
    """The SQL condition that a text is blank, ``stated``, or a marker of a missing value for its kind."""
    bare = f"trim({column})"
    known = f"{bare} in ({literals(('', *stated, *UNAMBIGUOUS))})"
    if kind is not Kind.TEXT:
        known = f"{bare} in ({literals(('', *stated))}) or lower({bare}) in ({literals(IN_TYPED_COLUMNS)})"
    return where_it_may_be(column, known, stated)


def is_marker(column: str, stated: Sequence[str] = ()) -> str:
    """The SQL condition that a text is any marker."""
    bare = f"trim({column})"
    known = f"lower({bare}) in ({literals(IN_TYPED_COLUMNS)})"
    if stated:
        known += f" or {bare} in ({literals(stated)})"
    return where_it_may_be(column, known, stated)


def where_it_may_be(column: str, condition: str, stated: Sequence[str]) -> str:
    """A condition that is evaluated only if the first letter allows it; most values begin otherwise."""
    starts = {word[0] for word in (*IN_TYPED_COLUMNS, *stated)} | {
        word[0].upper() for word in IN_TYPED_COLUMNS
    }
    # the code points of first letters, of the blank, and 0 for an empty text
    codes = ", ".join(str(code) for code in sorted({0, ord(" "), *map(ord, starts)}))
    return f"case when ascii({column}) in ({codes}) then {condition} else false end"


def literals(words: Sequence[str]) -> str:
    return ", ".join(map(literal, words))


def markers_sql(columns: list[tuple[Column, str]], stated: Sequence[str] = ()) -> str:
    """The SQL for the markers of a row, one ``column=marker`` per line; null if there is none.

    Parameters
    ----------
    columns : list of (Column, str)
        The columns of text, with the SQL of their text.
    stated : sequence of str
        Markers beside the usual ones.
    """
    if not columns:
        return "null"
    cases = [
        f"case when {is_marker(sql, stated)} then '{column.name}=' || trim({sql}) end"
        for column, sql in columns
    ]
    any_marker = " or ".join(is_marker(sql, stated) for _, sql in columns)
    return f"case when {any_marker} then concat_ws(e'\\n', {', '.join(cases)}) end"


def count_markers(
    connection: duckdb.DuckDBPyConnection, table: Table, stated: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """The number of rows with each marker by column, and what it was read as."""
    rows = connection.execute(
        f"""
        select split_part(marker, '=', 1) as name, substr(marker, strpos(marker, '=') + 1) as text, count(*)
        from (select unnest(string_split({MARKERS}, e'\\n')) as marker from read_{table.name})
        where marker is not null
        group by all
        """
    ).fetchall()
    kinds = {column.name: column.kind for column in table.columns}
    missing_in_text = (*UNAMBIGUOUS, *stated)
    return [
        {
            "table": table.name,
            "column": name,
            "text": text,
            "rows": count,
            "read_as": AS_TEXT if kinds[name] is Kind.TEXT and text not in missing_in_text else AS_MISSING,
        }
        for name, text, count in sorted(rows, key=lambda row: (table.names.index(row[0]), row[1]))
    ]


def note_of(marker: dict[str, Any]) -> str:
    """One marker in a sentence."""
    text, column = repr(marker["text"]).replace("\\\\", "\\"), f"{marker['table']}.{marker['column']}"
    rows = f"{marker['rows']:,} row{'s' if marker['rows'] > 1 else ''}"
    if marker["read_as"] == AS_MISSING:
        return f"{text} read as missing in {rows} of {column}"
    return (
        f"{text} kept as text in {rows} of {column}: leave it empty there if it means that nothing is known"
    )
