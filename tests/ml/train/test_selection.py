"""Selection of inputs: planted noise goes, what tells stays, and every choice is recorded."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from ml.model.inputs import Input
from ml.train.folds import Fold, LabelledRows
from ml.train.input_selection import select
from tests.ml.conftest import PROBLEM

NAMES = ["telling", "days_since_last_order", *(f"noise_{number}" for number in range(8))]
INPUTS = [Input(name, "number", "double", 0.0) for name in NAMES]


def rows(seed: int, start: str) -> LabelledRows:
    """Churn follows two inputs; eight are noise."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(4000, len(NAMES)))
    churned = (1.5 * values[:, 0] + values[:, 1] + random.logistic(size=4000) > 0).astype(float)
    customers = np.array([f"c{number % 1000}" for number in range(4000)], dtype=object)
    at = np.full(4000, np.datetime64(start, "us"))
    return LabelledRows(pd.DataFrame(values, columns=NAMES), churned, customers, at)


@pytest.fixture
def folds() -> list[Fold]:
    gap = timedelta(days=30)
    first = Fold(rows(11, "2024-01-01"), rows(12, "2024-03-01"), gap)
    return [first, Fold(rows(3, "2024-03-01"), rows(4, "2024-06-01"), gap, last=True)]


@pytest.mark.parametrize("how", ["l1", "elimination"])
def test_noise_goes_and_what_tells_stays(folds: list[Fold], how: str) -> None:
    stay, narrowed, left_out = select(INPUTS, folds, replace(PROBLEM, selection=how), lambda title: None)
    names = [each.name for each in stay]
    assert names[:2] == ["telling", "days_since_last_order"]
    assert len(left_out) >= 4
    assert set(left_out) == set(NAMES) - set(names)
    assert set(left_out.values()) == {f"not needed, says {how}"}
    assert [list(fold.train.frame.columns) for fold in narrowed] == [names, names]


def test_none_leaves_all(folds: list[Fold]) -> None:
    stay, same, left_out = select(INPUTS, folds, PROBLEM, lambda title: None)
    assert (stay, same, left_out) == (INPUTS, folds, {})
