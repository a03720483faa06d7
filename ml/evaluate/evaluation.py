"""The evaluation: metrics of every candidate on the test part, and the deep evidence of the champion.

The metrics come from ``model.json``, written in training; the deep evidence is computed once per model and
stored. ``churn evaluate`` prints both, ``churn report`` draws them.
"""

from pathlib import Path
from typing import Any

from ml.common.progress import SILENT, Progress
from ml.config.problem import Problem
from ml.evaluate.compute_evidence import count_steps, deep_evidence
from ml.evaluate.evidence_file import read_evidence, write_evidence
from ml.evaluate.metric_names import answer, verdicts
from ml.evaluate.value_evidence import value_evidence
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.home.read_leases import lease
from ml.home.test_set_log import EVIDENCE, log_evaluation
from ml.metrics.chance import ranks_better_than_chance
from ml.model.churn_model import ChurnModel
from ml.model.fitted_model import FittedModel
from ml.model.model_files import read_judged
from ml.model.value_model import ValueModel
from ml.warehouse.current_model import champion_of

FACTS = (
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


def evaluate(
    *,
    plots: str | Path | None = None,
    anew: bool = False,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """The evidence of the current model.

    Parameters
    ----------
    plots : path, optional
        Folder for ``reliability.png`` and ``gain.png``.
    anew : bool
        Compute the deep evidence again even if it is stored.

    Returns
    -------
    dict
        The model's origin (``labels`` only where they are the user's own), ``test`` (every candidate's
        metrics with 95 % intervals, base rate, champion minus recency rule, the decision by the threshold),
        ``answer`` (one sentence), ``better_than_chance`` (bool), ``verdict`` (sentences), ``evidence`` (see
        ``ml.evaluate.evidence_schema``), ``plots`` (files). Of a regression the evidence is that of
        ``ml.evaluate.value_evidence``.

    Raises
    ------
    NotReadyError
        There is no model yet.
    ModelError
        Its files were changed, or it answers another problem.
    """
    home = Home.at(home)
    with home.reading() as build:
        model = champion_of(build, problem_for(home, problem, progress), progress, read_judged)
        evidence = evidence_of(home, model, anew=anew, progress=progress)
    result = {name: model.facts[name] for name in FACTS if name in model.facts}
    result["task"] = model.problem.task
    if "labels" in model.facts:
        result["labels"] = model.facts["labels"]
    result["verdict"] = verdicts(model.facts)
    result["better_than_chance"] = ranks_better_than_chance(model.facts)
    result["answer"] = answer(model.facts, evidence)
    result["evidence"] = evidence
    result["plots"] = []
    if plots is not None:
        from ml.evaluate.plots import draw_amounts, draw_evidence

        draw = draw_amounts if isinstance(model, ValueModel) else draw_evidence
        result["plots"] = [str(path) for path in draw(evidence, Path(plots))]
    return result


def evidence_of(
    home: Home, model: FittedModel, *, anew: bool = False, progress: Progress = SILENT
) -> dict[str, Any]:
    """The deep evidence of a model of this home: as stored, or computed, logged as a look and stored."""
    if isinstance(model, ValueModel):
        with lease(home.builds / model.facts["build_id"]) as leased:
            return value_evidence(
                model, home.models / model.version, present(home, model, leased), progress.say
            )
    assert isinstance(model, ChurnModel)
    stored = None if anew else read_evidence(home, model)
    if stored is not None:
        return stored
    looks = log_evaluation(home, model.facts, EVIDENCE)
    if looks["sentence"]:
        progress.say(f"note: {looks['sentence']}")
    with (
        progress.bar("reading rows", count_steps(model)) as bar,
        lease(home.builds / model.facts["build_id"]) as leased,
    ):
        build = present(home, model, leased)
        evidence = deep_evidence(model, home.models / model.version, build, bar.step)
    return write_evidence(home, evidence | {"looks": looks})


def present(home: Home, model: FittedModel, leased: bool) -> Path | None:
    """The build that the model was trained on; None where it is no longer kept."""
    build = home.builds / model.facts["build_id"]
    return build if leased and (build / "build.json").is_file() else None
