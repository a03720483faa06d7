"""Pictures of one value below the other, as inline SVG; labels and numbers stay text, for a phone to show.

A picture is stretched to the width there is: places are in percent, strokes keep their thickness.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

BOX = Markup('<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{inside}</svg>')
ROW = Markup('<div class="row"><span>{label}</span>{box}<span class="value">{value}</span></div>')
FIGURE = Markup("<figure><figcaption>{caption}</figcaption>{inside}</figure>")
ROWS = Markup('<div style="--value:{width}ch">{rows}</div>')
NONE = Markup("")


Bar = tuple[str | Markup, float, str, str]


@dataclass(frozen=True)
class Interval:
    """A value, from where to where it may be, what is written beside it, and a colour of the style."""

    label: str | Markup
    value: float
    low: float
    high: float
    said: str
    tone: str = "a"


def row(label: str | Markup, shapes: Markup, value: str | Markup) -> Markup:
    """One row: what it is, its picture, its number."""
    return ROW.format(label=label, box=BOX.format(inside=rectangle(0, 100, "ground") + shapes), value=value)


def beside(rows: Markup, said: Sequence[str | Markup]) -> Markup:
    """Rows whose pictures end at one place, whatever stands beside them."""
    return ROWS.format(width=max([6, *(len(each) + 1 for each in said)]), rows=rows) if rows else rows


def name_of(name: str) -> Markup:
    """A long name that breaks, if at all, after an underscore."""
    return Markup("_<wbr>").join(escape(part) for part in name.split("_"))


def figure(caption: str | Markup, inside: Markup) -> Markup:
    """A picture with what it shows."""
    return FIGURE.format(caption=caption, inside=inside)


def rectangle(begins: float, width: float, kind: str) -> Markup:
    """From ``begins`` on, both in percent."""
    return Markup('<rect class="{}" x="{:.3f}" y="0" width="{:.3f}" height="10"/>').format(
        kind, begins, max(width, 0)
    )


def vertical(place: float) -> Markup:
    """A dashed line, kept inside the picture."""
    return Markup('<line class="limit" x1="{0:.3f}" y1="0" x2="{0:.3f}" y2="10"/>').format(
        min(max(place, 0.3), 99.7)
    )


def interval(low: float, value: float, high: float, tone: str) -> Markup:
    """A dot with whiskers, in percent."""
    return Markup(
        '<g class="{}"><line class="whisker" x1="{:.3f}" y1="5" x2="{:.3f}" y2="5"/>'
        '<path class="mark" d="M{:.3f} 5h0"/></g>'
    ).format(tone, low, high, value)


def bar_rows(
    bars: Sequence[Bar],
    start: float = 0.0,
    limit: float | None = None,
    end: float | None = None,
) -> Markup:
    """Bars from ``start`` to ``end``, each with label, value, what is written beside it, and its class."""
    most = max([start, limit or start, end or start, *(value for _, value, _, _ in bars)])
    scale = 100 / (most - start or 1.0)
    line = vertical((limit - start) * scale) if limit is not None else NONE
    rows = [
        row(label, rectangle(0, (value - start) * scale, kind) + line, said)
        for label, value, said, kind in bars
    ]
    return beside(NONE.join(rows), [said for _, _, said, _ in bars])


def interval_rows(intervals: Sequence[Interval], limit: float | None = None) -> Markup:
    """Dots with whiskers on one scale that holds them all, and ``limit``."""
    ends = [end for each in intervals for end in (each.low, each.high)] + ([] if limit is None else [limit])
    first, last = min(ends), max(ends)
    margin = 0.04 * (last - first) or 1.0
    scale = 100 / (last - first + 2 * margin)

    def drawn(each: Interval) -> Markup:
        places = [(value - first + margin) * scale for value in (each.low, each.value, each.high)]
        return row(each.label, line + interval(places[0], places[1], places[2], each.tone), each.said)

    line = NONE if limit is None else vertical((limit - first + margin) * scale)
    return beside(NONE.join(drawn(each) for each in intervals), [each.said for each in intervals])


def diverging_rows(bars: Sequence[tuple[str | Markup, float, str]], most: float) -> Markup:
    """Bars to the right for what adds, to the left for what takes; one of ``most`` reaches the edge."""
    scale = 50 / (most or 1.0)
    rows = [
        row(
            label,
            rectangle(
                50 if value >= 0 else 50 + value * scale,
                abs(value) * scale,
                f"tinted {'b' if value >= 0 else 'a'}",
            )
            + Markup('<line class="middle" x1="50" y1="0" x2="50" y2="10"/>'),
            said,
        )
        for label, value, said in bars
    ]
    return beside(NONE.join(rows), [said for _, _, said in bars])


def split_row(label: str | Markup, shares: Sequence[tuple[float, str]], said: str) -> Markup:
    """One row cut into shares of its whole, each with its colour."""
    shapes, begins = NONE, 0.0
    for share, tone in shares:
        shapes += rectangle(begins, 100 * share, f"tinted {tone}")
        begins += 100 * share
    return row(label, shapes, said)


def strip(label: str | Markup, shares: Sequence[tuple[float, str, str]]) -> Markup:
    """A slim row of cells of equal width: opacity from 0 to 1, the class of its colour, what it says."""
    width = 100 / max(len(shares), 1)
    cells = NONE.join(
        Markup(
            '<rect class="tinted {}" x="{:.3f}" y="0" width="{:.3f}" height="10" opacity="{:.2f}">'
            "<title>{}</title></rect>"
        ).format(tone, place * width, width, shade, said)
        for place, (shade, tone, said) in enumerate(shares)
        if shade >= 0.005
    )
    box = BOX.format(inside=rectangle(0, 100, "ground") + cells)
    return Markup('<div class="row slim"><span>{}</span>{}</div>').format(escape(label), box)
