"""Made-up labelled rows for timing, and the two jobs that are timed; each runs in a process of its own."""

import json
import sys
import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd

from ml.common.sampling import in_first_half
from ml.config.problem import Problem
from ml.model.inputs import NUMBER, TEXT, Input
from ml.train.candidates import Candidate, candidates
from ml.train.fitting import PreparedRows, fit
from ml.train.folds import Fold, LabelledRows, earlier_folds
from ml.train.refit import refit_all
from ml.train.trials import try_all

CUTOFFS = 40
WEEK = np.timedelta64(7, "D")
ORDERS = ("orders_placed_lifetime", "days_since_first_order", "days_since_last_order", "overdue_ratio")
CITIES = ("Bergen", "Lyon", "Turin", "Porto")
GAP = timedelta(days=30)
BOOSTED, EVERY = "boosted", "every"


def made_rows(rows: int, features: int, seed: int = 1) -> LabelledRows:
    """Rows of so many features: a history of orders, a text, and numbers of which every fifth has nulls."""
    random = np.random.default_rng(seed)
    placed = random.integers(1, 40, rows).astype(np.float64)
    age = placed * random.uniform(5, 40, rows)
    silence = np.minimum(random.exponential(30, rows), age)
    overdue = silence * placed / age
    columns = dict(zip(ORDERS, (placed, age, silence, overdue), strict=True))
    score = np.log(overdue + 0.1)
    for number in range(features - len(ORDERS) - 1):
        values = random.standard_gamma(2.0, rows)
        score += 0.02 * number * (values - 2) / 10
        if number % 5 == 0:
            values[random.random(rows) < 0.2] = np.nan
        columns[f"number_{number:02d}"] = values
    frame = pd.DataFrame(columns, copy=False)
    frame["city"] = np.array(CITIES, dtype=object)[random.integers(0, len(CITIES), rows)]
    churned = (score + random.logistic(size=rows) > 0).astype(np.float64)
    customers = max(1, rows // CUTOFFS)
    names = np.array([f"c{number}" for number in range(customers)], dtype=object)
    at = np.datetime64("2023-01-02", "us") + WEEK * np.sort(np.arange(rows) % CUTOFFS)
    return LabelledRows(frame, churned, names[np.arange(rows) % customers], at)


def inputs_of(asked: LabelledRows) -> list[Input]:
    """The inputs of made-up rows."""
    return [
        Input(name, TEXT if name == "city" else NUMBER, "", 0.0, len(CITIES) if name == "city" else 0)
        for name in asked.frame.columns
    ]


def boosted(asked: LabelledRows) -> dict[str, float]:
    """Preparation and both fits of the boosted candidates, seconds each."""
    found = {}
    problem = Problem()
    for candidate in candidates(inputs_of(asked), problem, len(asked.labels)):
        if candidate.name in ("xgboost", "lightgbm"):
            start = time.perf_counter()
            fit_alone(candidate, asked)
            found[candidate.name] = round(time.perf_counter() - start, 2)
    return found


def fit_alone(candidate: Candidate, asked: LabelledRows) -> None:
    """As the last fold does."""
    churned = asked.labels.astype(int)
    preparation = candidate.pipeline.named_steps["prepare"]
    values = preparation.fit_transform(asked.frame, churned)
    fit(candidate, preparation, PreparedRows(values, churned, asked.at, GAP))


def every(asked: LabelledRows) -> dict[str, float]:
    """The whole candidate set with its usual settings, in three folds and anew; seconds by candidate."""
    last = np.unique(asked.at)[-CUTOFFS // 5]
    later = asked.take(asked.at >= last)
    chooses = np.array([in_first_half(customer, 17) for customer in later.customers])
    train = asked.take(asked.at + np.timedelta64(GAP) <= last)
    folds = [
        *list(earlier_folds(train, CUTOFFS // 5, GAP))[::-1],
        Fold(train, later.take(chooses), GAP, last=True),
    ]
    contenders = candidates(inputs_of(asked), replace(Problem()), len(train.labels))
    begun: list[tuple[str, float]] = []

    def step(title: str) -> None:
        begun.append((title.split()[1].strip(","), time.perf_counter()))

    trials = try_all(contenders, folds, replace(Problem(), seed=17), step)
    refit_all(trials, folds, later.take(~chooses), Problem(), step)
    ends = [start for _, start in begun[1:]] + [time.perf_counter()]
    found = dict.fromkeys((each.name for each in contenders), 0.0)
    for (name, start), end in zip(begun, ends, strict=True):
        found[name] = round(found[name] + end - start, 2)
    return found


if __name__ == "__main__":
    job, number, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps((boosted if job == BOOSTED else every)(made_rows(number, width))))
