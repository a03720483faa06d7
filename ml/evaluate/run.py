"""The held-out report: what the champion and every other candidate did on the test part, once, when trained.

Nothing is computed again: numbers come from ``model.json``, plots from the test probabilities kept beside it.
"""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ml.home import Home
from ml.model.current import champion_of
from ml.model.store import TEST
from ml.problem import Problem, problem_of
from ml.progress import SILENT, Progress
from ml.train.candidates import BASELINE
from ml.train.verdict import COMPARED

KEPT = (
    "model_version",
    "champion",
    "build_id",
    "data_clock",
    "seed",
    "split",
    "selection",
    "threshold",
    "test",
)
BETTER_BELOW = ("log_loss",)
LABELS = {
    "roc_auc": "ROC-AUC",
    "average_precision": "average precision",
    "log_loss": "log-loss",
    "brier": "Brier",
    "lift_at_10": "lift at 10 %",
    "precision_at_80_recall": "precision at 80 % recall",
}


def evaluate(
    *,
    plots: str | Path | None = None,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """The evidence the current model was saved with.

    Parameters
    ----------
    plots : path, optional
        Folder for ``reliability.png`` and ``gain.png``.

    Returns
    -------
    dict
        Where the model comes from, ``test`` (every candidate's metrics with 95 % intervals, base rate,
        champion minus recency rule, what the threshold does), ``verdict`` (sentences), ``plots`` (files).

    Raises
    ------
    NotReadyError
        There is no model yet.
    ModelError
        Its files were changed, or it answers another problem.
    """
    house = Home.at(home)
    with house.reading() as build:
        model = champion_of(build, problem_of(problem), progress)
    result = {name: model.facts[name] for name in KEPT}
    result["verdict"] = verdicts(model.facts)
    result["plots"] = []
    if plots is not None:
        from ml.plots import draw_evidence

        rows = pq.read_table(house.models / model.version / TEST)
        result["plots"] = [str(path) for path in draw_evidence(rows, model.kind, Path(plots))]
    return result


def verdicts(facts: dict[str, Any]) -> list[str]:
    """For each compared metric one sentence: better, worse or not told apart from the recency rule."""
    if facts["champion"] == BASELINE:
        return ["The champion is the recency rule itself: no other candidate was better by more than chance."]
    found = facts["test"][f"champion_minus_{BASELINE}"]
    return [sentence(facts["champion"], metric, found[metric]) for metric in COMPARED]


def sentence(champion: str, metric: str, difference: dict[str, float]) -> str:
    """What the interval of one difference says."""
    low, high = sorted((difference["low"], difference["high"]))
    interval = f"{difference['value']:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}"
    if low <= 0 <= high:
        return (
            f"{LABELS[metric]}: {champion} cannot be told from the recency rule ({interval}; zero included)."
        )
    better = (high < 0) if metric in BETTER_BELOW else (low > 0)
    word = "better" if better else "worse"
    return f"{LABELS[metric]}: {champion} is {word} than the recency rule ({interval}; zero excluded)."
