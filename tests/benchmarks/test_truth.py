"""The distance from the truth: none of the truth itself; by hand for a few rows; its mean over labels."""

import json

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.origins import RESULTS as ORIGINS
from benchmarks.reasons import RESULTS as REASONS
from benchmarks.training import PAGE
from benchmarks.training import RESULTS as TRAINING
from benchmarks.training_page import page
from benchmarks.truth import RESULTS, distance, expected_gap


def test_the_page_is_that_of_the_figures() -> None:
    figures = [json.loads(file.read_text()) for file in (TRAINING, REASONS, RESULTS, ORIGINS)]
    assert PAGE.read_text() == page(*figures)


def rows_of(truth: np.ndarray, model: np.ndarray, churned: np.ndarray) -> pa.Table:
    names = [f"c{number // 3}" for number in range(len(truth))]
    return pa.table({"customer_id": names, "churned": churned, "best": model, "true_probability": truth})


def test_the_truth_is_no_distance_from_itself() -> None:
    random = np.random.default_rng(1)
    truth = random.random(300)
    found = distance(rows_of(truth, truth**3, (random.random(300) < truth).astype(int)), "best")
    assert found["gap"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["expected_gap"] == 0.0


def test_by_hand() -> None:
    """Shares .8, .6, .1: of pairs of a churner and another, each with its weight, ties half."""
    truth, model = np.array([0.8, 0.6, 0.1]), np.array([0.3, 0.6, 0.1])

    def area(score: np.ndarray) -> float:
        right = sum(
            truth[one] * (1 - truth[two]) * ((score[one] > score[two]) + 0.5 * (score[one] == score[two]))
            for one in range(3)
            for two in range(3)
        )
        return right / (truth.sum() * (1 - truth).sum())

    expected = area(truth) - area(model)
    assert expected > 0.01
    assert expected_gap({"truth": truth, "model": model}) == pytest.approx(expected)


def test_the_expected_gap_is_the_mean_over_what_might_have_happened() -> None:
    random = np.random.default_rng(2)
    truth = random.random(600)
    model = np.clip(truth + random.normal(0, 0.2, 600), 0, 1)
    gaps = [
        distance(rows_of(truth, model, (random.random(600) < truth).astype(int)), "best")["gap"]["value"]
        for _ in range(60)
    ]
    error = np.std(gaps, ddof=1) / np.sqrt(len(gaps))
    assert expected_gap({"truth": truth, "model": model}) == pytest.approx(np.mean(gaps), abs=4 * error)
