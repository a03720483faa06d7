"""Pictures of findings: plain numbers, and how they are drawn with what all pages share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from ml.audit.findings import Finding
from ml.common.instants import parse_instant
from ml.page import bars, timelines

BREACHES_MAX = 12


@dataclass(frozen=True)
class Bar:
    """One bar; ``marked`` if it breaks a rule."""

    label: str
    value: float
    marked: bool = False


@dataclass(frozen=True)
class Bars:
    """Values side by side, from ``start`` on; ``limit`` is a line that none should pass."""

    title: str
    bars: tuple[Bar, ...]
    start: float = 0.0
    limit: float | None = None
    kind: str = "bars"


@dataclass(frozen=True)
class Span:
    """From a first to a last instant, ISO 8601, and on, more faintly, to ``until``."""

    label: str
    first: str
    last: str
    until: str | None = None
    marked: bool = False


@dataclass(frozen=True)
class Timeline:
    """Spans one below the other; ``now`` is a line through all of them, the data clock."""

    title: str
    spans: tuple[Span, ...]
    now: str
    kind: str = "timeline"


@dataclass(frozen=True)
class PicturedFinding(Finding):
    """A finding with a picture."""

    picture: Bars | Timeline | None = None


def draw(picture: Mapping[str, Any]) -> Markup:
    """Draw ``Bars`` or a ``Timeline``, given as plain values."""
    drawn, line = {"bars": draw_bars, "timeline": draw_spans}[picture["kind"]](picture)
    return bars.figure(picture["title"] + (f"; dashed: {line}" if line else ""), drawn)


def draw_bars(picture: Mapping[str, Any]) -> tuple[Markup, str]:
    """Rows of bars, and what the dashed line is; counts with commas, measures with three digits."""
    limit = picture["limit"]
    drawn = []
    for bar in picture["bars"]:
        value = bar["value"]
        text = f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
        drawn.append(bars.Bar(bar["label"], value, text, "marked" if bar["marked"] else "bar"))
    line = f"the limit, {limit:g}" if limit is not None else ""
    return bars.bar_rows(drawn, picture["start"], limit), line


def draw_spans(picture: Mapping[str, Any]) -> tuple[Markup, str]:
    """Rows of spans, and what the dashed line is."""
    drawn = timelines.timeline([timelines.Span(**span) for span in picture["spans"]], picture["now"])
    return drawn, f"the data clock, {picture['now']}"


def picture_of_breaches(breaches: Sequence[Mapping[str, Any]], now: str) -> Mapping[str, Any] | None:
    """A timeline of the first case of each breach, for a finding without a picture; None without instants."""
    cases = [
        {
            "label": str(breach["example"].get("feature") or breach["example"].get("model") or "first case"),
            "first": instant,
            "last": instant,
            "until": None,
            "marked": True,
        }
        for breach in breaches[:BREACHES_MAX]
        if (instant := as_instant(breach["example"].get("instant")))
    ]
    title = "The first case of each breach"
    return {"kind": "timeline", "title": title, "spans": cases, "now": now} if cases else None


def as_instant(value: Any) -> str | None:
    """An instant as text; None for anything else."""
    if isinstance(value, datetime):
        return value.isoformat()
    try:
        return value if value and parse_instant(value) else None
    except (AttributeError, ValueError):
        return None
