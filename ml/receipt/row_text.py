"""How a receipt words values, instants and spans of time for people."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from ml.receipt.lines import Entry, Line

SECOND = timedelta(seconds=1)
UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def value_in_words(entry: Entry, value: Any) -> str:
    """A value of the entry's feature; money with its cents."""
    is_money = isinstance(value, Decimal) and entry.feature.meta.get("unit") == "money"
    return in_words(value, 2 if is_money else 0)


def in_words(value: Any, decimals: int = 0) -> str:
    """Any value: no needless zeros, at least so many decimals, null as null."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case datetime():
            return value.isoformat(sep=" ")
        case Decimal():
            whole, _, fraction = f"{value:,f}".partition(".")
            fraction = fraction.rstrip("0").ljust(decimals, "0")
            return f"{whole}.{fraction}" if fraction else whole
        case float():
            return f"{value:,.6g}"
        case int():
            return f"{value:,}"
    return str(value)


def instant_near(instant: datetime, asked: datetime) -> str:
    """An instant to the second, or to the microsecond where it is that close to the asked one."""
    timespec = "auto" if abs(instant - asked) < SECOND else "seconds"
    return instant.isoformat(sep=" ", timespec=timespec)


def span_in_words(time: timedelta) -> str:
    """A span of time in its largest unit; empty if there is none."""
    seconds = time / SECOND
    for unit, size in UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return "<1s" if seconds > 0 else ""


def place_in_words(line: Line, *, with_load: bool) -> str:
    """Where a line's row came from, and how often it was repeated."""
    if not line.places:
        return ""
    first, *copies = line.places
    repeated = f"\nand {len(copies)} {'copies' if copies[1:] else 'copy'}" if copies else ""
    ingest = f" of {first.load}" if with_load else ""
    return f"{first.file} {first.row}{ingest}{repeated}"
