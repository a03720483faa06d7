"""Formulas of on-demand features: text in, numpy arrays out; the one evaluator offline and online.

The language is Python's expression syntax cut down to names, numbers, ``+ - * /``, parentheses and
``days(a, b)``, the days from instant ``a`` to instant ``b``. A name is a stored feature, another on-demand
feature, or ``asked_at``, the as-of instant. A null operand or a zero denominator gives null (NaN), never
infinity.
"""

import ast
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from types import CodeType
from typing import Any

import numpy as np

from ml.common.errors import FormulaError

ASKED_AT = "asked_at"
NUMBER, INSTANT = "number", "instant"
ONE_DAY = np.timedelta64(86_400_000_000, "us")
SIGNS = (ast.Add, ast.Sub, ast.Mult, ast.Div)
Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Program:
    """Compiled formulas in an order in which each finds what it needs."""

    names: tuple[str, ...]
    steps: tuple[tuple[str, CodeType], ...]

    def run(self, columns: Columns) -> dict[str, np.ndarray]:
        """The value of every formula, in the order the formulas were given."""
        known: dict[str, Any] = dict(columns)
        shape = known[ASKED_AT].shape
        with np.errstate(all="ignore"):
            for name, code in self.steps:
                known[name] = finite(eval(code, FUNCTIONS, known), shape)
        return {name: known[name] for name in self.names}


def evaluate_all(formulas: Mapping[str, str], columns: Columns) -> dict[str, np.ndarray]:
    """Evaluate every formula over columns of one length.

    Parameters
    ----------
    formulas : mapping
        Feature name -> formula; one may use another, in any order.
    columns : mapping
        Name -> float64 (NaN is null) or datetime64[us] (NaT is null); ``asked_at`` must be among them.

    Returns
    -------
    dict
        Feature name -> float64, NaN where there is no value, in the order of ``formulas``.

    Raises
    ------
    FormulaError
        A formula is outside the language, names what is not there, or formulas need each other.
    """
    instants = frozenset(name for name, values in columns.items() if values.dtype.kind == "M")
    return compiled(tuple(formulas.items()), frozenset(columns) - instants, instants).run(columns)


def check_formulas(formulas: Mapping[str, str], numbers: frozenset[str], instants: frozenset[str]) -> None:
    """Refuse formulas that could not be evaluated over such columns; see ``evaluate_all``."""
    compiled(tuple(formulas.items()), numbers, instants | {ASKED_AT})


def used_names(feature: str, formula: str) -> frozenset[str]:
    """The features, and perhaps ``asked_at``, that a formula names."""
    return frozenset(node.id for node in operands(parsed(feature, formula)) if isinstance(node, ast.Name))


@lru_cache(maxsize=64)
def compiled(
    formulas: tuple[tuple[str, str], ...], numbers: frozenset[str], instants: frozenset[str]
) -> Program:
    """Parse, check and order formulas once."""
    trees = {name: parsed(name, text) for name, text in formulas}
    kinds = dict.fromkeys(numbers | trees.keys(), NUMBER) | dict.fromkeys(instants, INSTANT)
    for name, text in formulas:
        check_kinds(name, text, trees[name], kinds)
    steps = [(name, code_of(name, trees[name])) for name in in_order(trees)]
    return Program(tuple(trees), tuple(steps))


def parsed(feature: str, formula: str) -> ast.expr:
    """The syntax tree of a formula within the language."""
    try:
        tree = ast.parse(formula.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise FormulaError(f"the formula of {feature}, {formula!r}, is no expression: {error}") from error
    for node in operands(tree):
        if not is_allowed(node):
            raise FormulaError(
                f"the formula of {feature}, {formula!r}, has {ast.unparse(node)!r} in it: a formula is made "
                "of features, numbers, + - * /, parentheses and days(a, b)"
            )
    return tree


def operands(node: ast.expr) -> Iterator[ast.expr]:
    """``node`` and every expression inside it; the name of a called function is none."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr) and not (isinstance(node, ast.Call) and child is node.func):
            yield from operands(child)


def is_allowed(node: ast.expr) -> bool:
    """Whether ``node`` by itself belongs to the language."""
    match node:
        case ast.Name():
            return True
        case ast.Constant(value=int() | float() as value):
            return not isinstance(value, bool) and math.isfinite(value)
        case ast.BinOp(op=op):
            return isinstance(op, SIGNS)
        case ast.UnaryOp(op=op):
            return isinstance(op, ast.USub | ast.UAdd)
        case ast.Call(func=ast.Name(id="days"), args=arguments, keywords=[]):
            return len(arguments) == 2 and not any(isinstance(each, ast.Starred) for each in arguments)
    return False


def check_kinds(
    feature: str, formula: str, node: ast.expr, kinds: Mapping[str, str], wanted: str = NUMBER
) -> None:
    """Refuse a name that is not there, and an instant where a number belongs or the reverse."""
    if isinstance(node, ast.Name) and node.id not in kinds:
        raise FormulaError(
            f"the formula of {feature}, {formula!r}, names {node.id}, which is no feature it could use: "
            "correct the name in the YAML of the feature model"
        )
    if (kinds[node.id] if isinstance(node, ast.Name) else NUMBER) != wanted:
        raise FormulaError(
            f"the formula of {feature}, {formula!r}, uses {ast.unparse(node)} where {wanted}s belong: "
            "days(a, b) takes two instants, + - * / take numbers"
        )
    inside = INSTANT if isinstance(node, ast.Call) else NUMBER
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr) and not (isinstance(node, ast.Call) and child is node.func):
            check_kinds(feature, formula, child, kinds, inside)


def in_order(trees: Mapping[str, ast.expr]) -> list[str]:
    """Feature names, each after those that it uses."""
    uses = {
        name: [node.id for node in operands(tree) if isinstance(node, ast.Name) and node.id in trees]
        for name, tree in trees.items()
    }
    try:
        return list(TopologicalSorter(uses).static_order())
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise FormulaError(f"on-demand features need each other in a circle: {circle}") from error


def code_of(feature: str, tree: ast.expr) -> CodeType:
    """Byte code of a formula, every division guarded."""
    guarded = ast.Expression(GuardDivisions().visit(tree))
    return compile(ast.fix_missing_locations(guarded), f"<formula of {feature}>", "eval")


class GuardDivisions(ast.NodeTransformer):
    """Turns ``a / b`` into ``ratio(a, b)``, and every number into a float."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.Div):
            return ast.Call(ast.Name("ratio", ast.Load()), [node.left, node.right], [])
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Constant(float(node.value))  # type: ignore[arg-type]


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The quotient; NaN where the denominator is zero."""
    return without_infinity(np.divide(numerator, denominator))


def days(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Days from ``start`` to ``end`` with fractions, exact to the microsecond."""
    return (end - start) / ONE_DAY


def finite(values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """``values`` as a float64 array of ``shape``, NaN where not finite."""
    whole = np.asarray(values, dtype="float64")
    return without_infinity(whole if whole.shape == shape else np.broadcast_to(whole, shape))


def without_infinity(values: np.ndarray) -> np.ndarray:
    """``values``, NaN where infinite: infinity less itself is no number, and two additions are quick."""
    return values + (values - values)


FUNCTIONS: dict[str, Any] = {"__builtins__": {}, "ratio": ratio, "days": days}
RESERVED = frozenset(
    {ASKED_AT, "days", "ratio", "row", "file_index", "file_row_number", "customer_id", "event_timestamp"}
)
