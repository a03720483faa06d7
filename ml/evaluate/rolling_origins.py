"""Rolling origins: how the model that scores would have done, trained at several earlier instants.

The test part judges a model that had not learned from it; the one that scores has, and nothing is left to
judge it by. So the whole training is done again as of some earlier cut-offs (the origins), from the labels
settled by then, and each model scores the cut-offs from its origin up to the next one (Tashman, 2000).
Features are exact at any instant, so nothing else changes.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.common.array_types import Floats
from ml.common.errors import ModelError, NotReadyError, UsageError
from ml.common.instants import format_instant
from ml.common.number_words import counted
from ml.common.progress import SILENT, Progress
from ml.config.problem import REGRESSION, Problem
from ml.evaluate.bootstrapped_rows import Rows
from ml.features.label_models import every_label
from ml.features.own_labels import LabelFacts, OwnLabels
from ml.features.training_parts import Part
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.build_manifest import read_build_manifest
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.home.test_set_log import ORIGINS, log_evaluation
from ml.metrics.bootstrap import Measures
from ml.metrics.measure import measure
from ml.model.churn_model import ChurnModel
from ml.model.inputs import make_frame
from ml.train.churn_candidates import BASELINE
from ml.train.training import TrainingRun, run_training

FEWEST, MOST = 2, 50
DAYS_BETWEEN = 28  # from one origin to the next
MODEL = "model"
METRICS = ("roc_auc", "average_precision", "log_loss", "ece", "profit_per_customer")


@dataclass(frozen=True)
class Origin:
    """One training as of an earlier instant, judged on the cut-offs that followed.

    Parameters
    ----------
    at : str
        The instant it was trained, ISO 8601.
    champion, calibration : str
        The kind of model that was chosen, and of its calibration.
    learned : int
        Settled rows that it learned from.
    rows, customers, cutoffs : int
        What it was judged on.
    base_rate : float
    measures : mapping
        Model and recency rule to metric to value.
    """

    at: str
    champion: str
    calibration: str
    learned: int
    rows: int
    customers: int
    cutoffs: int
    base_rate: float
    measures: dict[str, dict[str, float]]


@dataclass(frozen=True)
class JudgedRows:
    """The rows after an origin with the probabilities of the model of that origin and of the recency rule."""

    part: Part
    probabilities: dict[str, Floats]


@dataclass(frozen=True)
class RollingOrigins:
    """All origins, and the figures over all their rows with 95 % intervals drawn by customer.

    Parameters
    ----------
    origins : list of Origin
    measures : mapping
        Model and recency rule to metric to value, low, high.
    difference : mapping
        Model minus recency rule, paired.
    notes : list of str
    """

    origins: list[Origin]
    measures: dict[str, Measures]
    difference: Measures
    notes: list[str]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def rolling_origins(
    number: int,
    *,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
    progress: Progress = SILENT,
) -> RollingOrigins:
    """Train as of ``number`` earlier instants, 28 days apart, and judge each model on what followed.

    Raises
    ------
    UsageError
        The number is too small or large, or the problem is a regression.
    NotReadyError
        There is no build, or the labelled history is too short for a single origin.
    """
    if not FEWEST <= number <= MOST:
        raise UsageError(f"origins can be {FEWEST} to {MOST}, not {number}")
    home = Home.at(home)
    problem = problem_for(home, problem, progress)
    if problem.task == REGRESSION:
        raise UsageError("rolling origins judge probabilities: the problem is a regression")
    with home.reading() as build, progress.bar("training as of earlier instants", number) as bar:
        labels = every_label(build, problem)
        log_looks(home, build, labels, number, problem)
        judged, notes = [], []
        for origin in judge_origins(build, problem, labels, number):
            bar.step()
            notes += [origin] if isinstance(origin, str) else []
            judged += [] if isinstance(origin, str) else [origin]
    if not judged:
        raise NotReadyError(notes[-1])
    return RollingOrigins(
        [origin for origin, _ in judged], *together([rows for _, rows in judged], problem), notes
    )


def origins_of(labels: pa.Table, number: int, problem: Problem) -> list[list[datetime]]:
    """The cut-offs after each origin, ascending; the origin is the first of them."""
    cutoffs = sorted(pc.unique(labels.column("event_timestamp")).to_pylist())
    width = max(1, round(DAYS_BETWEEN / problem.cutoff_every_days))
    begins = range(len(cutoffs) - number * width, len(cutoffs), width)
    return [cutoffs[begin : begin + width] for begin in begins if begin > 0]


def judge_origins(
    build: Path, problem: Problem, labels: pa.Table, number: int
) -> "Iterator[tuple[Origin, JudgedRows] | str]":
    """Each origin with its rows, or a sentence on why nothing could be trained there."""
    stamps = labels.column("event_timestamp")
    windows = origins_of(labels, number, problem)
    if len(windows) < number:
        yield f"the labelled history has {counted(len(windows), 'origin')} of the {number}, 28 days apart"
    for cutoffs in windows:
        settled = pc.less_equal(stamps, pa.scalar(cutoffs[0] - problem.gap, stamps.type))
        after = labels.filter(pc.is_in(stamps, pa.array(cutoffs, stamps.type)))
        try:
            training = train_as_of(build, problem, labels.filter(settled))
        except (NotReadyError, ModelError) as error:
            yield f"nothing could be trained as of {format_instant(cutoffs[0])}: {error}"
            continue
        yield judge_origin(training, cutoffs, Part("after", point_in_time(build, after)), problem)


def train_as_of(build: Path, problem: Problem, settled: pa.Table) -> TrainingRun:
    """The whole training, from the labels that were settled by an instant."""
    if not len(settled):
        raise NotReadyError("no label was settled by then")
    instants = pc.count_distinct(settled.column("event_timestamp")).as_py()
    own = OwnLabels(settled, LabelFacts("labels settled by then", None, len(settled), instants, 0, 0, 0))
    with tempfile.TemporaryDirectory() as folder, SILENT.bar("", 1) as bar:
        return run_training(build, problem, Path(folder), bar, own=own)


def judge_origin(
    training: TrainingRun, cutoffs: Sequence[datetime], after: Part, problem: Problem
) -> tuple[Origin, JudgedRows]:
    """The model that would have scored, and the recency rule, on the rows after the origin."""
    model = training.final()
    assert isinstance(model, ChurnModel)
    rule = next(each for each in training.candidates if each.candidate.name == BASELINE)
    probabilities = {
        MODEL: model.probability(model.frame(after.table)),
        BASELINE: rule.prediction(make_frame(after.table, training.inputs)),
    }
    facts = after.facts()
    origin = Origin(
        at=format_instant(cutoffs[0]),
        champion=model.kind,
        calibration=model.calibration.kind,
        learned=model.facts["learned"]["rows"],
        rows=int(facts["rows"]),
        customers=int(facts["customers"]),
        cutoffs=len(cutoffs),
        base_rate=facts["base_rate"],
        measures={name: measures_of(after, values, problem) for name, values in probabilities.items()},
    )
    return origin, JudgedRows(after, probabilities)


def measures_of(part: Part, probability: Floats, problem: Problem) -> dict[str, float]:
    found = measure(part.labels, probability, costs=problem.costs, names=METRICS)
    return {name: float(values[0]) for name, values in found.items()}


def together(judged: Sequence[JudgedRows], problem: Problem) -> tuple[dict[str, Measures], Measures]:
    """The figures over the rows of all origins; a customer's rows are drawn together."""
    part = Part("after", pa.concat_tables([rows.part.table for rows in judged]))
    probabilities = {
        name: np.concatenate([rows.probabilities[name] for rows in judged]) for name in (MODEL, BASELINE)
    }
    replicates = Rows.of(part, problem).replicate(probabilities, METRICS)
    return {name: replicates.measures(name) for name in probabilities}, replicates.change(MODEL, BASELINE)


def log_looks(home: Home, build: Path, labels: pa.Table, number: int, problem: Problem) -> None:
    """Log that these cut-offs were looked at, as for any evaluation."""
    windows = origins_of(labels, number, problem)
    if not windows:
        return
    manifest = read_build_manifest(build)
    span = {
        "cutoffs": sum(map(len, windows)),
        "first": format_instant(windows[0][0]),
        "last": format_instant(windows[-1][-1]),
    }
    facts = {"model_version": "rolling origins", "split": {"test": span}}
    log_evaluation(home, facts | {name: manifest[name] for name in ("build_id", "data_clock")}, ORIGINS)


def origins_report(result: RollingOrigins) -> list[str]:
    """The lines of ``churn evaluate --origins``."""
    lines = ["as of                 learned   judged  churn rate    AUC  rule's  log-loss    ECE  model"]
    for each in result.origins:
        ours, rule = each.measures[MODEL], each.measures[BASELINE]
        lines.append(
            f"{each.at}  {each.learned:7,}  {each.rows:7,}  {each.base_rate:10.3f}  {ours['roc_auc']:.3f}"
            f"   {rule['roc_auc']:.3f}    {ours['log_loss']:.4f}  {ours['ece']:.3f}  {each.champion}"
        )
    lines += ["", "over all of them, with 95 % intervals drawn by customer:"]
    for name in METRICS:
        model, rule = (result.measures[which][name] for which in (MODEL, BASELINE))
        lines.append(f"  {name:<20} {interval(model)}   recency rule {interval(rule)}")
    return lines + [f"note: {note}" for note in result.notes]


def interval(of: dict[str, float]) -> str:
    return f"{of['value']:.4f} [{of['low']:.4f}, {of['high']:.4f}]"
