"""Hints for texts that could not be read: what they probably are, and what to write instead."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from ml.common.instant_grammar import FIRST_YEAR, LAST_YEAR
from ml.ingest.contract import Kind

INSTANTS = (Kind.INSTANT, Kind.DATE)
NUMBERS = (Kind.AMOUNT, Kind.WHOLE)
FLAGS = (Kind.FLAG,)
TYPED = (*INSTANTS, *NUMBERS, *FLAGS)
# Day 0 of spreadsheets, which take 1900 for a leap year.
SPREADSHEET_EPOCH = date(1899, 12, 30)
# Digits of an instant of this century, since 1970, in seconds and in finer units.
EPOCH_UNITS = {10: ("seconds", 1), 13: ("milliseconds", 10**3), 16: ("microseconds", 10**6)}
EPOCH_UNITS |= {19: ("nanoseconds", 10**9)}

Sentence = str | Callable[[re.Match[str]], str]


def serial(match: re.Match[str]) -> str:
    """The day of a spreadsheet's serial number."""
    day = SPREADSHEET_EPOCH + timedelta(days=int(match[1]))
    return f"a spreadsheet's number of a day ({day}): format the column as YYYY-MM-DD before it is exported"


def epoch(match: re.Match[str]) -> str:
    """The instant of a number since 1970."""
    unit, factor = EPOCH_UNITS[len(match[1])]
    instant = datetime.fromtimestamp(int(match[1]) // factor, UTC)
    return f"{unit} since 1970 ({instant:%Y-%m-%dT%H:%M:%SZ}): write ISO 8601"


NEVER = f"years are {FIRST_YEAR} to {LAST_YEAR}: where the date means never, leave the value empty"
DAY_FIRST = "which of the numbers is the day is not certain: give --date-format, such as %d.%m.%Y"
DASHES = "give --date-format, or write YYYY-MM-DD with two digits each"
TWELVE_HOURS = "give --date-format with %I and %p, or write the hours from 00 to 23"
ZONE_NAME = "names of zones are not read: write an offset such as +01:00, or convert to UTC"
COMMA_OF_SECONDS = "write fractions of a second after a point"
THOUSANDS = "give --thousands for what stands between them"
DECIMAL_COMMA = "give --decimal-comma, and --thousands for what stands between them"
NOT_UTF8 = "bytes that are no UTF-8: write the column as text in UTF-8"
TOO_LONG = "more than 15 digits: perhaps an identifier, or a placeholder to leave empty"
UNIT = "give the currency as --currency; other units do not belong there"

TOO_LARGE = "more than 14 digits before the point: perhaps an identifier, or a placeholder to leave empty"
MONTH_NAME = "give --date-format with %b or %B, such as '%d %b %Y'"
NOTHING = "if it means that nothing is known, give it as --null"

# A day of the grammar's form, a time, perhaps an offset, and then the name of a zone.
NAMED_ZONE = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(?: ?[+-][0-9:]{2,6})? ?"
    r"(?:[A-Za-z]{2,5}|\[?[A-Za-z_]+/[\w/]+\]?)"
)
MONTHS = r".*\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b.*"
HINTS: tuple[tuple[tuple[Kind, ...], str, Sentence], ...] = (
    (TYPED, r"[-–—.?*_]+|unknown|missing|void|empty|undefined|n\.a\.|not (?:available|set)", NOTHING),
    (INSTANTS, r"([1-9][0-9]{4})(?:[.,][0-9]+)?", serial),
    (INSTANTS, r"([1-9](?:[0-9]{9}|[0-9]{12}|[0-9]{15}|[0-9]{18}))(?:\.0*)?", epoch),
    (INSTANTS, r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]+,[0-9]+.*", COMMA_OF_SECONDS),
    (INSTANTS, r".*[0-9] ?[AaPp]\.?[Mm]\.?", TWELVE_HOURS),
    (INSTANTS, NAMED_ZONE, ZONE_NAME),
    (INSTANTS, MONTHS, MONTH_NAME),
    (INSTANTS, r"(?!19|20|21|2200)[0-9]{4}-[0-9]{2}-[0-9]{2}.*|0{8}|99991231", NEVER),
    (INSTANTS, r"[0-9]{1,2}[./-][0-9]{1,2}[./-](?:[0-9]{4}|[0-9]{2})(?:\D.*)?", DAY_FIRST),
    (INSTANTS, r"[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2}(?:\D.*)?", DASHES),
    ((Kind.WHOLE,), r"[+-]?[0-9]{16,}", TOO_LONG),
    ((Kind.AMOUNT,), r"[+-]?[0-9]{15,}(?:\.[0-9]*)?", TOO_LARGE),
    (NUMBERS, r"[+-]?[0-9]{1,3}(?:[,' ][0-9]{3})+(?:\.[0-9]*)?", THOUSANDS),
    (NUMBERS, r"[+-]?[0-9.' ]*,[0-9]+", DECIMAL_COMMA),
    (NUMBERS, r"[^0-9+-]{1,4}[+-]?[0-9][0-9., ]*|[+-]?[0-9][0-9., ]*[^0-9.,]{1,4}", UNIT),
    ((Kind.TEXT,), r".*\\x[0-9A-F]{2}.*", NOT_UTF8),
    (FLAGS, r".*", "write true or false"),
)


UNKNOWN, BEFORE, LATER = "unknown", "is before", "is later than this ingest"
# The zero dates of databases and of Unix, which mean no date.
ZEROS = re.compile(r"(?:1900|1970)-01-01(?:\D.*)?")
MEANS_NEVER = "a date that means never: leave the value empty"
MIDNIGHT = "a day alone is its first instant: give the time of day"
ZONE = "if instants are those of a zone ahead of UTC, give --timezone"


def hint_about(reason: str, kind: Kind, text: str) -> str | None:
    """The hint for ``text`` that was rejected for ``reason``; None if there is none."""
    if LATER in reason:
        return ZONE
    if reason.startswith(UNKNOWN) and re.fullmatch(r"[0-9]+\.0+", text):
        return f"a whole number that passed through a float: write {text.partition('.')[0]}"
    if BEFORE not in reason:
        return hint_for(kind, text)
    if ZEROS.fullmatch(text):
        return MEANS_NEVER
    return MIDNIGHT if re.fullmatch(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}(?:[T ]00:00(?::00)?)?", text) else None


def hint_for(kind: Kind, text: str) -> str | None:
    """The hint for ``text`` that is no value of ``kind``; None if there is none."""
    for kinds, pattern, sentence in HINTS:
        if kind in kinds and (match := re.fullmatch(pattern, text.strip(), re.IGNORECASE)):
            return sentence if isinstance(sentence, str) else sentence(match)
    return None
