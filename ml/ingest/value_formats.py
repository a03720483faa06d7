"""How the values of one source are written, where that is not what the contract expects.

The options of an ingest come in; SQL that reads texts of those forms goes out. Nothing is tried that was not
stated: a text of another form is rejected.
"""

import codecs
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from ml.common.errors import UsageError
from ml.common.sql import literal

THOUSANDS = (".", ",", "'", "’", "_", " ")
# A blank between thousands, or between a number and its currency, may be one that keeps a line together.
BLANKS = r"[ \x{00A0}\x{202F}]"
UTF8 = "utf-8"
# An afternoon, and a day that is no month, so that a format that loses either gives another instant back.
PROBE = "timestamp '2024-11-23 16:05:06.789012'"
UNITS = ("microsecond", "millisecond", "second", "minute", "hour", "day")
# A date that another order of day and month reads as another day.
SWAPPED = "timestamp '2024-02-03 04:05:06'"
ISO_FORMS = ("%Y-%m-%d", "%Y%m%d", "%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True)
class ValueFormats:
    """How values are written.

    Parameters
    ----------
    zone : str
        Time zone of instants that have none.
    encoding : str
        Of CSV, TSV and JSON files, as Python names it.
    dates : tuple of str
        Forms of instants and dates beside ISO 8601, as strftime writes them.
    decimal_comma : bool
        Whether numbers have a comma before their decimals, and not a point.
    thousands : str, optional
        What stands between thousands.
    currencies : tuple of str
        Signs or codes that may stand before or behind an amount.
    missing : tuple of str
        Texts that mean a missing value, in columns of every type.
    """

    zone: str = "UTC"
    encoding: str = UTF8
    dates: tuple[str, ...] = ()
    decimal_comma: bool = False
    thousands: str | None = None
    currencies: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def stated(self) -> dict[str, Any]:
        """What was stated, without the zone, for the manifest."""
        plain = asdict(ValueFormats())
        return {
            name: value for name, value in asdict(self).items() if name != "zone" and value != plain[name]
        }


def checked_formats(formats: ValueFormats, connection: duckdb.DuckDBPyConnection) -> ValueFormats:
    """``formats``, if each can be read in one way only; its encoding by its standard name.

    Raises
    ------
    UsageError
    """
    for written in formats.dates:
        check_date_format(written, connection)
    check_formats_agree(formats.dates, connection)
    check_thousands(formats)
    for option, texts in (("--currency", formats.currencies), ("--null", formats.missing)):
        if any(not text.strip() for text in texts):
            raise UsageError(f"{option} is empty: an empty value is missing anyway")
    for text in formats.currencies:
        if re.search(r"[0-9.,+-]", text):
            raise UsageError(f"--currency {text!r} could be part of a number")
    fields = asdict(formats) | {
        "encoding": checked_encoding(formats.encoding),
        "missing": tuple(text.strip() for text in formats.missing),
        "currencies": tuple(text.strip() for text in formats.currencies),
    }
    return ValueFormats(**fields)


def checked_encoding(name: str) -> str:
    """The standard name of an encoding."""
    try:
        found = codecs.lookup(name)
        "".encode(found.name)  # refuses codecs of bytes, such as hex
    except LookupError:
        raise UsageError(
            f"there is no encoding {name!r}: give one that Python knows, such as windows-1252 or utf-16"
        ) from None
    return found.name


def check_thousands(formats: ValueFormats) -> None:
    if formats.thousands is None:
        return
    if formats.thousands not in THOUSANDS:
        raise UsageError(f"--thousands is one of {' '.join(map(repr, THOUSANDS))}, not {formats.thousands!r}")
    if formats.thousands == decimal_mark(formats):
        remedy = "give --thousands '.'" if formats.decimal_comma else "give --decimal-comma"
        raise UsageError(f"--thousands {formats.thousands!r} is also the mark of decimals: {remedy}")


def check_date_format(written: str, connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse a format that loses part of a date, or reads an ISO date as another day."""
    if "%Z" in written:
        raise UsageError(f"--date-format {written!r}: names of zones mean several; use %z, or --timezone")
    try:
        (back,) = read_back(connection, PROBE, written, written)
    except duckdb.Error:
        raise UsageError(
            f"--date-format {written!r} is no format: give one of strftime, such as %d.%m.%Y"
        ) from None
    truncated = connection.execute(
        "select " + ", ".join(f"date_trunc('{unit}', {PROBE})" for unit in UNITS)
    ).fetchall()[0]
    if back not in truncated:
        raise UsageError(
            f"--date-format {written!r} does not say the whole date: give year, month and day (%I with %p)"
        )
    for iso in ISO_FORMS:
        as_iso, read = (
            *read_back(connection, SWAPPED, iso, iso),
            *read_back(connection, SWAPPED, iso, written),
        )
        if read is not None and read != as_iso:
            raise UsageError(
                f"--date-format {written!r} reads {as_iso:%Y-%m-%d} as {read:%Y-%m-%d}, which ISO 8601 does "
                "not: write such dates in a mapping (churn map)"
            )


def check_formats_agree(dates: Sequence[str], connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse two formats that read one text as two days."""
    for first in dates:
        for second in dates:
            own, other = (
                *read_back(connection, SWAPPED, first, first),
                *read_back(connection, SWAPPED, first, second),
            )
            if other is not None and other.date() != own.date():
                raise UsageError(
                    f"--date-format {first!r} and {second!r} read one text as two days: load the tables "
                    "one after the other with --append, or write a mapping (churn map)"
                )


def read_back(
    connection: duckdb.DuckDBPyConnection, instant: str, written: str, read: str
) -> tuple[Any, ...]:
    """``instant`` written by one format and read by another; null if it cannot be."""
    text = f"strftime({zoned_if(written, instant)}, {literal(written)})"
    query = f"select {parsed(text, read)}"
    return tuple(connection.execute(query).fetchall()[0])


def zoned_if(written: str, instant: str) -> str:
    return f"timezone('UTC', {instant})" if "%z" in written else instant


def parsed(text: str, written: str) -> str:
    """The SQL that reads ``text`` by one format, in UTC where it has an offset; null if it cannot be read."""
    # Without a figure DuckDB reads 'epoch' and 'infinity' by any format.
    value = f"try_strptime(case when regexp_matches({text}, '[0-9]') then {text} end, {literal(written)})"
    return f"timezone('UTC', {value})" if "%z" in written else value


def decimal_mark(formats: ValueFormats) -> str:
    return "," if formats.decimal_comma else "."


def has_stated_numbers(formats: ValueFormats) -> bool:
    return bool(formats.decimal_comma or formats.thousands or formats.currencies)


def stated_number(text: str, formats: ValueFormats, is_amount: bool) -> str:
    """The SQL that rewrites a text of the stated form as a plain number; null if it has another form.

    Parameters
    ----------
    text : str
        SQL of a text without blanks around it.
    formats : ValueFormats
    is_amount : bool
        Whether a currency may stand beside the number.
    """
    mark = re.escape(decimal_mark(formats))
    whole = "[0-9]+"
    between = BLANKS if formats.thousands == " " else re.escape(formats.thousands or "")
    if formats.thousands:
        whole = rf"(?:[0-9]{{1,3}}(?:{between}[0-9]{{3}})+|[0-9]+)"
    before = behind = ""
    if is_amount and formats.currencies:
        unit = f"(?:{'|'.join(map(re.escape, formats.currencies))})"
        before, behind = rf"(?:{unit}{BLANKS}?)?", rf"(?:{BLANKS}?{unit})?"
    number = rf"((?:{whole}(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    pattern = literal(rf"^([+-]?){before}([+-]?){number}{behind}$")
    parts = f"regexp_extract({text}, {pattern}, ['sign', 'inner', 'number'])"
    plain = f"{parts}.number"
    if formats.thousands:
        plain = f"regexp_replace({plain}, {literal(between)}, '', 'g')"
    if formats.decimal_comma:
        plain = f"replace({plain}, ',', '.')"
    one_sign = f"length({parts}.sign || {parts}.inner) < 2"
    return (
        f"case when regexp_matches({text}, {pattern}) and {one_sign} "
        f"then {parts}.sign || {parts}.inner || {plain} end"
    )
