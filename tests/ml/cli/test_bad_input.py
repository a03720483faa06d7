"""Labels and features that cannot teach: each is one sentence and the right status, and nothing is kept."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.config.problem import Problem, Tuning
from ml.features.training_parts import read_parts
from ml.home.layout import Home
from ml.model.model_files import read_model
from ml.train import train
from ml.train.folds import LabelledRows, make_folds
from tests.ml.synthetic_build import relabel, write_build

NAMES = ("prior", "recency_rule", "logistic_regression")
SMALL = replace(Problem(), candidates=NAMES, tuning=Tuning(trials=0), training_rows_max=1500)
LABELS = "labels/label_customer_churn"
WHEN = "event_timestamp {} timestamp '2023-{}'"
STAYED_IN_TEST = WHEN.format("<", "09-20") + " and churned = 1"
STAYED_IN_VALIDATION = "churned = 1 and not event_timestamp between timestamp '2023-07-01' and '2023-09-10'"
INFINITE = {"never_filled": "case when random() < 0.1 then 'inf'::double end"}


def said(home: Path, *words: str) -> tuple[int, list[str]]:
    """The status of a command, and what it says of the mistake."""
    file = home / "small.yml"
    file.write_text(
        f"candidates: [{', '.join(NAMES)}]\ntuning: {{trials: 0}}\ntraining_rows_max: 1500\n", "utf-8"
    )
    asked = [*words, "--home", str(home), "--problem", str(file)]
    found = CliRunner().invoke(main, asked)
    return found.exit_code, found.stderr.strip().splitlines()


@pytest.mark.parametrize(
    ("churned", "where", "changes", "words"),
    [
        ("0", "true", {}, "the train rows hold only churned = 0: each part needs both"),
        ("1", "true", {}, "the train rows hold only churned = 1: each part needs both"),
        (STAYED_IN_TEST, "true", {}, "the test rows hold only churned = 0: each part needs both"),
        (STAYED_IN_VALIDATION, "true", {}, "the selection rows hold only churned = 0: each part needs both"),
        ("churned", "false", {}, "0 labelled cut-offs are too few for training, validation and test"),
        ("churned", WHEN.format("<", "02-20"), {}, "load a longer history, or make horizon_days"),
        ("churned", "true", INFINITE, "feature never_filled holds an infinite value: make its definition"),
    ],
)
def test_what_cannot_teach_is_one_sentence(
    tmp_path: Path, churned: str, where: str, changes: dict[str, str], words: str
) -> None:
    relabel(write_build(tmp_path, customers=60, **changes), churned, where)
    status, lines = said(tmp_path, "train", "--quiet")
    assert (status, len(lines)) == (1, 1)
    assert words in lines[0]
    assert not (tmp_path / "models").exists()


def test_a_fold_of_one_class_is_left_out(tmp_path: Path) -> None:
    """No one churns in the first training cut-offs: a fold that would learn from them alone is not there."""
    build = write_build(tmp_path, customers=60)
    assert len(folds_of(build)) == 3
    relabel(build, "case when event_timestamp < timestamp '2023-04-20' then 0 else churned end")
    folds = folds_of(build)
    assert len(folds) < 3
    assert all(rows.classes == 2 for fold in folds for rows in (fold.train, fold.validation))
    assert train(home=tmp_path, problem=SMALL)["champion"] in NAMES


def folds_of(build: Path) -> list[Any]:
    from ml.featurestore.catalog import read_catalog
    from ml.model.inputs import choose_inputs

    parts = read_parts(build, SMALL)
    inputs, _ = choose_inputs(parts.train.table, read_catalog(build).feature_names)
    return make_folds(parts, inputs, SMALL)


LATE = "case when event_timestamp >= timestamp '2023-06-01' then orders_90d + 0.5 end"


def test_a_feature_that_is_null_at_first_or_always_is_no_obstacle(tmp_path: Path) -> None:
    """One that fills only in the last training weeks is all null in the earlier folds."""
    write_build(tmp_path, customers=60, never_filled=LATE, email_verified="null")
    told = train(home=tmp_path, problem=replace(SMALL, selection="l1"))
    assert told["left_out"]["email_verified"] == "always null in training"
    assert len(told["folds"]) == 3
    build = Home.at(tmp_path).current_build()
    rows = LabelledRows.of(
        read_parts(build, SMALL).train, read_model(Home.at(tmp_path).current_model()).inputs
    )
    assert rows.frame["orders_90d"].notna().all()


def with_future(build: Path) -> None:
    """The label itself, as a feature: what a state joined at the end would tell."""
    labels, view = next((build / LABELS).glob("*.parquet")), build / "features" / "feat_customer_profile"
    file = next(view.glob("*.parquet"))
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"create table rows as from '{file}'")
        connection.execute(
            f"""
            copy (
                select rows.* replace (churned + hash(customer_id)::double / 1e21 as never_filled)
                from rows left join '{labels}' using (customer_id, event_timestamp)
            ) to '{file}' (format parquet)
            """
        )


def test_a_future_column_is_said_when_a_model_is_trained(tmp_path: Path) -> None:
    with_future(write_build(tmp_path, customers=60))
    told = train(home=tmp_path, problem=SMALL)
    assert [each["feature"] for each in told["suspects"]] == ["never_filled"]
    assert told["suspects"][0]["roc_auc"] == 1.0
    file = tmp_path / "small.yml"
    file.write_text(f"candidates: [{', '.join(NAMES)}]\ntuning: {{trials: 0}}\n")
    again = CliRunner().invoke(main, ["train", "--home", str(tmp_path), "--problem", str(file)])
    assert "never_filled alone tells who churned (ROC-AUC 1.000 on training rows)" in again.stdout


def test_honest_features_are_not_suspected(trained: tuple[Path, dict[str, Any]]) -> None:
    assert trained[1]["suspects"] == []


def shuffled(build: Path, turn: Callable[[np.ndarray], np.ndarray]) -> None:
    """The labels of a build, changed as one array."""
    file = next((build / LABELS).glob("*.parquet"))
    rows = pq.read_table(file)
    churned = pa.array(turn(rows.column("churned").to_numpy().copy()))
    pq.write_table(rows.set_column(rows.column_names.index("churned"), "churned", churned), file)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_shuffled_label_gives_chance_for_every_candidate(tmp_path: Path, seed: int) -> None:
    """Who had seen test labels would do better. Of many 95 % intervals some miss .5: twice as wide, none."""
    shuffled(write_build(tmp_path, customers=150), np.random.default_rng(seed).permutation)
    learned = replace(SMALL, candidates=(*NAMES, "decision_tree", "lightgbm"), training_rows_max=3000)
    told = train(home=tmp_path, problem=learned)
    assert told["suspects"] == []
    champion = told["test"]["candidates"][told["champion"]]["roc_auc"]
    assert champion["low"] <= 0.5 <= champion["high"]
    for name, measures in told["test"]["candidates"].items():
        auc = measures["roc_auc"]
        width = auc["high"] - auc["low"]
        assert abs(auc["value"] - 0.5) <= width, (name, auc)
