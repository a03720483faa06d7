"""Pictures of findings as HTML with inline SVG; labels and numbers stay text, for a phone to show."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

from ml.instants import parse_instant

BOX = '<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{inside}</svg>'
ROW = '<div class="row"><span>{label}</span>{box}<span class="value">{value}</span></div>'
POINT = 0.8
SHOWN = 12


def draw(picture: Mapping[str, Any]) -> str:
    """A picture as ``pictures`` describes it, in plain values."""
    rows, line = {"bars": bars, "timeline": timeline}[picture["kind"]](picture)
    caption = escape(picture["title"]) + (f"; dashed: {escape(line)}" if line else "")
    return f"<figure><figcaption>{caption}</figcaption>{''.join(rows)}</figure>"


def bars(picture: Mapping[str, Any]) -> tuple[list[str], str]:
    """Rows of bars, and what the dashed line is."""
    start, limit = picture["start"], picture["limit"]
    most = max([start, limit or start, *(bar["value"] for bar in picture["bars"])])
    span = most - start or 1.0
    line = vertical(100 * (limit - start) / span) if limit is not None else ""
    rows = [
        row(
            bar["label"],
            rectangle(0, 100 * (bar["value"] - start) / span, "marked" if bar["marked"] else "bar") + line,
            number(bar["value"]),
        )
        for bar in picture["bars"]
    ]
    return rows, f"the limit, {limit:g}" if limit is not None else ""


def timeline(picture: Mapping[str, Any]) -> tuple[list[str], str]:
    """Rows of spans, and what the dashed line is."""
    now = parse_instant(picture["now"])
    spans = picture["spans"]
    ends = [parse_instant(span[key]) for span in spans for key in ("first", "last", "until") if span[key]]
    first, last = min([now, *ends]), max([now, *ends])
    scale = 100 / ((last - first) / timedelta(days=1) or 1.0)

    def place(instant: str) -> float:
        return (parse_instant(instant) - first) / timedelta(days=1) * scale

    rows = []
    for span in spans:
        begins, stops = place(span["first"]), place(span["last"])
        shape = rectangle(begins, max(stops - begins, POINT), "marked" if span["marked"] else "bar")
        if span["until"]:
            shape += rectangle(stops, place(span["until"]) - stops, "faint")
        rows.append(row(span["label"], shape + vertical(place(picture["now"])), dates(span)))
    return rows, f"the data clock, {picture['now']}"


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


def row(label: str, shapes: str, value: str) -> str:
    """One row: what it is, its picture, its number."""
    box = BOX.format(inside=rectangle(0, 100, "ground") + shapes)
    return ROW.format(label=escape(label), box=box, value=escape(value))


def rectangle(begins: float, width: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{begins:.3f}" y="0" width="{max(width, 0):.3f}" height="10"/>'


def vertical(place: float) -> str:
    """A dashed line, kept inside the picture."""
    place = min(max(place, 0.3), 99.7)
    return f'<line class="limit" x1="{place:.3f}" y1="0" x2="{place:.3f}" y2="10"/>'


def number(value: float) -> str:
    """Counts with commas, measures with three digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def dates(span: Mapping[str, Any]) -> str:
    """First and last day of a span."""
    first, last = span["first"][:10], span["last"][:10]
    return first if first == last else f"{first} to {last}"
