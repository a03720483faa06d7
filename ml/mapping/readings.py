"""How the texts of a column are read: as instants, with their format, or as amounts, with their signs."""

from dataclasses import dataclass

import duckdb

from ml.common.instant_grammar import instant_of_text
from ml.common.sql import literal
from ml.ingest.casts import NUMBER

INSTANTS = ("TIMESTAMP", "DATE")
NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UBIGINT", "FLOAT", "DOUBLE", "DECIMAL")
# Formats of dates and instants, in families: within one, all values of a column are of one format.
FORMATS = (
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%b %d, %Y",
    "%d %b %Y",
    "%B %d, %Y",
    "%d %B %Y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d.%m.%y",
)
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", " at %H:%M")
SECONDS, MILLISECONDS = (10**9, 2 * 10**9), (10**12, 2 * 10**12)
# An amount in words: digits with separators, and a currency before or after.
AMOUNT = r"^[^0-9]{0,5}-?[0-9][0-9.,'  ]*[^0-9]{0,5}$"
COMMA_DECIMAL = r",[0-9]{1,2}[^0-9]*$"
THREE_DIGITS = r",[0-9]{3}([^0-9]|$)"
POINT_DECIMAL = r"\.[0-9]{1,2}[^0-9]*$"


@dataclass(frozen=True)
class Reading:
    """SQL that reads a column, why, and whether the user should check it."""

    sql: str
    reason: str
    is_guess: bool = False


def read_instants(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, sql_type: str
) -> Reading | None:
    """How a column is read as instants; None if it cannot be."""
    if sql_type.startswith(INSTANTS):
        return Reading(column, "an instant")
    if sql_type.startswith(NUMBERS):
        return read_epochs(connection, relation, column)
    text = f"trim({column}::varchar)"
    rows = count(connection, relation, f"nullif({text}, '') is not null")
    if not rows:
        return None
    if count(connection, relation, f"({instant_of_text(text)}) is not null") == rows:
        return Reading(column, "instants as they are written")
    formats = formats_of(connection, relation, text, rows)
    if not formats:
        return None
    sql = f"strptime({text}, {literal(formats[0])})"
    if len(formats) == 1:
        return Reading(sql, f"every value is written as {formats[0]}")
    others = ", ".join(formats[1:])
    return Reading(sql, f"CHECK: written as {formats[0]}, or as {others}: the values fit each", is_guess=True)


def formats_of(connection: duckdb.DuckDBPyConnection, relation: str, text: str, rows: int) -> list[str]:
    """The formats in which all of so many texts are written, from one pass over them."""
    formats = [date + time for date in FORMATS for time in TIMES]
    counts = ", ".join(f"count(try_strptime({text}, {literal(form)}))" for form in formats)
    written = connection.execute(f"select {counts} from {relation}").fetchall()[0]
    return [form for form, fitting in zip(formats, written, strict=True) if fitting == rows]


def read_epochs(connection: duckdb.DuckDBPyConnection, relation: str, column: str) -> Reading | None:
    """Numbers as seconds or milliseconds since 1970, if all of them lie between 2001 and 2033."""
    rows = count(connection, relation, f"{column} is not null")
    for (low, high), factor, unit in ((SECONDS, "", "seconds"), (MILLISECONDS, " / 1000", "milliseconds")):
        if rows and count(connection, relation, f"{column} between {low} and {high}") == rows:
            sql = f"timezone('UTC', to_timestamp({column}{factor}))"
            return Reading(sql, f"numbers of {unit} since 1970", is_guess=True)
    return None


def read_amounts(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, sql_type: str
) -> Reading | None:
    """How a column is read as numbers; None if it cannot be."""
    if sql_type.startswith(NUMBERS):
        return Reading(column, "a number")
    text = f"trim({column}::varchar)"
    rows = count(connection, relation, f"nullif({text}, '') is not null")
    if not rows or sql_type.startswith(INSTANTS):
        return None
    if count(connection, relation, f"regexp_matches({text}, {literal(NUMBER)})") == rows:
        return Reading(column, "numbers as they are written")
    if count(connection, relation, f"regexp_matches({text}, {literal(AMOUNT)})") < rows:
        return None
    commas, points = (
        count(connection, relation, f"regexp_matches({text}, {literal(pattern)})")
        for pattern in (COMMA_DECIMAL, POINT_DECIMAL)
    )
    digits = f"regexp_replace({column}, '[^0-9,.-]', '', 'g')"
    if commas and points:
        return None
    if commas:
        sql = f"replace(replace({digits}, '.', ''), ',', '.')"
        return Reading(sql, "amounts with a decimal comma; signs of currency and thousands taken off")
    sql = f"replace({digits}, ',', '')"
    if not points and count(connection, relation, f"regexp_matches({text}, {literal(THREE_DIGITS)})"):
        return Reading(sql, "CHECK: amounts, a comma before three digits taken for thousands", is_guess=True)
    return Reading(sql, "amounts; signs of currency and thousands taken off")


def count(connection: duckdb.DuckDBPyConnection, relation: str, condition: str) -> int:
    query = f"select count(*) from {relation} where {condition}"
    return int(connection.execute(query).fetchall()[0][0])
