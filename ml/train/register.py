"""Register a pipeline that was fitted elsewhere: calibrated, evaluated and filed like a trained model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ml.common.errors import UsageError
from ml.common.progress import SILENT, Progress
from ml.config.problem import REGRESSION, Problem
from ml.features.label_models import labels_with_notes
from ml.features.own_labels import LabelSource
from ml.features.training_parts import Parts, read_parts
from ml.featurestore.attributes import undated_features
from ml.featurestore.catalog import Catalog, read_catalog
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.model.fitted_model import raw_prediction
from ml.model.inputs import Input, column_values, input_of, kind_of
from ml.model.own import REGISTERED, training_frame
from ml.tracking.runs import track_models
from ml.tracking.server import tracking_server
from ml.train.candidates import Candidate, candidates
from ml.train.champion_choice import Choice, calibrate_and_time, choose, milliseconds_by_name
from ml.train.folds import Fold, LabelledRows
from ml.train.permitted_features import excluded_features
from ml.train.promotion import BETTER
from ml.train.refit import refit_all
from ml.train.training import TrainingRun, judge_and_file, make_champion, provenance
from ml.train.trials import Trial, cross_calibrate, try_all

FITTED_OUTSIDE = "registered; fitted outside: the test part may have been seen"


@dataclass(frozen=True)
class Registered:
    """The model that a registered pipeline became.

    Parameters
    ----------
    model_version : str
        The name of its folder, such as ``model-000002``.
    promoted : bool
        Whether it is the champion now, by the rule of ``churn train``.
    why : str
        The reason.
    metrics : dict
        Metric to ``value``, ``low``, ``high`` on the test part.
    threshold : float
    """

    model_version: str
    promoted: bool
    why: str
    metrics: dict[str, dict[str, float]]
    threshold: float


def register(
    pipeline: Any,
    *,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
    labels: "LabelSource | None" = None,
    promotion: str = BETTER,
    tracking: str | None = None,
    progress: Progress = SILENT,
) -> Registered:
    """Calibrate, evaluate and file a fitted scikit-learn classifier of columns of ``ml.training_set``.

    It is calibrated on the calibration part, evaluated on the test part beside the prior, the recency rule
    and the champion, loaded again in a fresh process, and promoted by the rule of ``train``.

    Parameters
    ----------
    pipeline : estimator
        With ``predict_proba``, fitted on a frame of ``ml.training_set`` (``feature_names_in_`` names its
        columns), with 1 for customers who churned.
    home : path or Home, optional
    problem : Problem or path, optional
    labels : path, Table or DataFrame, optional
        Labelled rows of the user's own that it was fitted on, instead of the build's labels.
    promotion : str
        ``better`` or ``always``, as for ``train``.
    tracking : str, optional
    progress : Progress

    Raises
    ------
    UsageError
        It is not fitted, has no ``predict_proba``, or reads what the build does not have.
    ModelError
        It cannot be saved without pickle, or gives other results when loaded again.
    NotReadyError
        There is no build.
    """
    check_estimator(pipeline)
    home = Home.at(home)
    tracking_server(home, tracking)  # an unusable address is an error before training, not after it
    problem = problem_for(home, problem, progress)
    if problem.task == REGRESSION:
        raise UsageError("only classifiers can be registered: the problem is a regression")
    with home.writing("train"), home.reading() as build:
        own = labels_with_notes(labels, build, problem, progress)
        parts, catalog = read_parts(build, problem, own), read_catalog(build)
        excluded = undated_features(build, catalog) | excluded_features(catalog, problem)
        inputs = inputs_of(pipeline, parts.train.table, catalog, excluded)
        training = calibrate_beside_baselines(pipeline, inputs, parts, catalog, problem)
        facts = provenance(build, catalog, parts, {}) | training.model.facts | {"registered": FITTED_OUTSIDE}
        training = replace(training, model=replace(training.model, facts=facts))
        result = judge_and_file(training, home, build, promotion)
        track_models(home, tracking=tracking, progress=progress)
    return Registered(
        result["model_version"],
        result["promotion"]["promoted"],
        result["promotion"]["why"],
        result["test"]["candidates"][REGISTERED],
        result["threshold"],
    )


def check_estimator(pipeline: Any) -> None:
    """UsageError unless it is a fitted classifier with two classes that names its columns."""
    name = type(pipeline).__name__
    if not (
        hasattr(pipeline, "get_params") and is_classifier(pipeline) and hasattr(pipeline, "predict_proba")
    ):
        raise UsageError(f"{name} cannot be registered: it is no scikit-learn classifier with predict_proba")
    try:
        check_is_fitted(pipeline)
    except NotFittedError as error:
        raise UsageError(f"{name} is not fitted: call fit on rows of ml.training_set first") from error
    classes = pipeline.classes_.tolist()
    if classes != [0, 1]:
        raise UsageError(f"{name} knows the classes {classes}: fit it on 0 (stayed) and 1 (churned)")
    if not hasattr(pipeline, "feature_names_in_"):
        raise UsageError(
            f"{name} does not name its columns: fit it on a data frame, such as ml.training_set().X"
        )


def inputs_of(pipeline: Any, table: pa.Table, catalog: Catalog, excluded: Mapping[str, str]) -> list[Input]:
    """The columns that the pipeline reads, in its order; ``excluded`` has the reason of each it may not."""
    names = [str(name) for name in pipeline.feature_names_in_]
    unknown = [name for name in names if name not in catalog.feature_names]
    if unknown:
        raise UsageError(f"the build has no feature {', '.join(unknown)}: fit on columns of ml.training_set")
    if forbidden := [f"{name} ({excluded[name]})" for name in names if name in excluded]:
        raise UsageError(f"no model may read {', '.join(forbidden)}: fit on columns of ml.training_set")
    return [read_input(table, name) for name in names]


def read_input(table: pa.Table, name: str) -> Input:
    type_ = table.schema.field(name).type
    kind = kind_of(type_)
    if kind is None:
        raise UsageError(
            f"{name} is an instant or date, which no model reads: use its age, a feature of its own"
        )
    values = column_values(table.column(name), name, kind)
    return input_of(name, kind, type_, values)


def calibrate_beside_baselines(
    pipeline: Any, inputs: Sequence[Input], parts: Parts, catalog: Catalog, problem: Problem
) -> TrainingRun:
    """The pipeline with its calibration and threshold, beside the prior and the recency rule."""
    names = {feature.name for feature in inputs}
    of_baseline = [name for name in problem.baseline if name in catalog.feature_names and name not in names]
    all_inputs = [*inputs, *(read_input(parts.train.table, name) for name in of_baseline)]
    train, selection = (LabelledRows.of(part, all_inputs) for part in (parts.train, parts.selection))
    fold = Fold(train, selection, problem.gap, last=True)
    held_out = LabelledRows.of(parts.calibration, all_inputs)
    baselines = candidates(all_inputs, replace(problem, candidates=()), len(parts.train.table))
    trials = try_all(baselines, [fold], problem, no_progress)
    wrapped = Pipeline([("prepare", training_frame(inputs)), ("model", pipeline)])
    own = Candidate(REGISTERED, wrapped, REGISTERED)
    raw = cross_calibrate(fold.validation, raw_prediction(wrapped, fold.validation.frame), problem.seed)
    fitted = [
        *refit_all(trials, [fold], held_out, problem, no_progress),
        calibrate_and_time(own, held_out, raw_prediction(wrapped, held_out.frame), problem),
    ]
    trials = [*trials, Trial(own, (raw,), wrapped)]
    choice = choose(trials, milliseconds_by_name(fitted), [fold], problem)
    table = [replace(row, champion=row.candidate == REGISTERED) for row in choice.table]
    champion = make_champion(fitted, Choice(REGISTERED, table), parts, inputs, problem)
    facts = {name: value for name, value in champion.facts.items() if name != "learned"}
    facts |= {"folds": [fold.facts()], "tuning": [], "suspects": [], "undated": []}
    return TrainingRun(replace(champion, facts=facts), fitted, parts, all_inputs)


def no_progress(title: str) -> None:
    """The baselines are fitted in a moment."""
