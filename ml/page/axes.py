"""Axes: where a value stands on a plot, in percent, and what is written beside it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ml.page.figures import compact

STEPS = (1, 2, 2.5, 5, 10)
MONTHS = (1, 2, 3, 6, 12, 24, 48)
EPSILON = 1e-9
NEAR, MARGIN = 0.5, 0.05


@dataclass(frozen=True)
class Axis:
    """From ``low`` to ``high``; a tick is a value and its text."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    label: str = ""

    def place(self, value: float) -> float:
        """Where a value stands, in percent from the low end; what is outside stands at the edge."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return 100 * min(max(share, 0.0), 1.0)


def linear(
    values: Sequence[float],
    label: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    said: Callable[[float], str] = compact,
    most: int = 5,
    whole: bool = False,
) -> Axis:
    """An axis that holds all finite ``values``, with round ticks; ``low`` and ``high`` fix its ends.

    Parameters
    ----------
    whole : bool
        Ticks at whole numbers only.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    begins, ends = (min(finite) if low is None else low), (max(finite) if high is None else high)
    if ends <= begins:
        begins, ends = (begins, begins + 1.0) if low is not None else (begins - 0.5, begins + 0.5)
    step = step_of(ends - begins, most)
    step = math.ceil(step) if whole else step
    span = ends - begins
    begins = begins if low is not None else roomy(begins, -step, span)
    ends = ends if high is not None else roomy(ends, step, span)
    first, last = math.ceil(begins / step - EPSILON), math.floor(ends / step + EPSILON)
    ticks = tuple((place * step, said(place * step)) for place in range(first, last + 1))
    return Axis(begins, ends, ticks, label)


def roomy(end: float, step: float, span: float) -> float:
    """An end moved out to the next tick, or, where that is far, by a little; a negative step moves down."""
    tick = math.ceil(end / step - EPSILON) * step + 0.0
    return tick if abs(tick - end) <= NEAR * abs(step) else end + math.copysign(MARGIN * span, step)


def step_of(span: float, most: int) -> float:
    """The smallest round step that makes at most so many ticks."""
    size = 10.0 ** math.floor(math.log10(span / most))
    return next(size * step for step in (*STEPS, 20, 50) if span / (size * step) <= most)


def shares(label: str = "", *, high: float = 1.0, most: int = 5) -> Axis:
    """From nothing to ``high``, in percent."""
    return linear([0, high], label, low=0.0, high=high, said=lambda share: f"{100 * share:.3g} %", most=most)


def logarithmic(low: float, high: float, label: str = "") -> Axis:
    """Steps of log(1 + x), from ``low``, 0 or more, to ``high``; values are to be given as log(1 + x)."""
    powers = [10.0**power for power in range(0, 16)]
    ticks = [value for value in (0.0, *powers) if low <= value <= high]
    every = -(-len(ticks) // 5)
    return Axis(
        math.log1p(low),
        math.log1p(high),
        tuple((math.log1p(value), compact(value)) for value in ticks[::every]),
        label,
    )


def bare(low: float, high: float) -> Axis:
    """An axis without a word."""
    return Axis(low, high, ())


def days_from(first: datetime, instant: datetime) -> float:
    """Days between two instants."""
    return (instant - first) / timedelta(days=1)


def calendar(instants: Sequence[datetime], label: str = "", *, most: int = 5, margin: float = 0.0) -> Axis:
    """Days since the first of ``instants``, with ticks at the beginnings of months."""
    first, last = min(instants), max(instants)
    span = days_from(first, last) or 1.0
    months = next((step for step in MONTHS if span / (30.4 * step) <= most), MONTHS[-1])
    ticks = tuple(
        (days_from(first, begins), f"{begins:%Y-%m}") for begins in month_beginnings(first, last, months)
    )
    if not ticks:
        ticks = ((0.0, f"{first:%Y-%m-%d}"),)
    return Axis(-margin, span + margin, ticks, label)


def month_beginnings(first: datetime, last: datetime, step: int) -> list[datetime]:
    """The first days of every ``step``-th month from ``first`` to ``last``."""
    found = []
    for month in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        begins = datetime(month // 12, month % 12 + 1, 1)
        if month % step == 0 and first <= begins <= last:
            found.append(begins)
    return found
