"""Stored features in, a model's inputs out: on-demand features by their formulas, as operators."""

import ast
from collections.abc import Iterable

import numpy as np
from onnx import TensorProto

from ml.export.graph import Graph
from ml.featurestore.catalog import TEXT, Catalog
from ml.featurestore.formulas import AS_OF, INSTANT, sorted_names, syntax_tree
from ml.featurestore.retrieval.retrieve import with_operands

MICROSECONDS_OF_A_DAY = 86_400_000_000
NULL_INSTANT = np.iinfo(np.int64).min
OPERATORS = {ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul", ast.Div: "Div"}


def stored_names(catalog: Catalog, names: Iterable[str]) -> list[str]:
    """The stored features that some features are computed from, in the catalog's order."""
    used = with_operands(catalog, list(names))
    return [feature.name for feature in catalog.stored if feature.name in used]


def feature_values(graph: Graph, catalog: Catalog, names: Iterable[str]) -> dict[str, str]:
    """Inputs for the stored features, values for those computed from them; by name.

    Numbers are doubles, NaN for null; instants whole microseconds since 1970, the least int64 for null.
    """
    used = with_operands(catalog, list(names))
    values = {}
    for feature in catalog.stored:
        if feature.name in used:
            types = {INSTANT: TensorProto.INT64, TEXT: TensorProto.STRING}
            values[feature.name] = graph.input(feature.name, types.get(feature.kind, TensorProto.DOUBLE))
    if AS_OF in used:
        values[AS_OF] = graph.input(AS_OF, TensorProto.INT64)
    trees = {name: syntax_tree(name, text) for name, text in catalog.formulas.items() if name in used}
    for name in sorted_names(trees):
        values[name] = graph.without_infinity(expression(graph, trees[name], values))
    return values


def expression(graph: Graph, node: ast.expr, values: dict[str, str]) -> str:
    """The value of a formula, or of a part of it."""
    match node:
        case ast.Name(id=name):
            return values[name]
        case ast.Constant(value=value):
            return graph.constant([[float(value)]])  # type: ignore[arg-type]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return graph.negative(expression(graph, operand, values))
        case ast.UnaryOp(operand=operand):
            return expression(graph, operand, values)
        case ast.BinOp(left=left, op=op, right=right):
            parts = expression(graph, left, values), expression(graph, right, values)
            value = graph.add(OPERATORS[type(op)], *parts)
            return graph.without_infinity(value) if isinstance(op, ast.Div) else value
        case ast.Call(args=[start, end]):
            return days(graph, expression(graph, start, values), expression(graph, end, values))
    raise AssertionError(ast.dump(node))


def days(graph: Graph, start: str, end: str) -> str:
    """Days from an instant to another; null where one is."""
    null = graph.constant([[NULL_INSTANT]], np.int64)
    unknown = graph.add("Or", graph.add("Equal", start, null), graph.add("Equal", end, null))
    span = graph.as_double(graph.add("Sub", end, start))
    whole = graph.add("Div", span, graph.constant([[float(MICROSECONDS_OF_A_DAY)]]))
    return graph.choose(unknown, graph.constant([[np.nan]]), whole)
