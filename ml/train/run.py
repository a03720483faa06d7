"""Training, step by step: rows, inputs, candidates, calibration, choice, verdict, files."""

import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from feature_repo.catalog import Catalog, read_catalog
from feature_repo.disk import sync_folder
from ml.decision.threshold import choose_threshold
from ml.home import Home, discard_unfinished, next_name, sync_tree
from ml.labels import read_build_card
from ml.model.churn_model import ChurnModel
from ml.model.inputs import Input, choose_inputs, make_frame
from ml.model.store import TEST, write_model
from ml.problem import Problem, problem_of
from ml.progress import SILENT, Progress
from ml.record.code import code_version
from ml.record.fingerprint import fingerprint
from ml.record.mirror import record
from ml.record.place import record_place
from ml.train.candidates import Candidate, candidates, needed, use_threads
from ml.train.choice import Choice, Fitted, choose, fitted
from ml.train.parts import Part, Parts, read_parts
from ml.train.promotion import BETTER, decide, promote
from ml.train.verdict import judge, test_table

LIBRARIES = ("numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skops", "xgboost-cpu")


def train(
    *,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
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
        By default ``problem.yml`` of the repository.
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
        What ``model.json`` says of where the model comes from and how good it is, whether it was promoted
        (``promotion``), and where it was recorded (``record``).

    Raises
    ------
    NotReadyError
        There is no build, it is for another problem, or it has too few cut-offs.
    ModelError
        The rows cannot teach a model.
    BusyError
        Another process writes to this home.
    """
    house = Home.at(home)
    record_place(house, tracking)
    stated = problem_of(problem)
    asked = stated if seed is None else replace(stated, seed=seed)
    with house.writing("train"), house.reading() as build, progress.bar("reading rows", 9) as bar:
        parts = read_parts(build, asked)
        catalog = read_catalog(build)
        inputs, left_out = choose_inputs(parts.train.table, catalog.feature_names, needed(catalog.feature_names, asked))
        ready = fit_all(candidates(inputs, asked, len(parts.train.table)), parts, inputs, bar)
        bar.step("choosing")
        choice = choose(ready, parts.selection, frame_of(parts.selection, inputs), asked)
        bar.step("judging")
        model = make_champion(ready, choice, parts, inputs, asked)
        facts = origin(build, catalog, parts, left_out) | model.facts
        said = keep(replace(model, facts=facts), ready, parts, house, build, promotion)
        bar.step("recording")
        return said | {"record": record(house, tracking=tracking, progress=progress)}


def frame_of(part: Part, inputs: list[Input]) -> pd.DataFrame:
    """The inputs of one part."""
    return make_frame(part.table, inputs)


def fit_all(contenders: list[Candidate], parts: Parts, inputs: list[Input], bar: Any) -> list[Fitted]:
    """Fit on the training rows, calibrate on the calibration rows."""
    learn_from, calibrate_on = frame_of(parts.train, inputs), frame_of(parts.calibration, inputs)
    ready = []
    for candidate in contenders:
        bar.step(f"fitting {candidate.name}")
        candidate.pipeline.fit(learn_from, parts.train.churned.astype(int))
        use_threads(candidate.pipeline, 1)
        ready.append(fitted(candidate, calibrate_on, parts.calibration.churned))
    return ready


def make_champion(
    ready: list[Fitted], choice: Choice, parts: Parts, inputs: list[Input], problem: Problem
) -> ChurnModel:
    """The chosen candidate with its threshold."""
    chosen = next(each for each in ready if each.candidate.name == choice.champion)
    probability = chosen.probability(frame_of(parts.calibration, inputs))
    population = parts.labelled["validation"] / len(parts.split.validation)
    threshold, met = choose_threshold(parts.calibration.churned, probability, problem, population)
    prepared = chosen.candidate.pipeline.named_steps["prepare"].transform(frame_of(parts.train, inputs))
    return ChurnModel(
        kind=choice.champion,
        pipeline=chosen.candidate.pipeline,
        inputs=tuple(inputs),
        calibration=chosen.calibration,
        threshold=threshold,
        problem=problem,
        prepared_means=pd.DataFrame(prepared).mean().fillna(0.0).to_numpy(),
        facts={"threshold_rule_met": met, "selection": choice.table, "seed": problem.seed},
    )


def origin(build: Path, catalog: Catalog, parts: Parts, left_out: dict[str, str]) -> dict[str, Any]:
    """Where the model comes from."""
    card = read_build_card(build)
    types = {field.name: str(field.type) for field in parts.train.table.schema}
    return {
        "build_id": card["build_id"],
        "data_clock": card["data_clock"],
        "service_hash": catalog.hash(),
        "features": {name: types[name] for name in catalog.feature_names},
        "left_out": left_out,
        "split": parts.split.as_dict(),
        "labelled_rows": parts.labelled,
        "dataset": fingerprint(
            part.table for part in (parts.train, parts.selection, parts.calibration, parts.test)
        ),
        "code": code_version(),
        "parts": {
            part.name: part.facts() for part in (parts.train, parts.selection, parts.calibration, parts.test)
        },
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
    }


def keep(
    model: ChurnModel, ready: list[Fitted], parts: Parts, home: Home, build: Path, promotion: str
) -> dict[str, Any]:
    """Judge on the test part, write everything beside the older models, then let it go with the build."""
    frame = frame_of(parts.test, list(model.inputs))
    probabilities = {each.candidate.name: each.probability(frame) for each in ready}
    verdict = judge(parts.test, probabilities, model.kind, model.threshold, model.problem.seed)
    decision = decide(build, model, parts.test, promotion)
    home.models.mkdir(parents=True, exist_ok=True)
    discard_unfinished(home.models)
    name = next_name(home.models, "model")
    unfinished = home.models / f"{name}.unfinished"
    unfinished.mkdir()
    pq.write_table(test_table(parts.test, probabilities), unfinished / TEST)
    facts = {"model_version": name, "champion": model.kind} | model.facts
    facts |= {"test": verdict, "promotion": decision.as_dict()}
    write_model(replace(model, facts=facts), unfinished)
    sync_tree(unfinished)
    unfinished.rename(home.models / name)
    sync_folder(home.models)
    promote(build, home.models / name, decision)
    return facts | {"threshold": model.threshold, "problem": model.problem.as_dict()}
