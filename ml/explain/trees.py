"""The trees of a fitted estimator in one form, whichever library grew them."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.common.array_types import Floats

LEAF = -1
GROWN = ("_Booster", "_predictors", "estimators_", "tree_")  # where a library keeps the trees of a fit


class Tree(NamedTuple):
    """One tree; arrays of shape (nodes,), the root first.

    ``left`` and ``right`` are children, ``LEAF`` at leaves. A row whose input is at most ``threshold`` goes
    left, a null goes left where ``null_goes_left``. ``cover`` is the weight of a node's training rows.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Floats
    null_goes_left: NDArray[np.bool_]
    cover: Floats
    value: Floats


class Trees(NamedTuple):
    """Trees whose leaves and ``start`` add up to the prediction; where ``is_single`` they compare float32."""

    trees: list[Tree]
    start: float
    is_single: bool


def is_trees(model: Any) -> bool:
    """Whether ``trees_of`` takes a fitted estimator."""
    return any(hasattr(model, name) for name in GROWN)


def fitted_part(model: Any) -> Any:
    """What a fit replaces, by which a refit is noticed."""
    return next(getattr(model, name) for name in GROWN if hasattr(model, name))


def trees_of(model: Any) -> Trees:
    """The trees of an estimator of scikit-learn, XGBoost or LightGBM."""
    match type(model).__name__:
        case "XGBClassifier" | "XGBRegressor":
            return of_xgboost(model)
        case "LGBMClassifier" | "LGBMRegressor":
            trees = model.booster_.dump_model()["tree_info"]
            return Trees([of_lightgbm(tree["tree_structure"]) for tree in trees], 0.0, is_single=False)
        case "HistGradientBoostingClassifier" | "HistGradientBoostingRegressor":
            start = float(np.ravel(model._baseline_prediction)[0])
            trees = [of_histogram(tree.nodes) for (tree,) in model._predictors]
            return Trees(trees, start, is_single=False)
    members = getattr(model, "estimators_", [model])
    return Trees([of_scikit_learn(each.tree_, len(members)) for each in members], 0.0, is_single=True)


def of_scikit_learn(tree: Any, members: int) -> Tree:
    """One of so many trees of a forest; of a classifier the share of the second class."""
    return Tree(
        tree.children_left,
        tree.children_right,
        tree.feature,
        tree.threshold,
        tree.missing_go_to_left.astype(bool),
        tree.weighted_n_node_samples,
        tree.value[:, 0, -1] / members,
    )


def of_histogram(nodes: Any) -> Tree:
    is_leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        np.where(is_leaf, LEAF, nodes["left"].astype(np.int64)),
        np.where(is_leaf, LEAF, nodes["right"].astype(np.int64)),
        nodes["feature_idx"].astype(np.int64),
        nodes["num_threshold"].astype(np.float64),
        nodes["missing_go_to_left"].astype(bool),
        nodes["count"].astype(np.float64),
        nodes["value"].astype(np.float64),
    )


def of_xgboost(model: Any) -> Trees:
    """The trees up to the best round of an early stop; cover is the sum of the hessian."""
    booster = model.get_booster()
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    best = booster.attr("best_iteration")
    grown = learner["gradient_booster"]["model"]["trees"][: int(best) + 1 if best is not None else None]
    start = float(np.ravel(json.loads(learner["learner_model_param"]["base_score"]))[0])
    if learner["objective"]["name"] == "binary:logistic":
        start = float(np.log(start / (1 - start)))
    return Trees([of_xgboost_tree(tree) for tree in grown], start, is_single=True)


def of_xgboost_tree(tree: dict[str, Any]) -> Tree:
    """A row goes left below the condition, so at most at the number before it; of a leaf it is the value."""
    condition = np.array(tree["split_conditions"], dtype=np.float32)
    return Tree(
        np.array(tree["left_children"]),
        np.array(tree["right_children"]),
        np.array(tree["split_indices"]),
        np.nextafter(condition, np.float32(-np.inf)).astype(np.float64),
        np.array(tree["default_left"], dtype=bool),
        np.array(tree["sum_hessian"]),
        condition.astype(np.float64),
    )


def of_lightgbm(root: dict[str, Any]) -> Tree:
    """Cover is the number of rows; without nulls in training a null counts as 0."""
    nodes = list(nested_nodes(root))
    places = {id(node): place for place, node in enumerate(nodes)}

    def column(of_split: str, of_leaf: str = "", otherwise: float = 0.0) -> list[Any]:
        return [node[of_split] if of_split in node else node.get(of_leaf, otherwise) for node in nodes]

    def children(side: str) -> NDArray[np.int64]:
        return np.array([places[id(node[side])] if side in node else LEAF for node in nodes])

    null_is_zero = np.array([kind == "None" for kind in column("missing_type", otherwise=0)])
    threshold = np.array(column("threshold"), dtype=np.float64)
    return Tree(
        children("left_child"),
        children("right_child"),
        np.array(column("split_feature", otherwise=LEAF), dtype=np.int64),
        threshold,
        np.where(null_is_zero, threshold >= 0, np.array(column("default_left"), dtype=bool)),
        np.array(column("internal_count", "leaf_count", 1.0), dtype=np.float64),
        np.array(column("leaf_value"), dtype=np.float64),
    )


def nested_nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for side in ("left_child", "right_child"):
        if side in node:
            yield from nested_nodes(node[side])
