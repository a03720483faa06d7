"""A model that ranks no better than chance: every command says so and ends with 1."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from ml.cli import main
from ml.common.errors import ModelError
from ml.evaluate.metric_names import answer
from ml.metrics.chance import (
    NO_BETTER_THAN_CHANCE,
    check_better_than_chance,
    ranks_better_than_chance,
)
from ml.score.scoring import score
from tests.ml.conftest import PROBLEM
from tests.ml.synthetic_build import relabel, write_build

SENTENCE = f"churn: {NO_BETTER_THAN_CHANCE}"
STATED = {"candidates": ["prior", "recency_rule", "logistic_regression"], "tuning": {"trials": 0}}


def manifest(champion: str, low: float) -> dict[str, Any]:
    """What a manifest says of a champion whose test ROC-AUC has this lower limit."""
    auc = {"value": low + 0.1, "low": low, "high": low + 0.2}
    return {
        "model_version": "model-000001",
        "champion": champion,
        "test": {"candidates": {champion: {"roc_auc": auc}}},
    }


@pytest.mark.parametrize(
    ("champion", "low", "better"),
    [("xgboost", 0.501, True), ("xgboost", 0.5, False), ("xgboost", 0.4, False), ("prior", 0.6, False)],
)
def test_the_verdict_is_that_of_the_interval_and_no_prior_passes(
    champion: str, low: float, better: bool
) -> None:
    assert ranks_better_than_chance(manifest(champion, low)) is better


def test_scores_of_a_useless_model_are_refused_by_name() -> None:
    check_better_than_chance(manifest("xgboost", 0.6))
    with pytest.raises(ModelError, match="model-000001: no model ranks better than chance"):
        check_better_than_chance(manifest("prior", 0.5))


def test_the_answer_counts_pairs_calls_and_finds() -> None:
    measures = {"roc_auc": {"value": 0.8412, "low": 0.8, "high": 0.9}}
    decision = {"listed": {"value": 0.312}, "recall": {"value": 0.794}}
    evidence = {"champion": "xgboost", "candidates": {"xgboost": measures}, "decision": decision}
    said = answer(manifest("xgboost", 0.8), evidence)
    assert said == "The model ranks 84 of 100 pairs right; calling 31% finds 79% of those who leave."
    nobody = evidence | {"decision": {"listed": {"value": 0.0}, "recall": {"value": 0.0}}}
    assert answer(manifest("xgboost", 0.8), nobody).endswith("right; it calls no one.")
    assert answer(manifest("xgboost", 0.5), evidence) == (
        "No model ranks better than chance; do not use these scores."
    )


@pytest.fixture(scope="module")
def hopeless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose labels were drawn by lot, with the problem file beside its builds."""
    home = tmp_path_factory.mktemp("hopeless")
    relabel(write_build(home), "hash(customer_id || event_timestamp::varchar || 'lot') % 2")
    (home / "problem.yml").write_text(yaml.safe_dump(STATED))
    return home


def churn(home: Path, *words: str) -> Result:
    """One command in the home."""
    return CliRunner().invoke(main, [*words, "--home", str(home), "--problem", str(home / "problem.yml")])


def test_every_command_says_it_and_ends_with_one(hopeless: Path) -> None:
    trained = churn(hopeless, "train", "--json")
    result = json.loads(trained.stdout)
    assert (trained.exit_code, result["better_than_chance"]) == (1, False)
    assert trained.stderr.splitlines()[-1] == SENTENCE

    evaluated = churn(hopeless, "evaluate")
    assert (evaluated.exit_code, evaluated.stderr.splitlines()[-1]) == (1, SENTENCE)
    assert evaluated.stdout.startswith("No model ranks better than chance; do not use these scores.\n")
    assert "lists" not in evaluated.stdout

    scored = churn(hopeless, "score", "--out", str(hopeless / "scores.csv"), "--actions")
    assert scored.exit_code == 1
    assert "no model ranks better than chance; do not use these scores" in scored.stderr
    assert not (hopeless / "scores.csv").exists()

    reported = churn(hopeless, "report", "--out", str(hopeless / "card.html"))
    assert (reported.exit_code, reported.stderr.splitlines()[-1]) == (1, SENTENCE)
    page = (hopeless / "card.html").read_text()
    assert "No model ranks better than chance; do not use these scores." in page
    assert "No list and no actions" in page
    assert "of the customers are listed" not in page

    looked = churn(hopeless, "doctor", "--json")
    states = {check["check"]: check for check in json.loads(looked.stdout)["checks"]}
    assert looked.exit_code == 1
    assert states["model"] == {
        "check": "model",
        "state": "broken",
        "detail": "model-000001: no model ranks better than chance; do not use these scores",
    }


def test_a_champion_that_ranks_keeps_its_scores(trained: tuple[Path, dict[str, Any]]) -> None:
    home, result = trained
    assert result["better_than_chance"] is True
    assert len(score(home=home, problem=PROBLEM)) > 0
