r"""The grammar of instants as text, for DuckDB and for Python.

``YYYY-MM-DD``, then perhaps ``T`` or a blank and ``HH:MM[:SS[.fraction]]``, then perhaps an offset: ``Z``,
``UTC``, ``+HH``, ``+HHMM`` or ``+HH:MM``, with or without one blank before it. ISO 8601's form without
separators, ``YYYYMMDD[THHMMSS[.fraction][offset]]``, means the same. Years are 1900 to 2200. Names of other
zones are not read, because three letters mean several zones.
"""

import re
from datetime import datetime, timedelta

from ml.common.sql import literal

# The first and the last year of an instant; values beyond them are placeholders and misread numbers.
FIRST_YEAR, LAST_YEAR = 1900, 2200
DAY = r"(?:(?:19|20|21)[0-9]{2}|2200)-[0-9]{2}-[0-9]{2}"
TIME = r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
# No zone has ever been further from UTC than 15:59 hours.
OFFSET = r" ?(?:Z|UTC|([+-])(0[0-9]|1[0-5])(?::?([0-5][0-9]))?)"
NAIVE = f"^{DAY}(?:{TIME})?$"
ZONED = f"^({DAY}{TIME}){OFFSET}$"
COMPACT_DAY = r"^([0-9]{4})([0-9]{2})([0-9]{2})$"
COMPACT = r"^([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})"
ISO_DAY, ISO_TIME = r"\1-\2-\3", r"\1-\2-\3T\4:\5:\6"
# Marks the messages of this module among those of DuckDB.
NO_INSTANT = "no instant: "
EXAMPLE = "2024-03-01T12:00:00Z"

IS_OFFSET = re.compile(r"(?:UTC)?([+-])(0[0-9]|1[0-5])(?::?([0-5][0-9]))?")


def parse_text(text: str) -> datetime:
    """The instant of ``text``, in UTC without a zone; without an offset it is UTC.

    Fractions of a microsecond are cut off.

    Raises
    ------
    ValueError
        ``text`` is not in the grammar, or is no day of the calendar.
    """
    iso = re.sub(COMPACT, ISO_TIME, re.sub(COMPACT_DAY, ISO_DAY, text.strip(" ")))
    if re.fullmatch(NAIVE[:-1], iso):
        return datetime.fromisoformat(iso)
    parts = re.fullmatch(ZONED[:-1], iso)
    if not parts:
        raise ValueError(f"{text!r} is not an instant: write ISO 8601, such as {EXAMPLE}")
    naive, sign, hours, minutes = parts.groups()
    return datetime.fromisoformat(naive) - offset_of(sign, hours, minutes)


def offset_of(sign: str | None, hours: str | None, minutes: str | None) -> timedelta:
    """The offset of a zone from UTC."""
    ahead = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return -ahead if sign == "-" else ahead


def parse_offset(zone: str) -> timedelta | None:
    """The offset of a zone such as ``+02:00`` from UTC; None for a name."""
    parts = IS_OFFSET.fullmatch(zone)
    return offset_of(*parts.groups()) if parts else None


def instant_of_text(text: str, in_utc: str = "{naive}") -> str:
    """The SQL that reads ``text`` as a naive instant of UTC; null if it is no instant.

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
        f"case when {regexp_matches(text, NAIVE)} then {plain}"
        f" when {regexp_matches(text, ZONED)} then {zoned_sql(text)}"
        f" when {regexp_matches(text, '^[0-9]{8}')} then {compact_sql(text, in_utc)} end"
    )


def compact_sql(text: str, in_utc: str) -> str:
    """The SQL for text without separators, which are inserted first."""
    iso = regexp_replace(regexp_replace(text, COMPACT_DAY, ISO_DAY), COMPACT, ISO_TIME)
    plain = in_utc.format(naive=f"try_cast({iso} as timestamp)")
    return (
        f"case when {regexp_matches(iso, NAIVE)} then {plain}"
        f" when {regexp_matches(iso, ZONED)} then {zoned_sql(iso)} end"
    )


def zoned_sql(text: str) -> str:
    """The SQL for text with an offset, in UTC; ``Z`` and ``UTC`` are a zero offset.

    DuckDB's own cast is fast, but reads no offset without seconds.
    """
    parts = f"regexp_extract({text}, {literal(ZONED)}, ['naive', 'sign', 'hours', 'minutes'])"
    # After a blank DuckDB takes the offset for a zone, and searches all names: a millisecond a row.
    joined = regexp_replace(text, " ([+-])", r"\1")
    ahead = "60 * coalesce(try_cast({0}.hours as bigint), 0) + coalesce(try_cast({0}.minutes as bigint), 0)"
    return (
        f"coalesce(timezone('UTC', try_cast({joined} as timestamptz)), try_cast({parts}.naive as timestamp)"
        f" - to_minutes(if({parts}.sign = '-', -1, 1) * ({ahead.format(parts)})))"
    )


def regexp_matches(text: str, pattern: str) -> str:
    return f"regexp_matches({text}, {literal(pattern)})"


def regexp_replace(text: str, pattern: str, by: str) -> str:
    return f"regexp_replace({text}, {literal(pattern)}, {literal(by)})"


def checked_instant(column: str, name: str) -> str:
    """The SQL that reads a column of text as instants, and raises an error at any other text."""
    before, after = (
        f"{NO_INSTANT}the column {name} holds '",
        f"', which is no instant: write ISO 8601, such as {EXAMPLE}",
    )
    message = f"{literal(before)} || {column} || {literal(after)}"
    return f"case when {column} is not null then coalesce({instant_of_text(column)}, error({message})) end"


def is_finer(text: str) -> str:
    """The SQL condition that ``text`` has fractions of a microsecond, which ``instant_of_text`` cuts off."""
    return regexp_matches(text, r"\.[0-9]{6}[0-9]*[1-9]")


def sentence_of(error: Exception) -> str | None:
    """The message of ``checked_instant`` in an error of DuckDB; None if there is none."""
    _, mark, message = str(error).partition(NO_INSTANT)
    return message.splitlines()[0] if mark else None
