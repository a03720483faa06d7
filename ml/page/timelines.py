"""Spans of time below each other: from a first to a last instant, and, more faintly, what comes after."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from markupsafe import Markup

from ml.common.instants import parse_instant
from ml.page.bars import EMPTY, rectangle, row, vertical

WIDTH_MIN = 0.8  # percent: a single instant stays visible


@dataclass(frozen=True)
class Span:
    """From a first to a last instant, as ISO 8601 text.

    Parameters
    ----------
    until : str, optional
        How far a fainter continuation reaches.
    marked : bool
        Whether it breaks a rule.
    later : (str, str), optional
        First and last instant of a faint span of its own.
    """

    label: str
    first: str
    last: str
    until: str | None = None
    marked: bool = False
    later: tuple[str, str] | None = None

    @property
    def instants(self) -> list[str]:
        """Every instant that must have room."""
        return [self.first, self.last, *([self.until] if self.until else []), *(self.later or ())]

    @property
    def days(self) -> str:
        """First and last day in words."""
        first, last = self.first[:10], self.last[:10]
        return first if first == last else f"{first} to {last}"


def timeline(spans: Sequence[Span], now: str) -> Markup:
    """Rows of spans with a dashed line at ``now``."""
    ends = [parse_instant(instant) for instant in (now, *(end for span in spans for end in span.instants))]
    scale = 100 / ((max(ends) - min(ends)) / timedelta(days=1) or 1.0)

    def place(instant: str) -> float:
        return (parse_instant(instant) - min(ends)) / timedelta(days=1) * scale

    def between(first: str, last: str, style: str) -> Markup:
        return rectangle(place(first), max(place(last) - place(first), WIDTH_MIN), style)

    rows = []
    for span in spans:
        shapes = between(span.first, span.last, "marked" if span.marked else "bar")
        if span.until:
            shapes += rectangle(place(span.last), place(span.until) - place(span.last), "faint")
        if span.later:
            shapes += between(*span.later, "faint")
        rows.append(row(span.label, shapes + vertical(place(now)), span.days))
    return EMPTY.join(rows)
