r"""The one grammar of instants as text, for DuckDB and for Python.

``YYYY-MM-DD``, then perhaps ``T`` or a blank and ``HH:MM[:SS[.fraction]]``, then perhaps an offset: ``Z``,
``UTC``, ``+HH``, ``+HHMM`` or ``+HH:MM``, with or without one blank before it. ISO 8601's form without
separators, ``YYYYMMDD[THHMMSS[.fraction][offset]]``, says the same. Years are 1900 to 2200. No other zone has
a name here: three letters stand for several zones.
"""

import re
from datetime import datetime, timedelta

from ml.common.sql import literal

# The first and the last year an instant may have: beyond them lie placeholders and misread numbers.
FIRST_YEAR, LAST_YEAR = 1900, 2200
DAY = r"(?:(?:19|20|21)[0-9]{2}|2200)-[0-9]{2}-[0-9]{2}"
TIME = r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
# No zone has ever been further from UTC than 15:59 hours.
OFFSET = r" ?(?:Z|UTC|([+-])(0[0-9]|1[0-5])(?::?([0-5][0-9]))?)"
NAIVE = f"^{DAY}(?:{TIME})?$"
ZONED = f"^({DAY}{TIME}){OFFSET}$"
COMPACT_DAY = r"^([0-9]{4})([0-9]{2})([0-9]{2})$"
COMPACT = r"^([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})"
WRITTEN_OUT_DAY, WRITTEN_OUT = r"\1-\2-\3", r"\1-\2-\3T\4:\5:\6"
# What sets a sentence of this module apart from those of DuckDB.
NO_INSTANT = "no instant: "
EXAMPLE = "2024-03-01T12:00:00Z"

IS_OFFSET = re.compile(r"(?:UTC)?([+-])(0[0-9]|1[0-5])(?::?([0-5][0-9]))?")


def parse_text(text: str) -> datetime:
    """The instant that ``text`` says, in UTC without a zone; without an offset it is UTC.

    What is finer than a microsecond is cut off.

    Raises
    ------
    ValueError
        ``text`` is not in the grammar, or names a day that no calendar has.
    """
    written = re.sub(COMPACT, WRITTEN_OUT, re.sub(COMPACT_DAY, WRITTEN_OUT_DAY, text.strip(" ")))
    if re.fullmatch(NAIVE[:-1], written):
        return datetime.fromisoformat(written)
    parts = re.fullmatch(ZONED[:-1], written)
    if not parts:
        raise ValueError(f"{text!r} is not an instant: write ISO 8601, such as {EXAMPLE}")
    naive, sign, hours, minutes = parts.groups()
    return datetime.fromisoformat(naive) - offset_of(sign, hours, minutes)


def offset_of(sign: str | None, hours: str | None, minutes: str | None) -> timedelta:
    """How far a zone is ahead of UTC."""
    ahead = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return -ahead if sign == "-" else ahead


def parse_offset(zone: str) -> timedelta | None:
    """How far ahead of UTC a zone is that is given as an offset, such as ``+02:00``; None for a name."""
    parts = IS_OFFSET.fullmatch(zone)
    return offset_of(*parts.groups()) if parts else None


def instant_of_text(text: str, in_utc: str = "{naive}") -> str:
    """The SQL that reads ``text`` as a naive instant of UTC; null where it is no instant.

    Parameters
    ----------
    text : str
        SQL of a column of text.
    in_utc : str
        SQL that turns ``{naive}``, an instant without a zone, into UTC.
    """
    text = f"trim({text})"
    plain = in_utc.format(naive=f"try_cast({text} as timestamp)")
    return (
        f"case when {matches(text, NAIVE)} then {plain} when {matches(text, ZONED)} then {zoned(text)}"
        f" when {matches(text, '^[0-9]{8}')} then {compact(text, in_utc)} end"
    )


def compact(text: str, in_utc: str) -> str:
    """The SQL for text without separators, which are put in first."""
    written = replaced(replaced(text, COMPACT_DAY, WRITTEN_OUT_DAY), COMPACT, WRITTEN_OUT)
    plain = in_utc.format(naive=f"try_cast({written} as timestamp)")
    return (
        f"case when {matches(written, NAIVE)} then {plain}"
        f" when {matches(written, ZONED)} then {zoned(written)} end"
    )


def zoned(text: str) -> str:
    """The SQL for text with an offset, in UTC; ``Z`` and ``UTC`` are an offset of nothing.

    DuckDB reads most of it by itself, quickly, but no offset after a blank and none without seconds.
    """
    parts = f"regexp_extract({text}, {literal(ZONED)}, ['naive', 'sign', 'hours', 'minutes'])"
    ahead = "60 * coalesce(try_cast({0}.hours as bigint), 0) + coalesce(try_cast({0}.minutes as bigint), 0)"
    return (
        f"coalesce(timezone('UTC', try_cast({text} as timestamptz)), try_cast({parts}.naive as timestamp)"
        f" - to_minutes(if({parts}.sign = '-', -1, 1) * ({ahead.format(parts)})))"
    )


def matches(text: str, pattern: str) -> str:
    return f"regexp_matches({text}, {literal(pattern)})"


def replaced(text: str, pattern: str, by: str) -> str:
    return f"regexp_replace({text}, {literal(pattern)}, {literal(by)})"


def checked_instant(column: str, name: str) -> str:
    """The SQL that reads a column of text as instants, and stops with a sentence at one that is none."""
    before, after = (
        f"{NO_INSTANT}the column {name} holds '",
        f"', which is no instant: write ISO 8601, such as {EXAMPLE}",
    )
    said = f"{literal(before)} || {column} || {literal(after)}"
    return f"case when {column} is not null then coalesce({instant_of_text(column)}, error({said})) end"


def is_finer(text: str) -> str:
    """The SQL that ``text`` says more than microseconds, which ``instant_of_text`` cuts off."""
    return matches(text, r"\.[0-9]{6}[0-9]*[1-9]")


def sentence_of(error: Exception) -> str | None:
    """What ``checked_instant`` said, where it was that which stopped DuckDB."""
    _, found, said = str(error).partition(NO_INSTANT)
    return said.splitlines()[0] if found else None
