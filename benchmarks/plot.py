"""docs/benchmarks.png: seconds and memory of every step, and where the build's seconds go."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import STEPS, Shop, middle, parts

COLORS = ("#9bbcd6", "#1b5e8c", "#0b2e47")
PART_COLORS = ("#1b5e8c", "#6fa8cf", "#7fae6b", "#c27c2c", "#b8b8b8")
BARE_COLOR = "#444444"
GIB = 1024**3


def draw(results: dict[str, Any], path: Path) -> None:
    """Write the plot."""
    shops = results["shops"]
    figure = Figure(figsize=(11, 7.4), layout="constrained")
    places = figure.subplot_mosaic([["seconds", "memory"], ["parts", "parts"]], height_ratios=[1.4, 1])
    draw_steps(places["seconds"], shops, "seconds", 1, "seconds", "{:,.1f}")
    draw_steps(places["memory"], shops, "peak_bytes", GIB, "peak memory, GiB", "{:,.2f}")
    figure.legend(
        *places["seconds"].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False
    )
    draw_parts(places["parts"], shops)
    figure.savefig(path, dpi=130, metadata={"Software": None})


def draw_steps(axes: Axes, shops: list[Shop], what: str, unit: float, label: str, form: str) -> None:
    """A group of bars a step, a bar a size."""
    height = 0.8 / len(shops)
    for number, shop in enumerate(shops):
        values = [middle(shop, step, what) / unit for step in STEPS]
        rows = [row + height * (number - (len(shops) - 1) / 2) for row in range(len(STEPS))]
        bars = axes.barh(
            rows, values, height, color=COLORS[number % len(COLORS)], label=f"{shop['customers']:,} customers"
        )
        axes.bar_label(bars, [form.format(value) for value in values], padding=3, fontsize=9)
    axes.set_yticks(range(len(STEPS)), list(STEPS.values()))
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)


def draw_parts(axes: Axes, shops: list[Shop]) -> None:
    """The build's parts, and the baseline beside them, as shares of the build's seconds."""
    names: list[str] = []
    for shop in shops:
        own, whole = parts(shop), middle(shop, "build", "seconds")
        row, left = len(names), 0.0
        for (part, value), color in zip(own.items(), PART_COLORS, strict=True):
            label = part if shop is shops[0] else None
            axes.barh(row, value / whole, left=left, color=color, label=label)
            left += value / whole
        axes.barh(row + 1, middle(shop, "bare", "seconds") / whole, color=BARE_COLOR)
        names += [f"build, {shop['customers']:,}", f"bare DuckDB, {shop['customers']:,}"]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("share of the build's seconds")
    axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(PART_COLORS), frameon=False, fontsize=9
    )
    axes.spines[["top", "right"]].set_visible(False)
