"""Spans of time below each other: from a first to a last instant, and, more faintly, what comes after."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from markupsafe import Markup

from ml.common.instants import parse_instant
from ml.page.rows import NONE, rectangle, row, vertical

POINT = 0.8


def timeline(spans: Sequence[Mapping[str, Any]], now: str) -> Markup:
    """Rows of spans with a dashed line at ``now``.

    Parameters
    ----------
    spans : sequence of mapping
        label, first, last, until (or None), marked (whether it breaks a rule), and perhaps later, a pair: a
        faint span of its own. Instants are ISO 8601 text.
    """
    clock = parse_instant(now)
    ends = [parse_instant(instant) for span in spans for instant in instants_of(span)]
    first, last = min([clock, *ends]), max([clock, *ends])
    scale = 100 / ((last - first) / timedelta(days=1) or 1.0)

    def place(instant: str) -> float:
        return (parse_instant(instant) - first) / timedelta(days=1) * scale

    rows = []
    for span in spans:
        begins, stops = place(span["first"]), place(span["last"])
        shape = rectangle(begins, max(stops - begins, POINT), "marked" if span["marked"] else "bar")
        if span["until"]:
            shape += rectangle(stops, place(span["until"]) - stops, "faint")
        if later := span.get("later"):
            shape += rectangle(place(later[0]), max(place(later[1]) - place(later[0]), POINT), "faint")
        rows.append(row(span["label"], shape + vertical(place(now)), dates(span)))
    return NONE.join(rows)


def instants_of(span: Mapping[str, Any]) -> list[str]:
    """Every instant that must have room."""
    known = (span["first"], span["last"], span["until"], *(span.get("later") or ()))
    return [instant for instant in known if instant]


def dates(span: Mapping[str, Any]) -> str:
    """First and last day of a span."""
    first, last = span["first"][:10], span["last"][:10]
    return first if first == last else f"{first} to {last}"
