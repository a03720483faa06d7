"""A plot: lines, bands, dots and columns over two axes.

The shapes are one SVG, stretched to the width of its column; texts stay beside it, so that they are as large
on a phone as on a desk.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike

from ml.page.axes import Axis
from ml.page.bars import EMPTY, figure

DISTANCE_MIN = 0.15  # percent: closer points could not be told apart on a screen
SQUARE = "min(26rem, 82vw)"  # the height of a plot whose two axes have the same unit
EDGE_PERCENT = 4  # percent from either end, within which a tick's text is kept inside the plot
CANVAS = Markup(
    '<div class="canvas" style="--left:{left}ch;--height:{height}"><div class="yticks">{yticks}</div>'
    '<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="{alt}">{shapes}</svg>'
    '<div class="xticks">{xticks}</div><div class="xlabel">{xlabel}</div></div>'
)


@dataclass(frozen=True)
class Line:
    """Points joined by straight lines; NaN breaks it. No label, no key."""

    x: ArrayLike
    y: ArrayLike
    tone: str = "a"
    label: str = ""
    dashed: bool = False
    thin: bool = False

    @classmethod
    def outline(cls, edges: ArrayLike, heights: ArrayLike, tone: str, label: str = "") -> "Line":
        """The outline of a histogram."""
        return cls(np.repeat(edges, 2), np.concatenate([[0.0], np.repeat(heights, 2), [0.0]]), tone, label)

    @property
    def key(self) -> str:
        return "dashed" if self.dashed else "line"

    def draw(self, x: Axis, y: Axis) -> Markup:
        across, up = np.asarray(self.x, float), np.asarray(self.y, float)
        style = self.tone + (" thin" if self.thin else "") + (" dashed" if self.dashed else "")
        return EMPTY.join(
            Markup('<path class="trace {}" d="{}"/>').format(style, path(piece, x, y))
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
        known = np.isfinite(low) & np.isfinite(high)
        if known.sum() < 2:
            return EMPTY
        around = np.append(across[known], across[known][::-1]), np.append(high[known], low[known][::-1])
        return Markup('<path class="band {}" d="{}Z"/>').format(
            self.tone, path(np.column_stack(around), x, y)
        )


@dataclass(frozen=True)
class Dots:
    """A dot each, with a whisker where ``low`` and ``high`` are given, and a tooltip."""

    x: ArrayLike
    y: ArrayLike
    tone: str = "a"
    label: str = ""
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    tooltips: Sequence[str] = ()
    key: str = field(default="dot", init=False)

    def draw(self, x: Axis, y: Axis) -> Markup:
        across, up = np.asarray(self.x, float), np.asarray(self.y, float)
        low = up if self.low is None else np.asarray(self.low, float)
        high = up if self.high is None else np.asarray(self.high, float)
        tooltips = self.tooltips or [""] * len(across)
        return EMPTY.join(
            Markup(
                '<g class="{}"><path class="whisker" d="M{:.2f} {:.2f}V{:.2f}"/>'
                '<path class="mark" d="M{:.2f} {:.2f}h0">'
                "<title>{}</title></path></g>"
            ).format(
                self.tone,
                x.place(across[number]),
                100 - y.place(low[number]),
                100 - y.place(high[number]),
                x.place(across[number]),
                100 - y.place(up[number]),
                tooltips[number],
            )
            for number in range(len(across))
            if np.isfinite(up[number])
        )


@dataclass(frozen=True)
class Columns:
    """Columns from the bottom, from ``edges[i]`` to ``edges[i + 1]``, each with a tooltip."""

    edges: ArrayLike
    heights: ArrayLike
    tone: str = "a"
    label: str = ""
    tooltips: Sequence[str] = ()
    pale: bool = False
    key: str = field(default="area", init=False)

    def draw(self, x: Axis, y: Axis) -> Markup:
        edges, heights = np.asarray(self.edges, float), np.asarray(self.heights, float)
        tooltips = self.tooltips or [""] * len(heights)
        return EMPTY.join(
            Markup(
                '<rect class="column {}{}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}">'
                "<title>{}</title></rect>"
            ).format(
                self.tone,
                " area" if self.pale else "",
                x.place(edges[number]),
                100 - y.place(height),
                x.place(edges[number + 1]) - x.place(edges[number]),
                y.place(height) - y.place(0),
                tooltip,
            )
            for number, (height, tooltip) in enumerate(zip(heights, tooltips, strict=True))
            if height > 0
        )


@dataclass(frozen=True)
class Across:
    """A dashed line at one value: upright at ``x``, or level at ``y``."""

    x: float | None = None
    y: float = 0.0
    tone: str = "ink"
    label: str = ""
    key: str = field(default="dashed", init=False)

    def draw(self, x: Axis, y: Axis) -> Markup:
        level = f"M0 {100 - y.place(self.y):.2f}H100"
        way = level if self.x is None else f"M{x.place(self.x):.2f} 0V100"
        return Markup('<path class="trace thin dashed {}" d="{}"/>').format(self.tone, way)


Shape = Line | Band | Dots | Columns | Across


def whiskered(
    x: ArrayLike,
    value: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    tone: str = "a",
    label: str = "",
    tooltips: Sequence[str] = (),
) -> list[Shape]:
    """Values with their intervals, joined by a thin line; NaN where there is none."""
    return [Line(x, value, tone, thin=True), Dots(x, value, tone, label, low, high, tooltips)]


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
    """A figure with its title and note, its keys and its axes.

    Parameters
    ----------
    keys : sequence of (tone, kind, label), optional
        Beyond those that the shapes' own labels make; see ``legend``.
    """
    labelled = [(shape.tone, shape.key, shape.label) for shape in shapes if shape.label]
    caption = Markup("<b>{}</b>{}").format(title, f" {note}" if note else "") if title else EMPTY
    inside = legend([*labelled, *keys])
    if y.label:
        inside += Markup('<div class="ylabel">↑ {}</div>').format(y.label)
    return figure(caption, inside + canvas(title, shapes, x, y, SQUARE if square else f"{height}rem"))


def legend(keys: Sequence[tuple[str, str, str]]) -> Markup:
    """What the colours mean: tone, kind (line, dashed, solid, area or dot) and label of each."""
    entry = Markup('<span class="{}"><i class="{}"></i>{}</span>')
    entries = EMPTY.join(entry.format(tone, kind, label) for tone, kind, label in keys)
    return Markup('<div class="keys">{}</div>').format(entries) if entries else EMPTY


def canvas(title: str, shapes: Sequence[Shape], x: Axis, y: Axis, height: str) -> Markup:
    """The shapes, the grid lines behind them, and the ticks beside them."""
    grid = EMPTY.join(
        Markup('<path class="grid-line" d="M0 {0:.2f}H100"/>').format(100 - y.place(value))
        for value in {y.low, *(value for value, _ in y.ticks)}
    )
    return CANVAS.format(
        left=max([len(text) + 0.5 for _, text in y.ticks], default=0),
        height=height,
        yticks=EMPTY.join(
            Markup('<span style="bottom:{:.2f}%">{}</span>').format(y.place(value), text)
            for value, text in y.ticks
        ),
        alt=title,
        shapes=grid + EMPTY.join(shape.draw(x, y) for shape in shapes),
        xticks=EMPTY.join(x_tick(x.place(value), text) for value, text in x.ticks),
        xlabel=f"{x.label} →" if x.label else "",
    )


def x_tick(position: float, text: str) -> Markup:
    """One tick, kept inside the plot."""
    edge = (
        ' class="first"'
        if position < EDGE_PERCENT
        else ' class="last"'
        if position > 100 - EDGE_PERCENT
        else ""
    )
    return Markup('<span{} style="left:{:.2f}%">{}</span>').format(Markup(edge), position, text)


def pieces(across: np.ndarray, up: np.ndarray) -> list[np.ndarray]:
    """The stretches of points without NaN, each of shape (points, 2)."""
    known = np.isfinite(across) & np.isfinite(up)
    breaks = np.flatnonzero(np.diff(known.astype(int))) + 1
    stretches = zip(np.split(np.column_stack([across, up]), breaks), np.split(known, breaks), strict=True)
    return [piece for piece, is_known in stretches if is_known.any()]


def path(points: np.ndarray, x: Axis, y: Axis) -> str:
    """The SVG path through the distinguishable points."""
    positions = np.array([(x.place(across), 100 - y.place(up)) for across, up in points])
    return "M" + "L".join(f"{across:.2f} {up:.2f}" for across, up in thin_out(positions))


def thin_out(candidates: np.ndarray) -> np.ndarray:
    """Points at least ``DISTANCE_MIN`` apart, and the last one."""
    points = [candidates[0]]
    for point in candidates[1:-1]:
        if np.abs(point - points[-1]).max() >= DISTANCE_MIN:
            points.append(point)
    return np.array([*points, candidates[-1]] if len(candidates) > 1 else points)
