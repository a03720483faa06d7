"""Pictures of the test evidence: are probabilities true, and how many churners does a list hold."""

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


def draw_reliability(axes: Axes, evidence: dict[str, Any], curves: dict[str, Any]) -> None:
    """Mean probability against churn rate in groups of equal size, with 95 % intervals by customer."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="perfect")
    for name in shown(evidence):
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
            label=readable(name),
        )
    axes.set(xlabel="predicted churn probability", ylabel="share that churned", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"Reliability on {evidence['sample']['rows']:,} test rows")
    axes.legend(loc="upper left")
    axes.grid(alpha=0.2)


def draw_gain(axes: Axes, evidence: dict[str, Any], curves: dict[str, Any]) -> None:
    """Share of churners found against share of customers listed."""
    rate = evidence["test"]["base_rate"]
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="random list")
    axes.plot([0, rate, 1], [0, 1, 1], color=GREY, linewidth=1, linestyle=":", label="best possible")
    for name in shown(evidence):
        curve, mine = curves[name], name == evidence["champion"]
        axes.plot(curve["listed"], curve["found"], color=COLORS[mine], linewidth=2, label=readable(name))
    axes.set(xlabel="share of customers listed", ylabel="share of churners found", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"Gain on {evidence['sample']['rows']:,} test rows, churn rate {rate:.0%}")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.2)


def shown(evidence: dict[str, Any]) -> list[str]:
    """The champion, and the recency rule where that is another."""
    return list(dict.fromkeys((evidence["champion"], evidence["baseline"])))


def readable(name: str) -> str:
    """A candidate's name as one reads it."""
    return name.replace("_", " ")
