"""The model card of the current model, from its manifest, its evidence and its test probabilities."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from markupsafe import Markup

from ml.common.progress import SILENT, Progress
from ml.config.problem import Problem
from ml.evaluate.compute_evidence import MeasuredRows, heading, on_test
from ml.evaluate.evaluation import evidence_of
from ml.evaluate.evidence_file import read_evidence
from ml.evaluate.metric_names import answer
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.metrics.chance import ranks_better_than_chance
from ml.model.churn_model import ChurnModel
from ml.model.fitted_model import FittedModel
from ml.model.model_files import TEST, read_judged
from ml.model.value_model import ValueModel
from ml.page.document import document, write_whole
from ml.reports.card_data import Card
from ml.reports.model_card_page import body
from ml.reports.value_card_page import value_body, value_card
from ml.segments.segmentation import readable_segmentation
from ml.warehouse.current_model import champion_of

BINS = 25
DEEP = ("segments", "learning", "importance", "ablation", "staleness", "reasons")


def report(
    *,
    out: str | os.PathLike[str] | None = None,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Write the model card of the current model as a page.

    Parameters
    ----------
    out : path, optional
        Where the page goes, by default ``report/<model>.html`` in the home.

    Returns
    -------
    dict
        model_version, champion, build_id, data_clock, better_than_chance, answer (one sentence), verdict
        (sentences), missing (sections that 'churn evaluate' has still to make), page (the file).

    Raises
    ------
    NotReadyError
        There is no model yet.
    ModelError
        Its files were changed, or it answers another problem.
    """
    home = Home.at(home)
    with home.reading() as build, progress.bar("drawing", 2) as bar:
        model = champion_of(build, problem_for(home, problem, progress), progress, read_judged)
        card, draw = card_of(model, home, progress)
        bar.step()
        file = Path(out) if out else home.root / "report" / f"{model.version}.html"
        write_whole(file, document(f"Model card of {model.version}", draw(card)))
        bar.step()
    return {
        "model_version": model.version,
        "champion": model.kind,
        "build_id": model.facts["build_id"],
        "data_clock": model.facts["data_clock"],
        "better_than_chance": ranks_better_than_chance(model.facts),
        "answer": answer(model.facts, card.evidence),
        "verdict": list(card.evidence["verdict"]),
        "missing": [] if card.is_deep else list(DEEP),
        "page": str(file),
    }


def card_of(model: FittedModel, home: Home, progress: Progress) -> tuple[Card, Callable[[Card], Markup]]:
    """The model with its evidence, and what draws it; evidence that is not kept is left out."""
    segmentation = readable_segmentation(home, model.problem.name)
    if isinstance(model, ValueModel):
        card = value_card(model, evidence_of(home, model, progress=progress))
        return replace(card, segmentation=segmentation), value_body
    assert isinstance(model, ChurnModel)
    return replace(churn_card(model, home), segmentation=segmentation), body


def churn_card(model: ChurnModel, home: Home) -> Card:
    """The model with its evidence; where none is kept, with what the test probabilities alone tell."""
    folder = home.models / model.version
    evidence = read_evidence(home, model)
    is_deep = evidence is not None
    if evidence is None:
        sample = MeasuredRows.of_model(model, folder)
        evidence = heading(model, sample) | on_test(model, sample, lambda step: None)
    return Card(model.facts, evidence, is_deep, histogram(model, folder))


def histogram(model: ChurnModel, folder: Path) -> dict[str, list[float]]:
    """Shares of those who stayed and those who churned, by the champion's probability."""
    rows = pq.read_table(folder / TEST, columns=["churned", model.kind])
    probability, churned = rows[model.kind].to_numpy(), rows["churned"].to_numpy() == 1
    edges = np.linspace(0, 1, BINS + 1)
    shares = {"edges": edges.tolist()}
    for name, rows_of_class in (("stayed", ~churned), ("churned", churned)):
        counts = np.histogram(probability[rows_of_class], edges)[0]
        shares[name] = (counts / max(counts.sum(), 1)).tolist()
    return shares
