"""Pipelines fitted elsewhere: calibrated, judged and filed like any other, or refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression

import ml
from ml.common.errors import UsageError
from ml.evaluate import evaluate
from ml.evaluate.metric_names import verdicts
from ml.features.training_parts import read_parts
from ml.home.layout import Home
from ml.model.model_files import read_manifest, read_model
from ml.score import score
from ml.train.repeat import repeat
from tests.ml.conftest import PROBLEM
from tests.ml.synthetic_build import write_build

pytestmark = pytest.mark.subjects("ml/train", "ml/model")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("registered")
    write_build(folder)
    return folder


@pytest.fixture(scope="module")
def rows(home: Path) -> Any:
    return ml.training_set(home=home, problem=PROBLEM).part("train")


@pytest.fixture(scope="module")
def fitted(rows: Any) -> HistGradientBoostingClassifier:
    model = HistGradientBoostingClassifier(
        categorical_features="from_dtype", max_iter=40, min_samples_leaf=50, random_state=0
    )
    return model.fit(rows.X, rows.y)


@pytest.fixture(scope="module")
def registered(home: Path, fitted: HistGradientBoostingClassifier) -> Any:
    return ml.register(fitted, home=home, problem=PROBLEM)


def test_it_is_promoted_where_there_is_no_champion(home: Path, registered: Any) -> None:
    assert (registered.model_version, registered.promoted) == ("model-000001", True)
    assert registered.metrics["roc_auc"]["value"] > 0.8
    manifest = read_manifest(Home.at(home).current_model())
    assert manifest["registered"].endswith("the test part may have been seen")
    assert {row["candidate"] for row in manifest["selection"]} == {"prior", "recency_rule", "registered"}
    assert any("fitted elsewhere" in sentence for sentence in verdicts(manifest))


def test_its_ranks_are_those_of_the_pipeline(home: Path, fitted: Any, registered: Any) -> None:
    place = Home.at(home).current_model()
    whole = ml.training_set(home=home, problem=PROBLEM).part("test")
    raw = fitted.predict_proba(whole.X[list(fitted.feature_names_in_)])[:, 1]
    kept = pq.read_table(place / "test.parquet").to_pandas()
    theirs = kept.set_index(["event_timestamp", "customer_id"])["registered"]
    mine = theirs.loc[list(zip(whole.event_timestamp, whole.groups, strict=True))].to_numpy()
    assert np.array_equal(np.argsort(raw, kind="stable"), np.argsort(mine, kind="stable"))


def test_it_scores_and_is_evaluated(home: Path, registered: Any) -> None:
    found = score(home=home)
    assert found.num_rows > 100
    assert evaluate(home=home)["champion"] == "registered"
    model = read_model(Home.at(home).current_model())
    calibration = read_parts(Home.at(home).current_build(), PROBLEM).calibration
    given = model.probability(model.frame(calibration.table))
    assert given.mean() == pytest.approx(calibration.labels.mean(), abs=0.01)


def test_it_cannot_be_repeated(home: Path, registered: Any) -> None:
    with pytest.raises(UsageError, match="registered, not trained here"):
        repeat(registered.model_version, home=home)


def test_the_same_again_is_not_promoted(home: Path, fitted: Any, registered: Any) -> None:
    again = ml.register(fitted, home=home, problem=PROBLEM)
    assert not again.promoted
    assert "not told apart from model-000001" in again.why
    assert again.metrics["roc_auc"] == registered.metrics["roc_auc"]


def refusals() -> list[Any]:
    numbers = {"max_iter": 2}
    return [
        (
            "is no scikit-learn classifier",
            lambda rows: LinearRegression().fit(rows.X[["orders_90d"]], rows.y),
        ),
        ("is not fitted", lambda rows: HistGradientBoostingClassifier()),
        (
            "does not name its columns",
            lambda rows: HistGradientBoostingClassifier(**numbers).fit(
                rows.X[["orders_90d"]].to_numpy(), rows.y
            ),
        ),
        (
            "no feature ordes_90d",
            lambda rows: HistGradientBoostingClassifier(**numbers).fit(
                rows.X[["orders_90d"]].rename(columns={"orders_90d": "ordes_90d"}), rows.y
            ),
        ),
        (
            r"knows the classes \[1, 2\]",
            lambda rows: HistGradientBoostingClassifier(**numbers).fit(rows.X[["orders_90d"]], rows.y + 1),
        ),
        ("has no attribute|no scikit-learn classifier", lambda rows: "a text"),
    ]


@pytest.mark.parametrize(("sentence", "make"), refusals())
def test_what_cannot_be_registered_is_named(home: Path, rows: Any, sentence: str, make: Any) -> None:
    with pytest.raises(UsageError, match=sentence):
        ml.register(make(rows), home=home, problem=PROBLEM)
