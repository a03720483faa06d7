"""Plots of the evidence on the test part: reliability of the probabilities, and gain."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLORS = {True: "#1b5e8c", False: "#c27c2c"}
GREY = "#888888"


def draw_evidence(evidence: dict[str, Any], folder: Path) -> list[Path]:
    """Write ``reliability.png`` and ``gain.png`` into ``folder``; the champion beside the recency rule."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, draw in (("reliability", draw_reliability), ("gain", draw_gain)):
        figure = Figure(figsize=(6.4, 6), layout="constrained")
        draw(figure.subplots(), evidence, evidence["curves"][name])
        figure.savefig(folder / f"{name}.png", dpi=130, metadata={"Software": None})
        files.append(folder / f"{name}.png")
    return files


def draw_amounts(evidence: dict[str, Any], folder: Path) -> list[Path]:
    """Write ``tenths.png`` into ``folder``: mean prediction and amount of each tenth of the test rows."""
    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(6.4, 5), layout="constrained")
    axes = figure.subplots()
    places = np.arange(1, len(evidence["tenths"]) + 1)
    for name, color in (("predicted", COLORS[True]), ("amount", COLORS[False])):
        values = [row[name] for row in evidence["tenths"]]
        axes.plot(places, values, color=color, marker="o", label=name)
    axes.set_xlabel("tenth of the test rows, the highest predictions first")
    axes.set_ylabel("mean amount")
    axes.set_xticks(places)
    axes.legend()
    figure.savefig(folder / "tenths.png", dpi=130, metadata={"Software": None})
    return [folder / "tenths.png"]


def draw_reliability(axes: Axes, evidence: dict[str, Any], curves: dict[str, Any]) -> None:
    """Mean probability against churn rate in groups of equal size, with 95 % intervals by customer."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="perfect")
    for name in plotted_candidates(evidence):
        curve = {key: np.array(values) for key, values in curves[name].items()}
        below, above = curve["seen"] - curve["low"], curve["high"] - curve["seen"]
        error = np.clip([below, above], 0, None)
        axes.errorbar(
            curve["said"],
            curve["seen"],
            error,
            color=COLORS[name == evidence["champion"]],
            marker="o",
            capsize=2,
            label=name.replace("_", " "),
        )
    axes.set(xlabel="predicted churn probability", ylabel="share that churned", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"Reliability on {evidence['sample']['rows']:,} test rows")
    axes.legend(loc="upper left")
    axes.grid(alpha=0.2)


def draw_gain(axes: Axes, evidence: dict[str, Any], curves: dict[str, Any]) -> None:
    """Recall against share of customers flagged."""
    rate = evidence["test"]["base_rate"]
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="random list")
    axes.plot([0, rate, 1], [0, 1, 1], color=GREY, linewidth=1, linestyle=":", label="best possible")
    for name in plotted_candidates(evidence):
        curve, color = curves[name], COLORS[name == evidence["champion"]]
        axes.plot(curve["listed"], curve["found"], color=color, linewidth=2, label=name.replace("_", " "))
    axes.set(xlabel="share of customers listed", ylabel="share of churners found", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"Gain on {evidence['sample']['rows']:,} test rows, churn rate {rate:.0%}")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.2)


def plotted_candidates(evidence: dict[str, Any]) -> list[str]:
    """The champion, and the recency rule where that is another."""
    return list(dict.fromkeys((evidence["champion"], evidence["baseline"])))
