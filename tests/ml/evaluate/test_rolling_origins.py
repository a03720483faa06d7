"""Trainings as of earlier instants: what they learn from, what they are judged on; none sees the future."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from click.testing import CliRunner
from sklearn.metrics import log_loss, roc_auc_score

from ml.cli import main
from ml.common.errors import UsageError
from ml.common.instants import format_instant
from ml.config.problem import CUSTOMER_VALUE, REGRESSION, Problem
from ml.evaluate.rolling_origins import (
    METRICS,
    MODEL,
    JudgedRows,
    Origin,
    judge_origins,
    origins_of,
    rolling_origins,
)
from ml.features.label_models import every_label
from ml.home.layout import Home
from ml.home.test_set_log import FILE, ORIGINS, parse_lines
from tests.ml.conftest import PROBLEM
from tests.ml.synthetic_build import START, relabel, write_build

pytestmark = pytest.mark.subjects("ml/train", "ml/evaluate")
FEW = replace(PROBLEM, candidates=("logistic_regression",), training_rows_max=100_000)
WINDOW = timedelta(days=28)


def judged_origins(build: Path, number: int) -> Any:
    return judge_origins(build, FEW, every_label(build, FEW), number)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("origins")
    write_build(folder, customers=200)
    return folder


@pytest.fixture(scope="module")
def judged(home: Path) -> list[tuple[Origin, JudgedRows]]:
    found = list(judged_origins(Home.at(home).current_build(), 2))
    assert not [each for each in found if isinstance(each, str)]
    return found  # type: ignore[return-value]


def test_origins_are_the_last_cutoffs_28_days_apart() -> None:
    stamps = pa.array([START + timedelta(weeks=week) for week in range(20)], pa.timestamp("us"))
    labels = pa.table({"event_timestamp": stamps})
    windows = origins_of(labels, 3, Problem())
    assert [[(each - START).days // 7 for each in window] for window in windows] == [
        [8, 9, 10, 11],
        [12, 13, 14, 15],
        [16, 17, 18, 19],
    ]
    assert len(origins_of(labels, 6, Problem())) == 4  # the first of all leaves nothing to learn from


def test_each_learns_what_was_settled_and_is_judged_on_what_followed(
    home: Path, judged: list[tuple[Origin, JudgedRows]]
) -> None:
    labels = every_label(Home.at(home).current_build(), FEW)
    stamps = labels.column("event_timestamp").to_pylist()
    cutoffs = sorted(set(stamps))
    for origin, rows in judged:
        at = next(cutoff for cutoff in cutoffs if format_instant(cutoff) == origin.at)
        settled = [cutoff for cutoff in cutoffs if cutoff + timedelta(days=30) <= at]
        burn_in = min(sum(cutoff < settled[0] + timedelta(days=120) for cutoff in settled), len(settled) // 4)
        learned = set(settled[burn_in:])
        assert origin.learned == sum(stamp in learned for stamp in stamps)
        assert origin.rows == sum(at <= stamp < at + WINDOW for stamp in stamps)
        part, probability = rows.part, rows.probabilities[MODEL]
        assert len(part.table) == len(probability) == origin.rows
        assert origin.measures[MODEL]["roc_auc"] == pytest.approx(roc_auc_score(part.labels, probability))
        assert origin.measures[MODEL]["log_loss"] == pytest.approx(log_loss(part.labels, probability))


def test_no_label_after_the_origin_is_seen(
    home: Path, judged: list[tuple[Origin, JudgedRows]], tmp_path: Path
) -> None:
    """Every label that was not settled at the first origin is turned round: its model says the same."""
    build = write_build(tmp_path, customers=200)
    origin, rows = judged[0]
    horizon = f"event_timestamp + interval 30 day > timestamp '{origin.at.removesuffix('Z')}'"
    relabel(build, f"case when {horizon} then 1 - churned else churned end")
    _, same = next(iter(judged_origins(build, 2)))  # type: ignore[misc]
    assert np.array_equal(same.probabilities[MODEL], rows.probabilities[MODEL])
    assert np.array_equal(same.part.labels, 1 - rows.part.labels)
    # One settled label more, turned round, and it does not.
    settled = (
        f"event_timestamp + interval 30 day = timestamp '{origin.at.removesuffix('Z')}' - interval 5 day"
    )
    relabel(build, f"case when {settled} then 1 - churned else churned end")
    _, other = next(iter(judged_origins(build, 2)))  # type: ignore[misc]
    assert not np.array_equal(other.probabilities[MODEL], rows.probabilities[MODEL])


def test_all_origins_together_and_a_look_at_them(home: Path) -> None:
    result = rolling_origins(2, home=home, problem=FEW)
    assert [each.champion for each in result.origins] == ["logistic_regression"] * 2
    assert set(result.measures[MODEL]) == set(METRICS)
    for interval in result.measures[MODEL].values():
        assert interval["low"] <= interval["high"]
    looks = [look for look in parse_lines((home / FILE).read_bytes()) if look["why"] == ORIGINS]
    assert [(look["cutoffs"], look["first"]) for look in looks] == [(8, result.origins[0].at)]


def test_the_command_says_it_in_a_table(home: Path, tmp_path: Path) -> None:
    problem = tmp_path / "problem.yml"
    problem.write_text("candidates: [recency_rule]\ntuning: {trials: 0}\n")
    words = ["evaluate", "--origins", "2", "--home", str(home), "--problem", str(problem)]
    shown = CliRunner().invoke(main, words)
    assert shown.exit_code == 0, shown.output
    assert "as of" in shown.output
    assert len([line for line in shown.output.splitlines() if line.startswith("2023-")]) == 2
    assert "95 % intervals drawn by customer" in shown.output
    as_json = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    assert len(as_json["origins"]) == 2
    assert as_json["measures"][MODEL]["roc_auc"]["value"] > 0.5


@pytest.mark.parametrize("number", [1, 51])
def test_a_number_outside_the_range_is_one_sentence(home: Path, number: int) -> None:
    with pytest.raises(UsageError, match=f"origins can be 2 to 50, not {number}"):
        rolling_origins(number, home=home, problem=FEW)


def test_amounts_are_refused(home: Path) -> None:
    amounts = Problem(label=CUSTOMER_VALUE, task=REGRESSION, metric="deviance", candidates=("mean",))
    with pytest.raises(UsageError, match="rolling origins judge probabilities"):
        rolling_origins(2, home=home, problem=amounts)


def test_options_of_the_deep_evidence_do_not_go_with_it(home: Path) -> None:
    shown = CliRunner().invoke(main, ["evaluate", "--origins", "2", "--anew", "--home", str(home)])
    assert (shown.exit_code, "--origins goes with neither" in shown.output) == (2, True)


def test_a_history_too_short_for_so_many_says_so(home: Path) -> None:
    build = Home.at(home).current_build()
    cutoffs = len(pc.unique(every_label(build, FEW).column("event_timestamp")))
    found = list(judged_origins(build, 40))
    origins = (cutoffs - 1) // 4
    assert found[0] == f"the labelled history has {origins} origins of the 40, 28 days apart"
    assert isinstance(found[1], str)
    assert found[1].startswith("nothing could be trained as of 2023-")
