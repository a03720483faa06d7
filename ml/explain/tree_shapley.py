"""Exact path-dependent Shapley values of tree ensembles, in time linear in the nodes.

The value of an input is the integral over ``q`` in (0, 1) of a polynomial: each input of a leaf's path is
present with probability ``q`` (Owen 1972). A path with ``d`` different inputs has a polynomial of degree
``d - 1``, which Gauss-Legendre quadrature integrates exactly with ``d / 2`` points. One walk down and up the
tree serves all inputs, as in Linear TreeSHAP (Yu et al. 2022), here over blocks of rows, so that the
processor handles several rows at once.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.explain.trees import LEAF, Tree, Trees, fitted_part, trees_of

BLOCK = 64  # rows; the products of one block at every depth of a tree stay in the cache of a core
WORTH_THREADS = 1_000  # rows; with fewer, threads take longer to start than they save


class Ensemble(NamedTuple):
    """The nodes of all trees, each tree in preorder, as the walk reads them.

    ``previous`` is the depth of the nearest edge above that splits the same input, 0 where there is none.
    ``points`` is how many quadrature points the tree of a node needs. ``factor`` and ``weight`` of shape
    (nodes, 3, most points) belong to the edge into a node, by its state: 0 if the row left the input's range
    above the edge, 1 if it leaves it here, 2 if it is inside.
    """

    feature: NDArray[np.int64]
    threshold: Floats
    null_goes_left: NDArray[np.bool_]
    depth: NDArray[np.int64]
    is_left: NDArray[np.bool_]
    value: Floats
    previous: NDArray[np.int64]
    points: NDArray[np.int64]
    factor: Floats
    weight: Floats
    base: float
    is_single: bool


class Preorder(NamedTuple):
    """The nodes of one tree, each before those below it: arrays of shape (nodes,).

    The first are those of ``Ensemble``. ``own`` is the share of the training rows that the edge into a node
    and those above it of the same input let through, ``above`` the same without this edge; ``different``
    counts the inputs of the path; ``share`` is that of all training rows in the node.
    """

    feature: NDArray[np.int64]
    threshold: Floats
    null_goes_left: NDArray[np.bool_]
    depth: NDArray[np.int64]
    is_left: NDArray[np.bool_]
    value: Floats
    previous: NDArray[np.int64]
    own: Floats
    above: Floats
    different: NDArray[np.int64]
    share: Floats


ENSEMBLES: WeakKeyDictionary[Any, tuple[Any, Ensemble]] = WeakKeyDictionary()


def tree_values(model: Any, prepared: Floats) -> tuple[Floats, float]:
    """Contributions of each column to the sum of the trees, and what they add to.

    Parameters
    ----------
    model : fitted estimator of trees
        See ``trees_of``.
    prepared : array of shape (rows, columns)

    Returns
    -------
    values : array of shape (rows, columns)
        In what the model adds up: a probability, log-odds or an amount.
    base : float
    """
    ensemble = ensemble_of_model(model)
    rows = prepared.astype(np.float32).astype(np.float64) if ensemble.is_single else prepared
    values = np.zeros(prepared.shape)
    starts = range(0, len(rows), BLOCK)

    def add(start: int) -> None:
        block = np.ascontiguousarray(rows[start : start + BLOCK].T)
        values[start : start + BLOCK] = walk(block, *ensemble[:-2]).T

    if len(rows) < WORTH_THREADS:
        for start in starts:
            add(start)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(add, starts))
    return values, ensemble.base


def ensemble_of_model(model: Any) -> Ensemble:
    """The ensemble of a fitted estimator, made once after each fit."""
    fitted, ensemble = ENSEMBLES.get(model, (None, None))
    if ensemble is None or fitted is not fitted_part(model):
        ensemble = ensemble_of(trees_of(model))
        ENSEMBLES[model] = fitted_part(model), ensemble
    return ensemble


def ensemble_of(trees: Trees) -> Ensemble:
    """All trees in preorder with the factors of their edges."""
    ordered = [preorder(tree) for tree in trees.trees]
    nodes = Preorder(*(np.concatenate(column) for column in zip(*ordered, strict=True)))
    points = [max(1, -(-int(tree.different.max()) // 2)) for tree in ordered]
    tables = [
        edge_tables(tree.own, tree.above, count, max(points))
        for tree, count in zip(ordered, points, strict=True)
    ]
    factor, weight = (np.concatenate(table) for table in zip(*tables, strict=True))
    base = trees.start + float((nodes.share * nodes.value)[nodes.feature == LEAF].sum())
    points_of_nodes = np.repeat(points, [len(tree.feature) for tree in ordered])
    return Ensemble(*nodes[:7], points_of_nodes, factor, weight, base, trees.is_single)


def preorder(tree: Tree) -> Preorder:
    """The nodes of a tree, each before those below it."""
    rows = []
    stack: list[tuple[int, int, bool, int, tuple[tuple[int, int, float], ...]]] = [(0, 0, False, 0, ())]
    while stack:
        node, depth, is_left, previous, path = stack.pop()
        is_leaf = tree.left[node] == LEAF
        own = path[-1][2] if path else 1.0
        above = next((share for _, at, share in path[:-1] if at == previous), 1.0) if previous else 1.0
        feature = LEAF if is_leaf else int(tree.feature[node])
        rows.append(
            (
                feature,
                tree.threshold[node],
                tree.null_goes_left[node],
                depth,
                is_left,
                tree.value[node],
                previous,
                own,
                above,
                len({name for name, _, _ in path}),
                tree.cover[node] / tree.cover[0],
            )
        )
        if is_leaf:
            continue
        edges = {name: (at, share) for name, at, share in path}  # the lowest of each input
        at, share = edges.get(feature, (0, 1.0))
        for child, left in ((tree.right[node], False), (tree.left[node], True)):
            let_through = share * tree.cover[child] / tree.cover[node]
            stack.append((int(child), depth + 1, left, at, (*path, (feature, depth + 1, let_through))))
    return Preorder(*(np.array(column) for column in zip(*rows, strict=True)))


def edge_tables(own: Floats, above: Floats, count: int, most: int) -> tuple[Floats, Floats]:
    """``factor`` and ``weight`` of the edges of a tree, shape (nodes, 3, most); 0 beyond ``count`` points."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    points, weights = (nodes + 1) / 2, weights / 2

    def probability(share: Floats, inside: int) -> Floats:
        """That a leaf is reached through the input, present with probability ``q``."""
        return (1 - points) * share[:, None] + points * inside

    def slope(share: Floats, inside: int) -> Floats:
        return weights * (inside - share[:, None]) / probability(share, inside)

    states = ((0, 0), (1, 0), (1, 1))  # inside the range of the edges above, and of this one too
    factor = [probability(own, here) / probability(above, before) for before, here in states]
    weight = [slope(own, here) - slope(above, before) for before, here in states]
    unused = ((0, 0), (0, 0), (0, most - count))
    return np.pad(np.stack(factor, axis=1), unused), np.pad(np.stack(weight, axis=1), unused)


def compiled(function: Callable[..., Any]) -> Any:
    """Compiled by numba; kept on disk where there is a folder to write to."""
    try:
        return njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # no such folder
        return njit(nogil=True, error_model="numpy")(function)


@compiled
def walk(
    columns: Floats,
    feature: NDArray[np.int64],
    threshold: Floats,
    null_goes_left: NDArray[np.bool_],
    depth: NDArray[np.int64],
    is_left: NDArray[np.bool_],
    value: Floats,
    previous: NDArray[np.int64],
    points: NDArray[np.int64],
    factor: Floats,
    weight: Floats,
) -> Floats:  # pragma: no cover
    """Contributions of a block of rows, shape (columns, rows) as ``columns``."""
    rows, most, deepest = columns.shape[1], factor.shape[2], depth.max() + 1
    added = np.zeros(columns.shape)
    products = np.empty((deepest, most, rows))  # of the factors down to each depth
    sums = np.empty((deepest, most, rows))  # over the leaves below, of product times value
    goes_left = np.empty((deepest, rows), dtype=np.uint8)
    inside = np.empty((deepest, rows), dtype=np.uint8)
    states = np.empty((deepest, rows), dtype=np.uint8)
    path = np.empty(deepest, dtype=np.int64)
    products[0, :, :] = 1.0
    inside[0, :] = 1
    top = -1
    for node in range(len(feature) + 1):
        level = depth[node] if node < len(feature) else 0
        while top >= level:  # the nodes that are done
            done = path[top]
            if top > 0:
                column = added[feature[path[top - 1]]]
                for point in range(points[done]):
                    out, leaves, here = weight[done, 0, point], weight[done, 1, point], weight[done, 2, point]
                    for row in range(rows):
                        state = states[top, row]
                        slope = here if state == 2 else (leaves if state == 1 else out)
                        column[row] += sums[top, point, row] * slope
                        sums[top - 1, point, row] += sums[top, point, row]
            top -= 1
        if node == len(feature):
            break
        top = level
        path[level] = node
        if level > 0:
            for row in range(rows):
                side = goes_left[level - 1, row] if is_left[node] else 1 - goes_left[level - 1, row]
                before = inside[previous[node], row]
                inside[level, row] = side & before
                states[level, row] = before + (side & before)
            for point in range(points[node]):
                out, leaves, here = factor[node, 0, point], factor[node, 1, point], factor[node, 2, point]
                for row in range(rows):
                    state = states[level, row]
                    ratio = here if state == 2 else (leaves if state == 1 else out)
                    products[level, point, row] = products[level - 1, point, row] * ratio
        if feature[node] < 0:
            for point in range(points[node]):
                for row in range(rows):
                    sums[level, point, row] = products[level, point, row] * value[node]
        else:
            sums[level, :, :] = 0.0
            column = columns[feature[node]]
            for row in range(rows):
                known = column[row] <= threshold[node]
                goes_left[level, row] = null_goes_left[node] if np.isnan(column[row]) else known
    return added
