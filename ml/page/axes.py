"""Axes: the position of a value on a plot, in percent, and the ticks."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ml.page.number_text import compact

STEPS = (1, 2, 2.5, 5, 10, 20, 50)  # times a power of ten: distances between ticks that read well
MONTHS = (1, 2, 3, 6, 12, 24, 48)  # distances between the ticks of a calendar
DAYS_PER_MONTH = 30.4
TICKS_MAX = 5  # as many texts fit on a phone
EPSILON = 1e-9  # an end that misses a tick by no more than rounding stands on it
# An end moves out to the next tick if that is at most half a step away, else by a twentieth of the span.
NEAR_SHARE, MARGIN = 0.5, 0.05


@dataclass(frozen=True)
class Axis:
    """From ``low`` to ``high``; a tick is a value and its text."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = ()
    label: str = ""

    def place(self, value: float) -> float:
        """The position of a value in percent from the low end; a value outside stands at the edge."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return 100 * min(max(share, 0.0), 1.0)


def linear(
    values: Sequence[float],
    label: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    tick_text: Callable[[float], str] = compact,
    whole: bool = False,
) -> Axis:
    """An axis that holds all finite ``values``, with round ticks; ``low`` and ``high`` fix its ends.

    Parameters
    ----------
    whole : bool
        Ticks at whole numbers only.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    start, end = (min(finite) if low is None else low), (max(finite) if high is None else high)
    if end <= start:
        start, end = (start, start + 1.0) if low is not None else (start - 0.5, start + 0.5)
    step = round_step(end - start)
    step = math.ceil(step) if whole else step
    span = end - start
    start = start if low is not None else move_out(start, -step, span)
    end = end if high is not None else move_out(end, step, span)
    first, last = math.ceil(start / step - EPSILON), math.floor(end / step + EPSILON)
    ticks = tuple((number * step, tick_text(number * step)) for number in range(first, last + 1))
    return Axis(start, end, ticks, label)


def move_out(end: float, step: float, span: float) -> float:
    """An end moved out to the next tick, or by a margin if that is far; a negative step moves down."""
    tick = math.ceil(end / step - EPSILON) * step + 0.0
    return tick if abs(tick - end) <= NEAR_SHARE * abs(step) else end + math.copysign(MARGIN * span, step)


def round_step(span: float) -> float:
    """The smallest round step that makes at most ``MOST_TICKS`` of the span."""
    size = 10.0 ** math.floor(math.log10(span / TICKS_MAX))
    return next(size * step for step in STEPS if span / (size * step) <= TICKS_MAX)


def shares(label: str = "", *, high: float = 1.0) -> Axis:
    """From 0 to ``high``, in percent."""
    return linear([0, high], label, low=0.0, high=high, tick_text=lambda share: f"{100 * share:.3g} %")


def logarithmic(low: float, high: float, label: str = "") -> Axis:
    """Steps of log(1 + x) from ``low``, 0 or more, to ``high``; shapes give their values as log(1 + x)."""
    values = [value for value in (0.0, *(10.0**power for power in range(16))) if low <= value <= high]
    every = -(-len(values) // TICKS_MAX)
    ticks = tuple((math.log1p(value), compact(value)) for value in values[::every])
    return Axis(math.log1p(low), math.log1p(high), ticks, label)


def categories(names: Sequence[str], label: str = "", most: int = 6) -> Axis:
    """An axis of names at 0, 1, 2 and so on, of which at most ``most`` are written."""
    every = -(-len(names) // most)
    ticks = tuple((float(number), name) for number, name in enumerate(names) if number % every == 0)
    return Axis(-0.5, len(names) - 0.5, ticks, label)


def days_from(first: datetime, instant: datetime) -> float:
    """Days between two instants."""
    return (instant - first) / timedelta(days=1)


def calendar(instants: Sequence[datetime], *, margin: float = 0.0) -> Axis:
    """Days since the first of ``instants``, with ticks at the beginnings of months."""
    first, last = min(instants), max(instants)
    span = days_from(first, last) or 1.0
    every = next((months for months in MONTHS if span / (DAYS_PER_MONTH * months) <= TICKS_MAX), MONTHS[-1])
    ticks = []
    for month in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        start = datetime(month // 12, month % 12 + 1, 1)
        if month % every == 0 and first <= start <= last:
            ticks.append((days_from(first, start), f"{start:%Y-%m}"))
    return Axis(-margin, span + margin, tuple(ticks or [(0.0, f"{first:%Y-%m-%d}")]))
