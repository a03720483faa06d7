"""Pictures of the test evidence: are probabilities true, and how many churners does a list hold."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ml.model.estimators import Floats
from ml.train.candidates import BASELINE

GROUPS = 15
COLORS = {True: "#1b5e8c", False: "#c27c2c"}
GREY = "#888888"


def draw_evidence(rows: pa.Table, champion: str, folder: Path) -> list[Path]:
    """Write ``reliability.png`` and ``gain.png`` into ``folder``; the champion beside the recency rule."""
    folder.mkdir(parents=True, exist_ok=True)
    churned = rows.column("churned").to_numpy().astype(np.float64)
    shown = {name: rows.column(name).to_numpy() for name in dict.fromkeys((champion, BASELINE))}
    files = []
    for name, draw in (("reliability", draw_reliability), ("gain", draw_gain)):
        figure = Figure(figsize=(6.4, 6), layout="constrained")
        draw(figure.subplots(), churned, shown, champion)
        figure.savefig(folder / f"{name}.png", dpi=130, metadata={"Software": None})
        files.append(folder / f"{name}.png")
    return files


def draw_reliability(axes: Axes, churned: Floats, shown: dict[str, Floats], champion: str) -> None:
    """Mean probability against churn rate in groups of equal size, with 95 % intervals of the rate."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="perfect")
    for name, probability in shown.items():
        said, seen, error = reliability(churned, probability)
        axes.errorbar(
            said, seen, error, color=COLORS[name == champion], marker="o", capsize=2, label=readable(name)
        )
    axes.set(xlabel="predicted churn probability", ylabel="share that churned", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"Reliability on {len(churned):,} test rows")
    axes.legend(loc="upper left")
    axes.grid(alpha=0.2)


def reliability(churned: Floats, probability: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean probability, churn rate and the half-width of its 95 % interval, in groups of about equal size."""
    groups = [group for group in np.array_split(np.argsort(probability, kind="stable"), GROUPS) if len(group)]
    said = np.array([probability[group].mean() for group in groups])
    seen = np.array([churned[group].mean() for group in groups])
    sizes = np.array([len(group) for group in groups])
    return said, seen, 1.96 * np.sqrt(seen * (1 - seen) / sizes)


def draw_gain(axes: Axes, churned: Floats, shown: dict[str, Floats], champion: str) -> None:
    """Share of churners found against share of customers listed."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="random list")
    best = [0, float(churned.mean()), 1]
    axes.plot(best, [0, 1, 1], color=GREY, linewidth=1, linestyle=":", label="best possible")
    for name, probability in shown.items():
        listed, found = gain(churned, probability)
        axes.plot(listed, found, color=COLORS[name == champion], linewidth=2, label=readable(name))
    axes.set(xlabel="share of customers listed", ylabel="share of churners found", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"Gain on {len(churned):,} test rows, churn rate {churned.mean():.0%}")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.2)


def gain(churned: Floats, probability: Floats) -> tuple[Floats, Floats]:
    """Running shares from the riskiest row on; a tie is one straight step."""
    order = np.argsort(-probability, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(probability[order]) != 0, True))
    found = np.cumsum(churned[order])[ends] / churned.sum()
    return np.append(0, (ends + 1) / len(churned)), np.append(0, found)


def readable(name: str) -> str:
    """A candidate's name as one reads it."""
    return name.replace("_", " ")
