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

AS_OF = "asked_at"
NUMBER, INSTANT = "number", "instant"
ONE_DAY = np.timedelta64(86_400_000_000, "us")
SIGNS = (ast.Add, ast.Sub, ast.Mult, ast.Div)
Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Program:
    """Compiled formulas, each after those that it uses."""

    names: tuple[str, ...]
    steps: tuple[tuple[str, CodeType], ...]

    def run(self, columns: Columns) -> dict[str, np.ndarray]:
        """The value of every formula, in the order of the formulas."""
        values: dict[str, Any] = dict(columns)
        shape = values[AS_OF].shape
        with np.errstate(all="ignore"):
            for name, code in self.steps:
                values[name] = finite(eval(code, FUNCTIONS, values), shape)
        return {name: values[name] for name in self.names}


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
        A formula is outside the language, uses an unknown name, or formulas need each other.
    """
    instants = frozenset(name for name, values in columns.items() if values.dtype.kind == "M")
    return compile_formulas(tuple(formulas.items()), frozenset(columns) - instants, instants).run(columns)


def check_formulas(formulas: Mapping[str, str], numbers: frozenset[str], instants: frozenset[str]) -> None:
    """Refuse formulas that could not be evaluated over such columns; see ``evaluate_all``."""
    compile_formulas(tuple(formulas.items()), numbers, instants | {AS_OF})


def used_names(feature: str, formula: str) -> frozenset[str]:
    """The features, and perhaps ``asked_at``, that a formula names."""
    return frozenset(
        node.id for node in operands(syntax_tree(feature, formula)) if isinstance(node, ast.Name)
    )


# Programs are small; 64 are those of every model and service of a long-lived process.
@lru_cache(maxsize=64)
def compile_formulas(
    formulas: tuple[tuple[str, str], ...], numbers: frozenset[str], instants: frozenset[str]
) -> Program:
    """Parse, check and order formulas once."""
    trees = {name: syntax_tree(name, text) for name, text in formulas}
    kinds = dict.fromkeys(numbers | trees.keys(), NUMBER) | dict.fromkeys(instants, INSTANT)
    for name, text in formulas:
        check_kinds(name, text, trees[name], kinds)
    steps = [(name, code_of(name, trees[name])) for name in sorted_names(trees)]
    return Program(tuple(trees), tuple(steps))


def syntax_tree(feature: str, formula: str) -> ast.expr:
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
    """``node`` and every expression inside it."""
    yield node
    for child in direct_operands(node):
        yield from operands(child)


def direct_operands(node: ast.expr) -> list[ast.expr]:
    """The expressions directly inside ``node``; the name of a called function is none."""
    children = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    return [child for child in children if not (isinstance(node, ast.Call) and child is node.func)]


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
            return len(arguments) == 2 and not any(
                isinstance(argument, ast.Starred) for argument in arguments
            )
    return False


def check_kinds(
    feature: str, formula: str, node: ast.expr, kinds: Mapping[str, str], expected: str = NUMBER
) -> None:
    """Refuse an unknown name, and an instant where a number belongs or the reverse."""
    if isinstance(node, ast.Name) and node.id not in kinds:
        raise FormulaError(
            f"the formula of {feature}, {formula!r}, names {node.id}, which is no feature it could use: "
            "correct the name in the YAML of the feature model"
        )
    if (kinds[node.id] if isinstance(node, ast.Name) else NUMBER) != expected:
        raise FormulaError(
            f"the formula of {feature}, {formula!r}, uses {ast.unparse(node)} where {expected}s belong: "
            "days(a, b) takes two instants, + - * / take numbers"
        )
    operand_kind = INSTANT if isinstance(node, ast.Call) else NUMBER
    for child in direct_operands(node):
        check_kinds(feature, formula, child, kinds, operand_kind)


def sorted_names(trees: Mapping[str, ast.expr]) -> list[str]:
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
    array = np.asarray(values, dtype="float64")
    return without_infinity(array if array.shape == shape else np.broadcast_to(array, shape))


def without_infinity(values: np.ndarray) -> np.ndarray:
    """``values``, NaN where infinite: infinity less itself is no number, and two additions are quick."""
    return values + (values - values)


FUNCTIONS: dict[str, Any] = {"__builtins__": {}, "ratio": ratio, "days": days}
RESERVED = frozenset(
    {AS_OF, "days", "ratio", "row", "file_index", "file_row_number", "customer_id", "event_timestamp"}
)
