"""Scores with reasons, customers a second by kind of model; beside them the boosters' own Shapley values.

Inputs in, probability, decision, band and three reasons in words out: what 'churn score' does after it has
read the features. Writes benchmarks/reasons.json, which docs/training.md shows. Example: python -m
benchmarks.reasons
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

import click
import numpy as np

from benchmarks.machine import machine
from benchmarks.training_rows import inputs_of, made_rows
from ml.common.paths import ROOT
from ml.common.progress import Progress
from ml.config.problem import Problem
from ml.explain.contributions import column_contributions, contributions
from ml.explain.reason_text import Wording, reasons_of
from ml.model.calibration import Calibration
from ml.model.churn_model import ChurnModel
from ml.model.inputs import typical
from ml.train.candidates import Candidate, candidates
from ml.train.folds import LabelledRows

RESULTS = ROOT / "benchmarks" / "reasons.json"
FEATURES = 45
TRAINING_ROWS = 80_000  # of a shop of 20,000 customers
SUBJECTS = ("orders", "support", "engagement", "profile")


def fitted(candidate: Candidate, rows: LabelledRows) -> ChurnModel:
    """The candidate with its usual settings, fitted to all rows."""
    churned = rows.labels.astype(int)
    prepare = candidate.pipeline.named_steps["prepare"]
    prepared = prepare.fit_transform(rows.frame, churned)
    candidate.pipeline.named_steps["model"].fit(prepared, churned)
    inputs = [replace(each, typical=typical(rows.frame[each.name].to_numpy())) for each in inputs_of(rows)]
    return ChurnModel(
        kind=candidate.name,
        pipeline=candidate.pipeline,
        inputs=tuple(inputs),
        problem=Problem(),
        prepared_means=np.asarray(prepared, dtype=np.float64).mean(axis=0),
        facts={"model_version": "model"},
        calibration=Calibration(0.0, 1.0),
        threshold=0.5,
    )


def rate(work: Callable[[], Any], customers: int, repeats: int) -> int:
    """Customers a second, the median of repeated runs after one that is not counted."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return round(customers / median(seconds))


def measured(model: ChurnModel, rows: LabelledRows, repeats: int) -> dict[str, Any]:
    """Customers a second of one kind: scores with reasons, the values alone, and the library's own values."""
    frame, count = rows.frame, len(rows.labels)
    words = [
        Wording(each, f"The number {each.name}", None, SUBJECTS[place % len(SUBJECTS)])
        for place, each in enumerate(model.inputs)
    ]
    prepared = np.asarray(model.pipeline.named_steps["prepare"].transform(frame), dtype=np.float64)

    def whole() -> None:
        raw = model.raw(frame)
        model.scores(frame, raw)
        reasons_of(model, frame, contributions(model, frame, raw), words)

    rates = {
        "with_reasons": rate(whole, count, repeats),
        "values": rate(lambda: column_contributions(model, prepared), count, repeats),
    }
    own = library_values(model.pipeline.named_steps["model"], prepared)
    return rates | ({"values_of_the_library": rate(own, count, repeats)} if own else {})


def library_values(estimator: Any, prepared: np.ndarray) -> Callable[[], Any] | None:
    """The booster's own Shapley values, on as many threads as it takes."""
    match type(estimator).__name__:
        case "XGBClassifier":
            from xgboost import DMatrix

            booster = estimator.get_booster()
            booster.set_param({"nthread": 0})
            return lambda: booster.predict(DMatrix(prepared), pred_contribs=True)
        case "LGBMClassifier":
            return lambda: estimator.booster_.predict(prepared, pred_contrib=True, num_threads=0)
    return None


@click.command()
@click.option("--customers", default=20_000, show_default=True)
@click.option("--repeats", default=5, show_default=True)
def main(customers: int, repeats: int) -> None:
    """Measure scores with reasons; writes benchmarks/reasons.json."""
    progress, kinds = Progress(), {}
    learned, scored = made_rows(TRAINING_ROWS, FEATURES), made_rows(customers, FEATURES, seed=3)
    for candidate in candidates(inputs_of(learned), Problem(), TRAINING_ROWS):
        kinds[candidate.name] = measured(fitted(candidate, learned), scored, repeats)
        progress.say(f"{candidate.name}: {kinds[candidate.name]['with_reasons']:,} customers a second")
    results = {"machine": machine(), "customers": customers, "features": FEATURES, "repeats": repeats}
    RESULTS.write_text(
        json.dumps(results | {"training_rows": TRAINING_ROWS, "kinds": kinds}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
