"""A fitted estimator and what follows it, as operators: prepared columns in, probability or amount out."""

from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

from ml.common.errors import ModelError
from ml.explain.trees import LEAF, Trees, is_trees, trees_of
from ml.export.graph import Graph
from ml.export.preparation_graph import log_odds, repeat_purchase
from ml.model.calibration import Calibration
from ml.model.churn_model import ChurnModel
from ml.model.value_model import ValueModel

SUM, AT_MOST = 1, 0  # aggregate_function and mode of a node in TreeEnsemble
VOTES = ("DecisionTreeClassifier", "RandomForestClassifier")
LOG_LINK = ("RowwiseTweedie", "LGBMRegressor")


def raw_prediction(graph: Graph, estimator: Any, columns: str) -> str:
    """The estimator's own probability of churn, or amount, shape (rows, 1).

    Parameters
    ----------
    columns : str
        The prepared columns.

    Raises
    ------
    ModelError
        The estimator has no form in ONNX.
    """
    kind = type(estimator).__name__
    match kind:
        case "DummyClassifier" | "DummyRegressor":
            constant = (
                estimator.class_prior_[1] if hasattr(estimator, "class_prior_") else estimator.constant_
            )
            return graph.plus(rows_of(graph, columns), float(np.ravel(constant)[0]))
        case "RecencyRule":
            return recency_rule(graph, estimator, columns)
        case "RepeatPurchase":
            churn, known = repeat_purchase(graph, estimator, [columns])
            return graph.choose(known, churn, graph.constant([[estimator.rate_]]))
        case "RowwiseLogistic" | "RowwiseRidge" | "RowwiseTweedie":
            weights = graph.constant(np.ravel(estimator.coef_)[:, None])
            intercept = float(np.ravel(estimator.intercept_)[0])
            return linked(graph, kind, graph.plus(graph.add("MatMul", columns, weights), intercept))
    if is_trees(estimator):
        return linked(graph, kind, tree_sum(graph, trees_of(estimator), columns))
    raise ModelError(
        f"{kind} has no form in ONNX: export a model of another kind, or serve this one by 'churn serve'"
    )


def linked(graph: Graph, kind: str, total: str) -> str:
    """The prediction from what an estimator adds up."""
    if kind in LOG_LINK:
        return graph.add("Exp", total)
    return (
        total
        if kind in VOTES or not kind.endswith(("Classifier", "Logistic"))
        else graph.add("Sigmoid", total)
    )


def rows_of(graph: Graph, columns: str) -> str:
    """A 0 for each row, whatever the columns hold."""
    first = graph.take(columns, [0])
    return graph.choose(graph.is_null(first), graph.constant([[0.0]]), graph.times(first, 0.0))


def recency_rule(graph: Graph, rule: Any, columns: str) -> str:
    """The curve of the first column that is not null."""
    churn = graph.plus(rows_of(graph, columns), rule.rate_)
    curves = list(zip(rule.order_, rule.lateness_, rule.rates_, strict=True))
    for column, lateness, rates in reversed(curves):
        value = graph.take(columns, [int(column)])
        churn = graph.choose(graph.is_null(value), churn, graph.piecewise(value, lateness, rates))
    return churn


def tree_sum(graph: Graph, trees: Trees, columns: str) -> str:
    """What the trees add up to."""
    features: list[int] = []
    weights: list[float] = []
    children: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    splits, null_left, roots = [], [], []
    for tree in trees.trees:
        inner = np.flatnonzero(tree.left != LEAF)
        # TreeEnsemble has no tree of one leaf: a node whose two sides are that leaf stands for it.
        nodes = inner if len(inner) else np.array([0])
        leaves = np.flatnonzero(tree.left == LEAF)
        places = np.zeros(len(tree.left), dtype=np.int64)
        places[nodes] = len(features) + np.arange(len(nodes))
        if len(inner):
            places[leaves] = len(weights) + np.arange(len(leaves))
        roots.append(len(features))
        for is_left, sides in ((True, tree.left[nodes]), (False, tree.right[nodes])):
            for side in np.where(sides == LEAF, 0, sides):
                is_leaf = tree.left[side] == LEAF
                children[is_left].append((int(places[side]) if len(inner) else len(weights), int(is_leaf)))
        features += np.maximum(tree.feature[nodes], 0).tolist()
        splits += tree.threshold[nodes].tolist()
        null_left += tree.null_goes_left[nodes].astype(int).tolist()
        weights += tree.value[leaves].tolist()
    values = graph.in_single_precision(columns) if trees.is_single else columns
    total = graph.add(
        "TreeEnsemble",
        values,
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function=SUM,
        nodes_featureids=features,
        nodes_splits=numpy_helper.from_array(np.array(splits), "splits"),
        nodes_modes=numpy_helper.from_array(np.full(len(features), AT_MOST, dtype=np.uint8), "modes"),
        nodes_missing_value_tracks_true=null_left,
        nodes_truenodeids=[place for place, _ in children[True]],
        nodes_trueleafs=[is_leaf for _, is_leaf in children[True]],
        nodes_falsenodeids=[place for place, _ in children[False]],
        nodes_falseleafs=[is_leaf for _, is_leaf in children[False]],
        tree_roots=roots,
        leaf_targetids=[0] * len(weights),
        leaf_weights=numpy_helper.from_array(np.array(weights), "weights"),
    )
    return graph.plus(total, trees.start)


def churn_outputs(graph: Graph, model: ChurnModel, raw: str) -> None:
    """``churn_probability`` and ``churn_decision``."""
    probability = calibrated(graph, model.calibration, raw)
    graph.output("churn_probability", probability)
    decision = graph.add("GreaterOrEqual", probability, graph.constant([[model.threshold]]))
    graph.output("churn_decision", decision, type_=TensorProto.BOOL)


def calibrated(graph: Graph, calibration: Calibration, raw: str) -> str:
    """As ``Calibration.apply``."""
    scores = log_odds(graph, raw)
    if calibration.kind != "isotonic":
        return graph.add("Sigmoid", graph.plus(graph.times(scores, calibration.slope), calibration.intercept))
    curve = graph.piecewise(scores, calibration.raw, calibration.calibrated, calibration.slope)
    return graph.add("Sigmoid", curve)


def value_outputs(graph: Graph, model: ValueModel, raw: str) -> None:
    """``predicted_value`` and the ends of its prediction interval."""
    prediction = at_least(graph, model.lowest, raw)
    graph.output("predicted_value", prediction)
    edges = model.intervals.edges
    band = graph.constant([[0]], np.int64)
    if edges:
        passed = graph.add("GreaterOrEqual", prediction, graph.constant(np.array(edges)[None, :]))
        axes = graph.constant([1], np.int64)
        band = graph.add("ReduceSum", graph.add("Cast", passed, to=TensorProto.INT64), axes, keepdims=1)
    for name, ends in (("value_low", model.intervals.low), ("value_high", model.intervals.high)):
        distance = graph.add("Gather", graph.constant(ends), band)
        graph.output(name, at_least(graph, model.lowest, graph.add("Add", prediction, distance)))


def at_least(graph: Graph, lowest: float | None, value: str) -> str:
    return value if lowest is None else graph.at_least(value, lowest)
