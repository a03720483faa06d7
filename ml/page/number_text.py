"""Numbers as text, on pages and in reports."""

import math
from datetime import datetime
from typing import Any

NOTHING = "–"


def number(value: float | None, digits: int = 3) -> str:
    """Whole numbers with commas, others with about so many digits that matter.

    >>> [number(value) for value in (1234567, 1234.5, 12.3456, 99.96, 0.012345, None)]
    ['1,234,567', '1,234', '12.3', '100', '0.0123', '–']
    """
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(places, 9)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def compact(value: float) -> str:
    """A number for the tick of an axis: thousands as k, millions as M.

    >>> [compact(value) for value in (0, 0.25, 150, 1500, 20000, 3e6)]
    ['0', '0.25', '150', '1.5k', '20k', '3M']
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def percent(share: float | None, places: int = 1) -> str:
    """A share in percent.

    >>> [percent(0.1234), percent(0.5, 0), percent(None)]
    ['12.3 %', '50 %', '–']
    """
    return NOTHING if share is None or math.isnan(share) else f"{100 * share:.{places}f} %"


def decimals(value: float | None, places: int = 3) -> str:
    """A measure with fixed digits; what rounds to 0 has no sign.

    >>> [decimals(0.5), decimals(-0.0001), decimals(2, 0)]
    ['0.500', '0.000', '2']
    """
    return NOTHING if value is None or math.isnan(value) else f"{round(value, places) + 0.0:.{places}f}"


def day(instant: datetime | str) -> str:
    """The date of an instant."""
    return instant[:10] if isinstance(instant, str) else instant.date().isoformat()


def readable(name: str) -> str:
    """The name of a candidate or metric as words."""
    return name.replace("_", " ")


def plain(value: Any) -> Any:
    """A numpy number as Python's own, NaN as None, for JSON."""
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
