"""Exported files against the pipelines they come from, on rows with nulls and texts never seen before."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import treelite
from click.testing import CliRunner
from onnx import TensorProto
from sklearn.pipeline import Pipeline

from ml.cli import main
from ml.common.errors import ModelError, UsageError
from ml.config.problem import REGRESSION, Problem
from ml.export import export, exporting, forms
from ml.export.estimator_graph import calibrated, raw_prediction, value_outputs
from ml.export.graph import Graph
from ml.export.preparation_graph import prepared
from ml.model.calibration import Calibration
from ml.model.inputs import NUMBER, TEXT, UNKNOWN_TEXT, Input
from ml.model.value_model import PredictionIntervals, ValueModel
from ml.score import score
from ml.train.churn_candidates import RECIPES as CHURN
from ml.train.value_candidates import GAMMA_GAMMA
from ml.train.value_candidates import RECIPES as VALUE
from tests.ml.conftest import PROBLEM

TEXTS = {"plan": 3, "city": 20, "street": 60}
NUMBERS = (
    "orders_placed_lifetime",
    "days_since_first_order",
    "days_since_last_order",
    "overdue_ratio",
    "tenure_days",
    "orders_90d",
    "sessions_90d",
    "days_since_last_session",
    "orders_lifetime",
    "spend_lifetime",
    "age_years",
)
INPUTS = [Input(name, NUMBER, "double", 0.0) for name in NUMBERS] + [
    Input(name, TEXT, "string", "", values) for name, values in TEXTS.items()
]


def made_rows(rows: int, seed: int, more_texts: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Histories of customers with nulls and texts, and an amount that follows from them."""
    random = np.random.default_rng(seed)
    placed = random.integers(1, 30, rows).astype(float)
    first = random.uniform(10, 700, rows)
    silence = first * random.random(rows)
    columns: dict[str, Any] = {
        "orders_placed_lifetime": placed,
        "days_since_first_order": first,
        "days_since_last_order": silence,
        "overdue_ratio": silence * placed / first,
        "tenure_days": first + 3,
        "orders_90d": np.floor(placed / 3),
        "sessions_90d": random.poisson(4, rows).astype(float),
        "days_since_last_session": random.exponential(20, rows),
        "orders_lifetime": placed,
        "spend_lifetime": placed * random.gamma(3, 20, rows),
        "age_years": random.normal(45, 12, rows),
    }
    for name in ("age_years", "days_since_last_session", "days_since_last_order", "tenure_days"):
        columns[name][random.random(rows) < 0.1] = np.nan
    for name, values in TEXTS.items():
        texts = np.array([f"{name} {number}" for number in range(values + more_texts)], dtype=object)
        columns[name] = texts[np.minimum(random.geometric(3 / values, rows) - 1, len(texts) - 1)]
        columns[name][random.random(rows) < 0.05] = UNKNOWN_TEXT
    risk = 2 * columns["overdue_ratio"] - 2 + random.logistic(size=rows)
    return pd.DataFrame(columns), np.where(risk > 0, 0.0, random.gamma(2, 30, rows))


def fitted(recipes: Any, name: str, labels: Callable[[np.ndarray], np.ndarray], problem: Problem) -> Pipeline:
    preparation, model = recipes.models[name]
    pipeline = Pipeline(
        [("prepare", recipes.preparations[preparation](INPUTS, problem)), ("model", model(problem, 900))]
    )
    frame, amounts = made_rows(900, 1)
    return pipeline.fit(frame, labels(amounts))


def given(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    return {name: frame[name].to_numpy()[:, None] for name in frame}


def computed(graph: Graph, folder: Path, frame: pd.DataFrame, names: list[str]) -> list[np.ndarray]:
    """The outputs of a graph, by onnxruntime."""
    path = folder / "graph.onnx"
    onnx.save(graph.model(), path)
    session = onnxruntime.InferenceSession(str(path))
    used = [each.name for each in session.get_inputs()]
    return session.run(names, {name: values for name, values in given(frame).items() if name in used})


def graph_of(pipeline: Pipeline) -> tuple[Graph, str]:
    """A graph from the inputs to the pipeline's raw prediction."""
    graph = Graph()
    types = {TEXT: TensorProto.STRING, NUMBER: TensorProto.DOUBLE}
    values = {each.name: graph.input(each.name, types[each.kind]) for each in INPUTS}
    columns = prepared(graph, pipeline.named_steps["prepare"], values)
    return graph, raw_prediction(graph, pipeline.named_steps["model"], columns)


@pytest.mark.parametrize("name", list(CHURN.models))
def test_each_kind_of_churn_model(name: str, tmp_path: Path) -> None:
    pipeline = fitted(CHURN, name, lambda amounts: (amounts == 0).astype(int), Problem())
    frame, _ = made_rows(400, 2, more_texts=5)
    graph, raw = graph_of(pipeline)
    graph.output("raw", raw)
    (found,) = computed(graph, tmp_path, frame, ["raw"])
    atol = 1e-6 if name == "xgboost" else 1e-12  # XGBoost adds up single precision
    np.testing.assert_allclose(found[:, 0], pipeline.predict_proba(frame)[:, 1], rtol=0, atol=atol)


@pytest.mark.parametrize("name", [name for name in VALUE.models if name != GAMMA_GAMMA])
def test_each_kind_of_amounts_with_its_interval(name: str, tmp_path: Path) -> None:
    problem = replace(Problem(), task=REGRESSION)
    pipeline = fitted(VALUE, name, lambda amounts: amounts, problem)
    intervals = PredictionIntervals((10.0, 30.0), (-5.0, -12.0, -30.0), (8.0, 20.0, 60.0))
    model = ValueModel(
        kind=name,
        pipeline=pipeline,
        inputs=tuple(INPUTS),
        problem=problem,
        prepared_means=np.zeros(1),
        intervals=intervals,
        lowest=0.0,
    )
    frame, _ = made_rows(400, 2, more_texts=5)
    graph, raw = graph_of(pipeline)
    value_outputs(graph, model, raw)
    expected = model.scores(frame)
    # a share of the largest amount; XGBoost adds up single precision
    atol = (1e-6 if name == "xgboost" else 1e-11) * float(expected["predicted_value"].max())
    for column, found in zip(expected, computed(graph, tmp_path, frame, list(expected)), strict=True):
        np.testing.assert_allclose(found[:, 0], expected[column], rtol=0, atol=atol)


def test_a_formula_that_onnx_lacks_is_refused() -> None:
    pipeline = fitted(VALUE, GAMMA_GAMMA, lambda amounts: amounts, Problem())
    with pytest.raises(ModelError, match="ExpectedSpend has no form in ONNX"):
        graph_of(pipeline)


@pytest.mark.parametrize(
    "calibration",
    [
        Calibration(0.3, 0.8),
        Calibration(0.0, 0.5, "isotonic", (-2.0, 0.0, 1.5), (-1.5, 0.2, 2.5)),
        Calibration(0.0, 0.5, "isotonic", (0.1,), (0.4,)),
    ],
)
def test_calibrations(calibration: Calibration, tmp_path: Path) -> None:
    frame = pd.DataFrame({"raw": np.concatenate([np.linspace(0, 1, 301), [1e-9, 1 - 1e-9]])})
    graph = Graph()
    graph.output("probability", calibrated(graph, calibration, graph.input("raw", TensorProto.DOUBLE)))
    (found,) = computed(graph, tmp_path, frame, ["probability"])
    np.testing.assert_allclose(found[:, 0], calibration.apply(frame["raw"].to_numpy()), rtol=0, atol=1e-12)


def test_the_command_writes_files_that_score_as_the_product_does(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out = tmp_path / "champion"
    ran = CliRunner().invoke(main, ["export", "--out", str(out), "--home", str(trained[0]), "--json"])
    assert ran.exit_code == 0, ran.output
    facts = json.loads((out / "manifest.json").read_text())
    assert json.loads(ran.stdout)["files"] == ["model.onnx", "manifest.json"]
    assert facts["compared"]["largest_difference"] <= 1e-6
    assert facts["on_demand"]["tenure_days"] == "days(registered_at, asked_at)"
    assert {each["name"]: each["null"] for each in facts["inputs"]}["registered_at"] == "-9223372036854775808"
    assert facts["outputs"] == ["churn_probability", "churn_decision"]
    ran = CliRunner().invoke(main, ["export", "--out", str(out), "--home", str(trained[0])])
    assert ran.exit_code == 2
    assert "is there already" in ran.stderr


def test_the_files_alone_give_the_scores_of_the_batch(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    from ml.featurestore.catalog import read_catalog
    from ml.featurestore.retrieval.retrieve import point_in_time
    from ml.home.layout import Home

    export("onnx", tmp_path / "out", home=trained[0], problem=PROBLEM)
    build = Home.at(trained[0]).current_build()
    scores = score(home=trained[0], problem=PROBLEM)
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    names = [each.name for each in session.get_inputs()]
    rows = point_in_time(build, scores.select(["customer_id", "event_timestamp"]))
    found, decided = session.run(None, exporting.feeds(rows, read_catalog(build), names))
    np.testing.assert_allclose(found[:, 0], scores["churn_probability"].to_numpy(), atol=1e-6)
    assert decided[:, 0].tolist() == scores["churn_decision"].to_pylist()


def test_treelite_takes_trees_alone(workshop: Any, tmp_path: Path) -> None:
    from ml.featurestore.catalog import read_catalog
    from ml.home.layout import Home

    build = Home.at(workshop.home).current_build()
    catalog = read_catalog(build)
    rows = workshop.parts.test.table.select(["customer_id", "event_timestamp"])[:200]
    for kind in ("random_forest", "hist_gradient_boosting", "lightgbm", "xgboost"):
        model = workshop.champion(kind)
        form = forms.write("treelite", model, catalog, tmp_path)
        assert exporting.largest_difference(model, form, build, rows) < 1e-6
        assert treelite.Model.deserialize(str(tmp_path / "trees.treelite")).num_tree > 1
    with pytest.raises(ModelError, match="logistic_regression has none: take --format onnx"):
        forms.write("treelite", workshop.champion("logistic_regression"), catalog, tmp_path)


def test_other_scores_publish_nothing(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault: an intercept that is off by a hundred-thousandth."""
    true = forms.raw_prediction

    def off(graph: Graph, estimator: Any, columns: str) -> str:
        return graph.plus(true(graph, estimator, columns), 1e-5)

    monkeypatch.setattr(forms, "raw_prediction", off)
    with pytest.raises(ModelError, match="give other scores than model-000001"):
        export("onnx", tmp_path / "out", home=trained[0], problem=PROBLEM)
    assert not list(tmp_path.iterdir())


def test_bad_words_are_refused(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no format pickle: take onnx or treelite"):
        export("pickle", tmp_path / "out", home=trained[0], problem=PROBLEM)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is there already"):
        export("onnx", tmp_path / "file", home=trained[0], problem=PROBLEM)
