"""Every kind of champion: saved and loaded, alone and among many, its contributions, and damaged files."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import skops.io
from scipy.special import expit
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from xgboost import DMatrix

from ml.common.durable_files import sha256
from ml.common.errors import ModelError
from ml.explain.contributions import contributions
from ml.model.fitted_model import raw_prediction
from ml.model.model_files import manifest_hash, read_model, write_model
from tests.ml.conftest import Workshop

KINDS = [
    "prior",
    "recency_rule",
    "repeat_purchase",
    "logistic_regression",
    "decision_tree",
    "random_forest",
    "hist_gradient_boosting",
    "xgboost",
    "lightgbm",
]
NEGLIGIBLE = 1e-12


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_loaded_it_gives_the_same_probabilities(workshop: Workshop, kind: str, tmp_path: Path) -> None:
    model = workshop.champion(kind)
    write_model(model, tmp_path)
    loaded = read_model(tmp_path)
    frame = model.frame(workshop.parts.test.table)
    np.testing.assert_array_equal(loaded.probability(frame), model.probability(frame))
    assert (loaded.inputs, loaded.threshold, loaded.problem) == (model.inputs, model.threshold, model.problem)
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".pkl", ".pickle", ".joblib")]


def test_alone_and_among_many_are_the_same_to_the_bit(workshop: Workshop, kind: str) -> None:
    model = workshop.champion(kind)
    table = workshop.parts.test.table.slice(0, 40)
    frame = model.frame(table)
    together, added = model.probability(frame), contributions(model, frame)
    for row in range(len(table)):
        alone = model.frame(table.slice(row, 1))
        np.testing.assert_array_equal(model.probability(alone), together[row : row + 1])
        np.testing.assert_array_equal(contributions(model, alone), added[row : row + 1])


def test_unseen_texts_and_nulls_are_scored(workshop: Workshop, kind: str) -> None:
    model = workshop.champion(kind)
    table = workshop.parts.test.table.slice(0, 2)
    for name, values in (("city", pa.array(["Atlantis", None])), ("spend_90d", pa.nulls(2, pa.float64()))):
        table = table.set_column(table.column_names.index(name), name, values)
    found = model.probability(model.frame(table))
    assert ((found > 0) & (found < 1)).all()


def test_an_infinite_value_is_refused(workshop: Workshop) -> None:
    table = workshop.parts.test.table.slice(0, 1)
    place = table.column_names.index("overdue_ratio")
    with pytest.raises(ModelError, match="overdue_ratio holds an infinite value"):
        workshop.champion("prior").frame(table.set_column(place, "overdue_ratio", pa.array([np.inf])))


def test_linear_terms_add_up_to_the_log_odds(workshop: Workshop) -> None:
    """A mean row has none, so the terms are the distance to its log-odds."""
    model = workshop.champion("logistic_regression")
    frame = model.frame(workshop.parts.test.table)
    linear = model.pipeline.named_steps["model"]
    at_mean = float(model.prepared_means @ linear.coef_[0] + linear.intercept_[0])
    score = at_mean + contributions(model, frame).sum(axis=1)
    np.testing.assert_allclose(expit(score), raw_prediction(model.pipeline, frame), rtol=1e-9, atol=1e-12)


def test_shapley_values_add_up_to_the_margin(workshop: Workshop) -> None:
    model = workshop.champion("xgboost")
    frame = model.frame(workshop.parts.test.table)
    prepared = DMatrix(model.pipeline.named_steps["prepare"].transform(frame))
    booster = model.pipeline.named_steps["model"].get_booster()
    bias = booster.predict(prepared, pred_contribs=True)[:, -1]
    margin = booster.predict(prepared, output_margin=True)
    np.testing.assert_allclose(contributions(model, frame).sum(axis=1) + bias, margin, atol=1e-4)


def test_the_rule_gives_its_whole_step_to_one_input(workshop: Workshop) -> None:
    model = workshop.champion("recency_rule")
    added = contributions(model, model.frame(workshop.parts.test.table))
    assert ((np.abs(added) > NEGLIGIBLE).sum(axis=1) <= 1).all()
    used = {model.inputs[place].name for place in np.flatnonzero(np.abs(added).sum(axis=0) > NEGLIGIBLE)}
    assert used <= {"days_since_last_order", "overdue_ratio"}


@pytest.mark.parametrize("name", ["pipeline.skops", "booster.json", "model.json"])
def test_a_changed_file_is_refused(workshop: Workshop, tmp_path: Path, name: str) -> None:
    write_model(workshop.champion("xgboost"), tmp_path)
    path = tmp_path / name
    if name == "model.json":
        path.write_text(path.read_text().replace('"threshold": ', '"threshold": 0.9, "old": ', 1))
    else:
        path.write_bytes(path.read_bytes()[:-1] + b" ")
    with pytest.raises(ModelError, match=f"{name} is not the file that training wrote"):
        read_model(tmp_path)


def test_a_missing_file_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    write_model(workshop.champion("xgboost"), tmp_path)
    (tmp_path / "booster.json").unlink()
    with pytest.raises(ModelError, match=r"booster\.json is not the file"):
        read_model(tmp_path)


def test_a_type_that_is_not_ours_is_refused_even_with_a_right_hash(
    workshop: Workshop, tmp_path: Path
) -> None:
    class Stranger(GaussianNB):
        pass

    Stranger.__module__, Stranger.__qualname__ = "elsewhere", "Stranger"
    write_model(workshop.champion("prior"), tmp_path)
    skops.io.dump(Pipeline([("model", Stranger())]), tmp_path / "pipeline.skops")
    manifest = json.loads((tmp_path / "model.json").read_text())
    manifest["files"]["pipeline.skops"] = sha256(tmp_path / "pipeline.skops")
    manifest["card"] = manifest_hash(manifest)
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match=r"holds elsewhere\.Stranger, which no model of ours does"):
        read_model(tmp_path)
