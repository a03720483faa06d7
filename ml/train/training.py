"""Training, step by step: rows, inputs, candidates, tuning, refit, choice, test part, files."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ml.common.array_types import Floats
from ml.common.durable_files import sync_folder
from ml.common.progress import SILENT, Bar, Progress
from ml.config.problem import Problem
from ml.decision.threshold import choose_threshold
from ml.features.label_models import labels_with_notes
from ml.features.labels import read_build_manifest
from ml.features.own_labels import LABELS_FILE, LabelSource, OwnLabels
from ml.features.training_parts import LEARNED, Parts, learned_rows, read_parts
from ml.featurestore.attributes import undated_features
from ml.featurestore.catalog import Catalog, read_catalog
from ml.home.layout import Home, discard_unfinished, next_name, sync_tree
from ml.home.problem_file import problem_for, remember_problem
from ml.home.test_set_log import VERDICT, log_evaluation
from ml.metrics.chance import ranks_better_than_chance
from ml.model.churn_model import ChurnModel
from ml.model.fitted_model import FittedModel
from ml.model.inputs import Input, choose_inputs, make_frame
from ml.model.model_files import JUDGED, TEST, write_model
from ml.model.value_model import ValueModel, intervals_of
from ml.tracking.code_version import code_version
from ml.tracking.fingerprint import fingerprint
from ml.tracking.runs import track_models
from ml.tracking.server import tracking_server
from ml.train.candidates import Candidate, candidates, required_features
from ml.train.champion_choice import Choice, FittedCandidate, choose, milliseconds_by_name
from ml.train.final_fit import final_model, starting_points
from ml.train.folds import Fold, LabelledRows, make_folds
from ml.train.input_selection import select
from ml.train.leakage_suspects import find_leakage_suspects
from ml.train.permitted_features import excluded_features
from ml.train.promotion import BETTER, decide, promote
from ml.train.readback import check_reads_back
from ml.train.refit import refit_all
from ml.train.test_part import judge, test_table
from ml.train.trials import try_all
from ml.train.tuning import MOST_TUNED, settings_of, tune_promising
from ml.train.value_test_part import judge_amounts

LIBRARIES = (
    "lightgbm",
    "numpy",
    "optuna",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "skops",
    "xgboost-cpu",
)


def train(
    *,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
    labels: "LabelSource | None" = None,
    seed: int | None = None,
    promotion: str = BETTER,
    tracking: str | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Train every candidate on the current build, choose and calibrate a champion, save it with its evidence.

    Parameters
    ----------
    home : path or Home, optional
    problem : Problem or path, optional
        The home remembers a path for later; by default the path it remembers, else ``problem.yml`` of the
        project.
    labels : path, Table or DataFrame, optional
        Rows of customer_id, event_timestamp and label instead of the build's labels (docs/own-labels.md).
    seed : int, optional
        Instead of the problem's.
    promotion : str
        ``better``: the model becomes champion only when it is better than the present one on the same later
        cut-offs; ``always``: whatever they say.
    tracking : str, optional
        Address of a tracking server; else ``MLFLOW_TRACKING_URI``, else a file in the home.
    progress : Progress

    Returns
    -------
    dict
        What ``model.json`` has on the model's origin and test figures, whether it was promoted
        (``promotion``), and where it was tracked (``record``).

    Raises
    ------
    NotReadyError
        There is no build, it is for another problem, or it has too few cut-offs.
    UsageError
        The labels cannot be used; the message names the first such row.
    ModelError
        No model can be trained on the rows.
    BusyError
        Another process writes to this home.
    """
    home = Home.at(home)
    tracking_server(home, tracking)  # an unusable address is an error before training, not after it
    source, problem = problem, problem_for(home, problem, progress)
    if seed is not None:
        problem = replace(problem, seed=seed)
    with home.writing("train"), home.reading() as build, progress.bar("reading rows", 3) as bar:
        own = labels_with_notes(labels, build, problem, progress)
        training = run_training(build, problem, home.root, bar, own=own)
        bar.step("judging")
        result = judge_and_file(training, home, build, promotion)
        if result["looks"]["sentence"]:
            progress.say(f"note: {result['looks']['sentence']}")
        remember_problem(home, source)
        bar.step("recording")
        return result | {"record": track_models(home, tracking=tracking, progress=progress)}


@dataclass(frozen=True)
class TrainingRun:
    """A model that is not evaluated on the test part yet, and the candidates it was chosen from.

    ``inputs`` are those of the candidates; a registered model may read fewer.
    """

    model: FittedModel
    candidates: Sequence[FittedCandidate]
    parts: Parts
    inputs: Sequence[Input]

    def test_predictions(self) -> dict[str, Floats]:
        """Every candidate's probability, or amount, of every test row."""
        frame = make_frame(self.parts.test.table, self.inputs)
        return {fitted.candidate.name: fitted.prediction(frame) for fitted in self.candidates}

    def final(self) -> FittedModel:
        """The model that scores; see ``final_fit``."""
        chosen = next(each for each in self.candidates if each.candidate.name == self.model.kind)
        return final_model(self.model, chosen, self.parts)

    def judge(self, predictions: Mapping[str, Floats]) -> dict[str, Any]:
        """The evidence on the test part, by the task."""
        model = self.model
        if isinstance(model, ValueModel):
            return judge_amounts(self.parts.test, predictions, model)
        assert isinstance(model, ChurnModel)
        costs, seed = model.problem.costs, model.problem.seed
        return judge(self.parts.test, predictions, model.kind, model.threshold, seed, costs)


def run_training(
    build: Path,
    problem: Problem,
    folder: Path,
    bar: Bar,
    trials_of: Mapping[str, int] | None = None,
    own: OwnLabels | None = None,
) -> TrainingRun:
    """From the rows of a build to a chosen, calibrated model with its threshold.

    Parameters
    ----------
    folder : Path
        Where the file of the searches for better settings is kept.
    trials_of : mapping, optional
        Candidate name to the number of its tuning trials, without a limit of time; by default the problem's.
    own : OwnLabels, optional
        Instead of the build's labels.
    """
    parts = read_parts(build, problem, own)
    catalog = read_catalog(build)
    undated = undated_features(build, catalog)
    excluded = undated | excluded_features(catalog, problem)
    names = [name for name in catalog.feature_names if name not in excluded]
    inputs, left_out = choose_inputs(parts.train.table, names, required_features(names, problem))
    suspects = find_leakage_suspects(parts.train.table, inputs, problem.seed)
    inputs, folds, unselected = select(inputs, make_folds(parts, inputs, problem), problem, bar.step)
    contenders = candidates(inputs, problem, len(parts.train.table))
    bar.set_to(0, count_steps(contenders, folds, problem))
    trials = try_all(contenders, folds, problem, bar.step)
    trials, searches = tune_promising(trials, folds, problem, folder, bar.step, trials_of)
    held_out = LabelledRows.of(parts.calibration, inputs)
    refitted = refit_all(trials, folds, held_out, problem, bar.step)
    bar.step("choosing")
    choice = choose(trials, milliseconds_by_name(refitted), folds, problem)
    model = make_champion(refitted, choice, parts, inputs, problem)
    facts = provenance(build, catalog, parts, excluded | left_out | unselected) | model.facts
    facts |= {"folds": [fold.facts() for fold in folds], "tuning": [asdict(search) for search in searches]}
    facts |= {"suspects": suspects, "undated": list(undated)}
    return TrainingRun(replace(model, facts=facts), refitted, parts, inputs)


def count_steps(contenders: Sequence[Candidate], folds: Sequence[Fold], problem: Problem) -> int:
    """About how many steps training takes, for the progress bar."""
    searches = MOST_TUNED * (problem.tuning.trials + len(folds)) if len(folds) > 1 else 0
    return len(contenders) * (len(folds) + 1) + searches + 3


def make_champion(
    candidates: Sequence[FittedCandidate],
    choice: Choice,
    parts: Parts,
    inputs: Sequence[Input],
    problem: Problem,
) -> FittedModel:
    """The chosen candidate with its threshold or intervals, and with what its reasons start from."""
    chosen = next(fitted for fitted in candidates if fitted.candidate.name == choice.champion)
    held_out = parts.calibration.labels
    prediction = chosen.prediction(make_frame(parts.calibration.table, inputs))
    learned = learned_rows(parts)
    pipeline = chosen.candidate.pipeline
    background, means = starting_points(choice.champion, pipeline, make_frame(learned.table, inputs))
    facts = {
        "selection": [asdict(contender) for contender in choice.table],
        "settings": settings_of(chosen.candidate, chosen.candidate.model),
        "learned": {"parts": LEARNED, **learned.facts()},
        "seed": problem.seed,
    }
    common: dict[str, Any] = {
        "kind": choice.champion,
        "pipeline": pipeline,
        "inputs": tuple(inputs),
        "problem": problem,
        "prepared_means": means,
        "background": background,
    }
    if chosen.calibration is None:
        intervals = intervals_of(held_out, prediction)
        return ValueModel(intervals=intervals, lowest=chosen.lowest, facts=facts, **common)
    threshold, met = choose_threshold(held_out, prediction, problem, parts.population)
    facts = {"threshold_rule_met": met} | facts
    return ChurnModel(calibration=chosen.calibration, threshold=threshold, facts=facts, **common)


def provenance(build: Path, catalog: Catalog, parts: Parts, left_out: dict[str, str]) -> dict[str, Any]:
    """What ``model.json`` has on the build, features, rows, code and libraries of a training."""
    manifest = read_build_manifest(build)
    types = {field.name: str(field.type) for field in parts.train.table.schema}
    labels = {"labels": asdict(parts.own.facts)} if parts.own else {}
    all_parts = (parts.train, parts.selection, parts.calibration, parts.test)
    return {
        "build_id": manifest["build_id"],
        "data_clock": manifest["data_clock"],
        **labels,
        **catalog.facts(),
        "features": {name: types[name] for name in catalog.feature_names},
        "left_out": left_out,
        "split": parts.split.as_dict(),
        "labelled_rows": parts.labelled,
        "dataset": fingerprint(part.table for part in (*all_parts, parts.between)),
        "code": code_version(),
        "parts": {part.name: part.facts() for part in all_parts},
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
    }


def judge_and_file(training: TrainingRun, home: Home, build: Path, promotion: str) -> dict[str, Any]:
    """Evaluate on the test part, write the model and read it back, then promote it or make it challenger."""
    model, parts = training.model, training.parts
    predictions = training.test_predictions()
    evidence = training.judge(predictions)
    decision = decide(build, model, parts.test, promotion)
    home.models.mkdir(parents=True, exist_ok=True)
    discard_unfinished(home.models)
    name = next_name(home.models, "model")
    unfinished = home.models / f"{name}.unfinished"
    unfinished.mkdir()
    pq.write_table(test_table(parts.test, predictions), unfinished / TEST)
    if parts.own:
        pq.write_table(parts.own.table, unfinished / LABELS_FILE)
    facts = {"model_version": name, "champion": model.kind} | model.facts
    facts |= {"test": evidence, "promotion": decision.as_dict()}
    judged = replace(model, facts=facts)
    model = replace(training, model=judged).final()
    if model is not judged:
        (unfinished / JUDGED).mkdir()
        write_model(judged, unfinished / JUDGED)
    write_model(model, unfinished)
    facts = model.facts
    check_reads_back(model, unfinished, build, parts.test.table)
    sync_tree(unfinished)
    # Logged before the model is filed: a run that is killed in between has shown the figures already.
    looks = log_evaluation(home, facts, VERDICT)
    unfinished.rename(home.models / name)
    sync_folder(home.models)
    promote(build, home.models / name, decision, model.problem.name)
    return facts | {
        **model.own_facts(),
        "problem": model.problem.as_dict(),
        "looks": looks,
        "better_than_chance": ranks_better_than_chance(facts),
    }
