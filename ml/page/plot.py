"""A plot: lines, bands, dots and columns over two axes.

The shapes are one SVG, stretched to the width there is; what is written stays text beside it, so that it is
as large on a phone as on a desk.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike

from ml.page.axes import Axis
from ml.page.rows import FIGURE, NONE

FINEST = 0.15
SQUARE = "min(26rem, 82vw)"
CANVAS = Markup(
    '<div class="canvas" style="--left:{left}ch;--height:{height}"><div class="yticks">{yticks}</div>'
    '<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="{alt}">{shapes}</svg>'
    '<div class="xticks">{xticks}</div><div class="xlabel">{xlabel}</div></div>'
)
KEY = Markup('<span class="{tone}"><i class="{kind}"></i>{label}</span>')


@dataclass(frozen=True)
class Line:
    """Points joined by straight lines; NaN breaks it. No label, no key."""

    x: ArrayLike
    y: ArrayLike
    tone: str = "a"
    label: str = ""
    dashed: bool = False
    thin: bool = False
    key: str = field(default="line", init=False)

    def draw(self, x: Axis, y: Axis) -> Markup:
        across, up = np.asarray(self.x, float), np.asarray(self.y, float)
        kinds = "".join([" thin" if self.thin else "", " dashed" if self.dashed else ""])
        return NONE.join(
            Markup('<path class="trace {}{}" d="{}"/>').format(self.tone, kinds, path(piece, x, y))
            for piece in pieces(across, up)
        )


@dataclass(frozen=True)
class Band:
    """The area between ``low`` and ``high``."""

    x: ArrayLike
    low: ArrayLike
    high: ArrayLike
    tone: str = "a"
    label: str = ""
    key: str = field(default="area", init=False)

    def draw(self, x: Axis, y: Axis) -> Markup:
        across = np.asarray(self.x, float)
        low, high = np.asarray(self.low, float), np.asarray(self.high, float)
        there = np.isfinite(low) & np.isfinite(high)
        if there.sum() < 2:
            return NONE
        around = np.append(across[there], across[there][::-1]), np.append(high[there], low[there][::-1])
        return Markup('<path class="band {}" d="{}Z"/>').format(
            self.tone, path(np.column_stack(around), x, y)
        )


@dataclass(frozen=True)
class Dots:
    """A dot each, with a whisker where ``low`` and ``high`` are given, and what it says when pointed at."""

    x: ArrayLike
    y: ArrayLike
    tone: str = "a"
    label: str = ""
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    said: Sequence[str] = ()
    key: str = field(default="dot", init=False)

    def draw(self, x: Axis, y: Axis) -> Markup:
        across, up = np.asarray(self.x, float), np.asarray(self.y, float)
        low = up if self.low is None else np.asarray(self.low, float)
        high = up if self.high is None else np.asarray(self.high, float)
        said = self.said or [""] * len(across)
        return NONE.join(
            Markup(
                '<g class="{}"><path class="whisker" d="M{:.2f} {:.2f}V{:.2f}"/>'
                '<path class="mark" d="M{:.2f} {:.2f}h0">'
                "<title>{}</title></path></g>"
            ).format(
                self.tone,
                x.place(across[each]),
                100 - y.place(low[each]),
                100 - y.place(high[each]),
                x.place(across[each]),
                100 - y.place(up[each]),
                said[each],
            )
            for each in range(len(across))
            if np.isfinite(up[each])
        )


@dataclass(frozen=True)
class Columns:
    """Columns from the bottom, from ``edges[i]`` to ``edges[i + 1]``, and what each says when pointed at."""

    edges: ArrayLike
    heights: ArrayLike
    tone: str | Sequence[str] = "a"
    label: str = ""
    said: Sequence[str] = ()
    pale: bool = False
    key: str = field(default="area", init=False)

    def draw(self, x: Axis, y: Axis) -> Markup:
        edges, heights = np.asarray(self.edges, float), np.asarray(self.heights, float)
        tones = [self.tone] * len(heights) if isinstance(self.tone, str) else self.tone
        said = self.said or [""] * len(heights)
        return NONE.join(
            Markup(
                '<rect class="column {}{}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}">'
                "<title>{}</title></rect>"
            ).format(
                tone,
                " area" if self.pale else "",
                x.place(edges[place]),
                100 - y.place(height),
                x.place(edges[place + 1]) - x.place(edges[place]),
                y.place(height) - y.place(0),
                word,
            )
            for place, (height, tone, word) in enumerate(zip(heights, tones, said, strict=True))
            if height > 0
        )


@dataclass(frozen=True)
class Across:
    """A dashed line at one value: upright at ``x``, or level at ``y``."""

    x: float | None = None
    y: float | None = None
    tone: str = "ink"
    label: str = ""
    key: str = field(default="dashed", init=False)

    def draw(self, x: Axis, y: Axis) -> Markup:
        way = (
            f"M{x.place(self.x):.2f} 0V100"
            if self.x is not None
            else f"M0 {100 - y.place(self.y or 0):.2f}H100"
        )
        return Markup('<path class="trace thin dashed {}" d="{}"/>').format(self.tone, way)


Shape = Line | Band | Dots | Columns | Across


def plot(
    title: str,
    shapes: Sequence[Shape],
    x: Axis,
    y: Axis,
    *,
    note: str = "",
    square: bool = False,
    height: float = 13,
    keys: Sequence[tuple[str, str, str]] = (),
) -> Markup:
    """A figure with its title, what it says in a sentence, its keys and its axes.

    Parameters
    ----------
    keys : sequence of (tone, kind, label), optional
        Beyond those that the shapes' own labels make; see ``legend``.
    """
    labelled = [(tone_of(shape), kind_of(shape), shape.label) for shape in shapes if shape.label]
    caption = Markup("<b>{}</b>{}").format(title, f" {note}" if note else "") if title else NONE
    inside = legend([*labelled, *keys])
    if y.label:
        inside += Markup('<div class="ylabel">↑ {}</div>').format(y.label)
    return FIGURE.format(caption=caption, inside=inside + canvas(title, shapes, x, y, square, height))


def legend(keys: Sequence[tuple[str, str, str]]) -> Markup:
    """What the colours mean: tone, kind (line, dashed, solid, area or dot) and label of each."""
    said = NONE.join(KEY.format(tone=tone, kind=kind, label=label) for tone, kind, label in keys)
    return Markup('<div class="keys">{}</div>').format(said) if said else NONE


def canvas(title: str, shapes: Sequence[Shape], x: Axis, y: Axis, square: bool, height: float) -> Markup:
    """The shapes, the lines behind them, and the ticks beside them."""
    behind = NONE.join(
        Markup('<path class="grid-line" d="M0 {0:.2f}H100"/>').format(100 - y.place(value))
        for value in {y.low, *(value for value, _ in y.ticks)}
    )
    return CANVAS.format(
        left=max([len(text) + 0.5 for _, text in y.ticks], default=0),
        height=SQUARE if square else f"{height}rem",
        yticks=NONE.join(
            Markup('<span style="bottom:{:.2f}%">{}</span>').format(y.place(value), text)
            for value, text in y.ticks
        ),
        alt=title,
        shapes=behind + NONE.join(shape.draw(x, y) for shape in shapes),
        xticks=NONE.join(x_tick(x.place(value), text) for value, text in x.ticks),
        xlabel=f"{x.label} →" if x.label else "",
    )


def x_tick(place: float, text: str) -> Markup:
    """One tick, kept inside the plot."""
    edge = ' class="first"' if place < 4 else ' class="last"' if place > 96 else ""
    return Markup('<span{} style="left:{:.2f}%">{}</span>').format(Markup(edge), place, text)


def tone_of(shape: Shape) -> str:
    """The colour of a shape's key."""
    return shape.tone if isinstance(shape.tone, str) else shape.tone[0]


def kind_of(shape: Shape) -> str:
    """How a shape's key looks."""
    return "dashed" if isinstance(shape, Line) and shape.dashed else shape.key


def pieces(across: np.ndarray, up: np.ndarray) -> list[np.ndarray]:
    """The stretches of points without NaN, each of shape (points, 2)."""
    there = np.isfinite(across) & np.isfinite(up)
    points = np.column_stack([across, up])
    breaks = np.flatnonzero(np.diff(there.astype(int))) + 1
    return [
        piece
        for piece, known in zip(np.split(points, breaks), np.split(there, breaks), strict=True)
        if known.any()
    ]


def path(points: np.ndarray, x: Axis, y: Axis) -> str:
    """The way through points, without those that nobody could see."""
    places = np.array([(x.place(across), 100 - y.place(up)) for across, up in points])
    return "M" + "L".join(f"{across:.2f} {up:.2f}" for across, up in thinned(places))


def thinned(places: np.ndarray, finest: float = FINEST) -> np.ndarray:
    """Points at least so far from the one kept before; the last always."""
    kept = [places[0]]
    for place in places[1:-1]:
        if np.abs(place - kept[-1]).max() >= finest:
            kept.append(place)
    return np.array([*kept, places[-1]] if len(places) > 1 else kept)
