"""Pictures of one value below the other, as inline SVG; labels and numbers stay text, for a phone to show.

A picture is stretched to the width of its column: positions are in percent, strokes keep their thickness.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

EMPTY = Markup("")
BOX = Markup('<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{inside}</svg>')
ROW = Markup('<div class="row"><span>{label}</span>{box}<span class="value">{text}</span></div>')
ROWS = Markup('<div style="--value:{width}ch">{rows}</div>')
FIGURE = Markup("<figure><figcaption>{caption}</figcaption>{inside}</figure>")
RECTANGLE = Markup('<rect class="{}" x="{:.3f}" y="0" width="{:.3f}" height="10"/>')
TEXT_WIDTH_MIN = 6  # characters beside the pictures, so that short numbers leave them equally wide
OPACITY_MIN = 0.005  # what rounds to 0.00 is not drawn


@dataclass(frozen=True)
class Bar:
    """A value, the text beside it, and its class in the style: bar or marked."""

    label: str | Markup
    value: float
    text: str
    style: str = "bar"


@dataclass(frozen=True)
class Interval:
    """A value with its interval, the text beside it, and a colour of the style."""

    label: str | Markup
    value: float
    low: float
    high: float
    text: str
    tone: str = "a"

    @classmethod
    def of(cls, label: str | Markup, interval: Mapping[str, float], text: str, tone: str = "a") -> "Interval":
        """From an interval as evidence keeps it: ``{"value", "low", "high"}``."""
        return cls(label, interval["value"], interval["low"], interval["high"], text, tone)


def figure(caption: str | Markup, inside: Markup) -> Markup:
    """A picture with what it shows."""
    return FIGURE.format(caption=caption, inside=inside)


def breakable(name: str) -> Markup:
    """A long name that breaks, if at all, after an underscore."""
    return Markup("_<wbr>").join(escape(part) for part in name.split("_"))


def row(label: str | Markup, shapes: Markup, text: str) -> Markup:
    """One row: what it is, its picture, its number."""
    return ROW.format(label=label, box=BOX.format(inside=rectangle(0, 100, "ground") + shapes), text=text)


def aligned(rows: Sequence[Markup], texts: Sequence[str]) -> Markup:
    """Rows whose pictures end at one position, however long the texts beside them are."""
    width = max([TEXT_WIDTH_MIN, *(len(text) + 1 for text in texts)])
    return ROWS.format(width=width, rows=EMPTY.join(rows)) if rows else EMPTY


def rectangle(start: float, width: float, style: str) -> Markup:
    """A rectangle of a row's height, in percent of its width."""
    return RECTANGLE.format(style, start, max(width, 0))


def vertical(position: float) -> Markup:
    """A dashed line, kept inside the picture."""
    return Markup('<line class="limit" x1="{0:.3f}" y1="0" x2="{0:.3f}" y2="10"/>').format(
        min(max(position, 0.3), 99.7)
    )


def bar_rows(
    bars: Sequence[Bar],
    start: float = 0.0,
    limit: float | None = None,
    end: float | None = None,
) -> Markup:
    """Bars from ``start`` to ``end`` (by default the longest one), with a dashed line at ``limit``."""
    most = max([start, limit or start, end or start, *(bar.value for bar in bars)])
    scale = 100 / (most - start or 1.0)
    line = vertical((limit - start) * scale) if limit is not None else EMPTY
    rows = [
        row(bar.label, rectangle(0, (bar.value - start) * scale, bar.style) + line, bar.text) for bar in bars
    ]
    return aligned(rows, [bar.text for bar in bars])


def interval_rows(intervals: Sequence[Interval], limit: float | None = None) -> Markup:
    """Dots with whiskers on one scale that holds them all, and a dashed line at ``limit``."""
    ends = [end for interval in intervals for end in (interval.low, interval.high)]
    ends += [] if limit is None else [limit]
    first, last = min(ends), max(ends)
    margin = 0.04 * (last - first) or 1.0
    scale = 100 / (last - first + 2 * margin)
    line = EMPTY if limit is None else vertical((limit - first + margin) * scale)

    def drawn(interval: Interval) -> Markup:
        low, value, high = (
            (end - first + margin) * scale for end in (interval.low, interval.value, interval.high)
        )
        return Markup(
            '<g class="{}"><line class="whisker" x1="{:.3f}" y1="5" x2="{:.3f}" y2="5"/>'
            '<path class="mark" d="M{:.3f} 5h0"/></g>'
        ).format(interval.tone, low, high, value)

    rows = [row(interval.label, line + drawn(interval), interval.text) for interval in intervals]
    return aligned(rows, [interval.text for interval in intervals])


def diverging_rows(bars: Sequence[Bar], most: float) -> Markup:
    """Bars to the right for positive values, to the left for negative ones; ``most`` reaches the edge."""
    scale = 50 / (most or 1.0)
    middle = Markup('<line class="middle" x1="50" y1="0" x2="50" y2="10"/>')
    rows = []
    for bar in bars:
        start, tone = (50.0, "b") if bar.value >= 0 else (50 + bar.value * scale, "a")
        shape = rectangle(start, abs(bar.value) * scale, f"tinted {tone}")
        rows.append(row(bar.label, shape + middle, bar.text))
    return aligned(rows, [bar.text for bar in bars])


def split_row(label: str | Markup, shares: Sequence[tuple[float, str]], text: str) -> Markup:
    """One row cut into shares of its whole, each with its colour."""
    shapes, start = EMPTY, 0.0
    for share, tone in shares:
        shapes += rectangle(start, 100 * share, f"tinted {tone}")
        start += 100 * share
    return row(label, shapes, text)


def strip(label: str | Markup, cells: Sequence[tuple[float, str, str]]) -> Markup:
    """A slim row of cells of equal width: opacity from 0 to 1, the class of its colour, its tooltip."""
    width = 100 / max(len(cells), 1)
    shapes = EMPTY.join(
        Markup(
            '<rect class="tinted {}" x="{:.3f}" y="0" width="{:.3f}" height="10" opacity="{:.2f}">'
            "<title>{}</title></rect>"
        ).format(tone, number * width, width, opacity, tooltip)
        for number, (opacity, tone, tooltip) in enumerate(cells)
        if opacity >= OPACITY_MIN
    )
    box = BOX.format(inside=rectangle(0, 100, "ground") + shapes)
    return Markup('<div class="row slim"><span>{}</span>{}</div>').format(escape(label), box)
