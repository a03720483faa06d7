"""docs/retrieval.png: seconds and memory of each peer, and how seconds grow."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.retrieval_figures import (
    ASKED_SERIES,
    HISTORY_SERIES,
    LONG,
    PEERS,
    Answered,
    middle,
    named,
    series,
)

GIB = 1024**3
SHORT = "short histories"
COLORS = dict(
    zip(
        PEERS,
        ("#1b5e8c", "#6fa8cf", "#c27c2c", "#e0b070", "#7fae6b", "#9b6fb0", "#444444", "#b8b8b8"),
        strict=True,
    )
)


def draw(results: dict[str, Any], path: Path) -> None:
    """Write the plot."""
    figure = Figure(figsize=(11, 8.6), layout="constrained")
    places = figure.subplots(2, 2)
    bars = [(LONG, "inner_seconds"), (SHORT, "inner_seconds")]
    for axes, (name, what) in zip(places[0], bars, strict=True):
        question = named(results, name)
        if question:
            draw_bars(axes, question, what)
    growths = [(ASKED_SERIES, "asked", "entity rows"), (HISTORY_SERIES, "rows", "feature rows")]
    for axes, (names, size, label) in zip(places[1], growths, strict=True):
        draw_growth(axes, results, names, size, label)
    figure.savefig(path, dpi=130, metadata={"Software": None})


def draw_bars(axes: Axes, question: Answered, what: str) -> None:
    """A bar a peer: seconds inside, with the peak memory written beside."""
    peers = [peer for peer in PEERS if peer in question["runs"]]
    values = [middle(question, peer, what) or 0 for peer in peers]
    memory = [(middle(question, peer, "peak_bytes") or 0) / GIB for peer in peers]
    bars = axes.barh(peers, values, color=[COLORS[peer] for peer in peers])
    labels = [f"{value:,.1f} s, {size:.1f} GiB" for value, size in zip(values, memory, strict=True)]
    axes.bar_label(bars, labels, padding=3, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("seconds from files to answer; peak memory of the process")
    axes.set_title(
        f"{question['name']}: {question['asked']:,} asked, {question['rows'] / 1e6:,.3g} million rows",
        fontsize=10,
    )
    axes.margins(x=0.35)
    axes.spines[["top", "right"]].set_visible(False)


def draw_growth(axes: Axes, results: dict[str, Any], names: tuple[str, ...], size: str, label: str) -> None:
    """A line a peer, both axes logarithmic."""
    for peer in PEERS:
        points = series(results, names, size, peer)
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", color=COLORS[peer], label=peer, linewidth=1.6)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(label)
    axes.set_ylabel("seconds from files to answer")
    axes.grid(visible=True, which="major", alpha=0.25)
    if axes.lines:
        axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
