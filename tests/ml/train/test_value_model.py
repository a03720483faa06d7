"""A regression from labels to scores: customer value beside churn in one home, each by its own problem."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import ProblemError, UsageError
from ml.config.problem import read_problem
from ml.evaluate import evaluate
from ml.explain.contributions import explain
from ml.explore import explore
from ml.features.dataset import dataset
from ml.features.label_models import labels_of_build
from ml.home.layout import Home
from ml.ingest import ingest
from ml.model.fitted_model import raw_prediction
from ml.model.model_files import read_model, write_model
from ml.reports import report
from ml.score import score
from ml.train import train
from ml.train.champion_choice import Choice
from ml.train.repeat import repeat
from ml.train.training import make_champion, run_training
from ml.warehouse import build
from tests.reference.labels import data_clock, orders_delivered_until, reference_labels, reference_values
from tests.worlds import Built

pytestmark = pytest.mark.subjects("dbt_project/models/marts/labels", "ml/train", "ml/model", "ml/evaluate")

VALUE = """
label: label_customer_value
task: regression
horizon_days: 60
cutoff_every_days: 14
burn_in_days: 0
candidates: [mean, gamma_gamma, linear, tweedie, random_forest, hist_gradient_boosting, xgboost, lightgbm]
tuning: {trials: 0}
training_rows_max: 3000
"""
CHURN = """
candidates: [prior, recency_rule, logistic_regression]
tuning: {trials: 0}
training_rows_max: 2000
"""


@pytest.fixture(scope="module")
def made(shop: Built, tmp_path_factory: pytest.TempPathFactory) -> tuple[Built, dict[str, Any]]:
    """The shop built for both problems, with the champion of each."""
    folder = tmp_path_factory.mktemp("value")
    (folder / "churn.yml").write_text(CHURN)
    (folder / "value.yml").write_text(VALUE)
    home = folder / "home"
    ingest(str(shop.raw), home=home)
    build(home=home, problem=folder / "churn.yml")
    build(home=home, problem=folder / "value.yml")
    train(home=home, problem=folder / "churn.yml")
    return Built(shop.raw, home), train(home=home, problem=folder / "value.yml")


def file_of(made: Built, name: str) -> Path:
    return made.home.parent / f"{name}.yml"


def test_one_build_has_the_labels_of_both_problems(made: tuple[Built, dict[str, Any]]) -> None:
    world, _ = made
    clock = data_clock(world.raw)
    delivered = orders_delivered_until(world.raw, clock)

    def published(label: str) -> set[tuple]:
        files = f"'{world.build}/labels/{label}/*.parquet'"
        return set(duckdb.sql(f"select customer_id, event_timestamp, label from {files}").fetchall())

    churn = {row for row in reference_labels(world.raw, clock) if row[1] <= delivered - timedelta(days=30)}
    value = reference_values(world.raw, clock, horizon_days=60, cutoff_every_days=14)
    value = {row for row in value if row[1] <= delivered - timedelta(days=60)}
    assert published("label_customer_churn") == churn
    assert published("label_customer_value") == value
    assert len(value) > 1_000


def test_an_unchanged_problem_of_one_label_leaves_the_other_build_incremental(
    made: tuple[Built, dict[str, Any]],
) -> None:
    """Both problems are among what the build was made with."""
    manifest = json.loads((made[0].build / "build.json").read_text())
    assert manifest["problem"]["horizon_days"] == 30
    assert manifest["label_terms"]["label_customer_value"]["horizon_days"] == 60


def test_the_champion_is_better_than_the_mean_and_its_intervals_hold(
    made: tuple[Built, dict[str, Any]],
) -> None:
    _, result = made
    assert result["champion"] != "mean"
    assert result["better_than_chance"]
    assert result["test"]["champion_minus"]["mean"]["deviance"]["high"] < 0
    assert result["test"]["candidates"][result["champion"]]["gini"]["low"] > 0.3
    covered = result["test"]["intervals"]["covered"]
    assert covered["low"] <= 0.93
    assert covered["high"] >= 0.87
    assert result["promotion"]["promoted"]


def test_the_figures_are_those_of_the_rows_kept_beside_the_model(made: tuple[Built, dict[str, Any]]) -> None:
    world, result = made
    rows = pq.read_table(Home.at(world.home).current_model("value") / "test.parquet").to_pandas()
    error = rows[result["champion"]] - rows["label"]
    figures = result["test"]["candidates"][result["champion"]]
    assert figures["rmse"]["value"] == pytest.approx(np.sqrt((error**2).mean()))
    assert figures["mae"]["value"] == pytest.approx(error.abs().mean())
    assert result["test"]["mean"] == pytest.approx(rows["label"].mean())
    assert sum(tenth["rows"] for tenth in result["test"]["tenths"]) == len(rows)


def test_scores_have_an_interval_and_reasons(
    made: tuple[Built, dict[str, Any]],
) -> None:
    world, result = made
    values = score(home=world.home, problem=file_of(world, "value"))
    assert values.column_names == [
        *("customer_id", "event_timestamp", "predicted_value", "value_low", "value_high"),
        *("reasons", "model_version", "build_id"),
    ]
    rows = values.to_pylist()
    assert {row["model_version"] for row in rows} == {result["model_version"]}
    assert all(0 <= row["value_low"] <= row["predicted_value"] <= row["value_high"] for row in rows)
    assert all(len(row["reasons"]) <= 3 for row in rows)
    assert {reason.split(" it: ")[0] for row in rows for reason in row["reasons"]} <= {"raises", "lowers"}
    churn = score(home=world.home, problem=file_of(world, "churn"))
    assert churn.column("customer_id").to_pylist() == values.column("customer_id").to_pylist()
    assert set(churn.column("model_version").to_pylist()) == {"model-000001"}
    alone = score([rows[3]["customer_id"]], home=world.home, problem=file_of(world, "value"))
    assert alone.to_pylist() == [rows[3]]


def test_every_candidate_is_loaded_as_it_was_saved_and_its_contributions_add_up(
    made: tuple[Built, dict[str, Any]], tmp_path: Path
) -> None:
    world, _ = made
    problem = read_problem(file_of(world, "value"))
    training = run_training(
        world.build, problem, world.home, SilentBar(), own=labels_of_build(world.build, problem)
    )
    table = training.parts.test.table.slice(0, 200)
    for fitted in training.candidates:
        name = fitted.candidate.name
        model = make_champion(training.candidates, Choice(name, []), training.parts, training.inputs, problem)
        explanation = explain(model, model.frame(table))
        assert explanation.largest_gap < 1e-4, name
        assert (np.abs(explanation.values).sum() > 0) == (name != "mean"), name
        (tmp_path / name).mkdir()
        write_model(model, tmp_path / name)
        frame = model.frame(table)
        np.testing.assert_array_equal(
            raw_prediction(read_model(tmp_path / name).pipeline, frame), raw_prediction(model.pipeline, frame)
        )


class SilentBar:
    """A progress bar that shows nothing."""

    def step(self, *_: Any, **__: Any) -> None: ...

    def set_to(self, *_: Any, **__: Any) -> None: ...


def test_a_repeated_training_gives_the_same_model(made: tuple[Built, dict[str, Any]]) -> None:
    world, result = made
    again = repeat(result["model_version"], home=world.home)
    assert again["differences"] == []
    assert again["same"]


def test_evaluation_report_and_data_set(made: tuple[Built, dict[str, Any]], tmp_path: Path) -> None:
    world, result = made
    problem = file_of(world, "value")
    found = evaluate(home=world.home, problem=problem, plots=tmp_path)
    assert found["task"] == "regression"
    assert found["answer"].startswith("The model explains ")
    assert [path.name for path in tmp_path.iterdir()] == ["tenths.png"]
    assert {row["feature"] for row in found["evidence"]["importance"]} >= {"days_since_last_order"}
    page = report(home=world.home, problem=problem, out=tmp_path / "card.html")
    text = (tmp_path / "card.html").read_text()
    assert page["model_version"] == result["model_version"]
    assert "Whether its amounts are true" in text
    dataset(tmp_path / "rows.parquet", home=world.home, problem=problem)
    assert pq.read_schema(tmp_path / "rows.parquet").names[:4] == [
        *("customer_id", "event_timestamp", "label", "split")
    ]


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["score"], "expected in all"),
        (["evaluate"], "Tweedie deviance: "),
        (["train", "--promote", "better"], "mean amount"),
    ],
)
def test_commands_speak_of_amounts(
    command: list[str], shown: str, made: tuple[Built, dict[str, Any]]
) -> None:
    world, _ = made
    arguments = [*command, "--home", str(world.home), "--problem", str(file_of(world, "value"))]
    ran = CliRunner().invoke(main, arguments)
    assert (ran.exit_code, shown in ran.output) == (0, True), ran.output


def test_what_is_only_for_churn_is_refused(made: tuple[Built, dict[str, Any]]) -> None:
    world, _ = made
    problem = file_of(world, "value")
    with pytest.raises(UsageError, match="--actions follow from the bands of a churn probability"):
        score(home=world.home, problem=problem, actions=True)
    with pytest.raises(UsageError, match="churn explore describes who churns"):
        explore(home=world.home, problem=problem)


def test_the_saved_model_has_its_intervals(made: tuple[Built, dict[str, Any]]) -> None:
    world, result = made
    model = read_model(Home.at(world.home).current_model("value"))
    assert model.own_facts() == {"intervals": result["intervals"], "lowest": 0.0}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "label: label_customer_value\n",
            r"line 1: label_customer_value is an amount; add the line task",
        ),
        ("task: regression\n", r"line 1: label_customer_churn is no amount; add the line label: label_cust"),
        ("metric: rmse\n", r"line 1: not of a classification: metric; leave that out"),
        (
            "label: label_customer_value\ntask: regression\nmetric: log_loss\ncandidates: [prior]\n",
            r"line 3: not of a regression: metric, candidates; leave that out, or take metrics of deviance",
        ),
        ("task: ranking\n", r"line 1: task is 'ranking'; it must be one of classification, regression"),
    ],
)
def test_a_problem_of_the_other_task_is_named(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "problem.yml").write_text(text)
    with pytest.raises(ProblemError, match=sentence):
        read_problem(tmp_path / "problem.yml")
