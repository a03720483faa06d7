"""Pictures of findings, as ``pictures`` describes them, drawn with what all pages share."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup

from ml.common.instants import parse_instant
from ml.page.rows import Bar, bar_rows, figure
from ml.page.spans import Span, timeline

SHOWN = 12


def draw(picture: Mapping[str, Any]) -> Markup:
    """A picture as ``pictures`` describes it, in plain values."""
    rows, line = {"bars": bars, "timeline": spans}[picture["kind"]](picture)
    return figure(picture["title"] + (f"; dashed: {line}" if line else ""), rows)


def bars(picture: Mapping[str, Any]) -> tuple[Markup, str]:
    """Rows of bars, and what the dashed line is."""
    limit = picture["limit"]
    rows = bar_rows(
        [
            Bar(bar["label"], bar["value"], number(bar["value"]), "marked" if bar["marked"] else "bar")
            for bar in picture["bars"]
        ],
        picture["start"],
        limit,
    )
    return rows, f"the limit, {limit:g}" if limit is not None else ""


def spans(picture: Mapping[str, Any]) -> tuple[Markup, str]:
    """Rows of spans, and what the dashed line is."""
    return timeline(
        [Span(**span) for span in picture["spans"]], picture["now"]
    ), f"the data clock, {picture['now']}"


def of_breaches(breaches: Sequence[Mapping[str, Any]], now: str) -> Mapping[str, Any] | None:
    """A timeline of the first case of each breach, for a finding without a picture; None without instants."""
    spans = [
        {
            "label": str(breach["example"].get("feature") or breach["example"].get("model") or "first case"),
            "first": instant,
            "last": instant,
            "until": None,
            "marked": True,
        }
        for breach in breaches[:SHOWN]
        if (instant := as_instant(breach["example"].get("instant")))
    ]
    title = "The first case of each breach"
    return {"kind": "timeline", "title": title, "spans": spans, "now": now} if spans else None


def as_instant(value: Any) -> str | None:
    """An instant as text; None for anything else."""
    if isinstance(value, datetime):
        return value.isoformat()
    try:
        return value if value and parse_instant(value) else None
    except (AttributeError, ValueError):
        return None


def number(value: float) -> str:
    """Counts with commas, measures with three digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
