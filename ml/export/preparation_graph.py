"""The fitted preparation of a model, as operators: the same columns in the same order."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.common.errors import ModelError
from ml.export.graph import Graph
from ml.model.activity import Activity
from ml.model.pace import NONE, Pace
from ml.model.probability import SURE
from ml.model.repeat_purchase import Parameters, RepeatPurchase

NULL = float("nan")


def prepared(graph: Graph, step: Any, values: Mapping[str, str]) -> str:
    """The prepared columns, shape (rows, prepared columns).

    Parameters
    ----------
    step : Pipeline or ColumnTransformer
        The step ``prepare`` of a model.
    values : mapping
        Of each input, by name; null texts are ``(not known)``.
    """
    if hasattr(step, "named_steps"):
        columns = prepared(graph, step.named_steps["columns"], values)
        return single(graph, step.named_steps["single"], columns) if "single" in step.named_steps else columns
    parts = {}
    for name, transformer, names in step.transformers_:
        if names and transformer != "drop":
            parts[step.output_indices_[name].start] = transformed(
                graph, transformer, [values[each] for each in names]
            )
    return graph.side_by_side([parts[start] for start in sorted(parts)])


def transformed(graph: Graph, transformer: Any, columns: list[str]) -> str:
    """What a fitted transformer makes of columns.

    Raises
    ------
    ModelError
        The transformer is none of those of ``ml.model.preparation``.
    """
    if hasattr(transformer, "named_steps"):
        value = transformed(graph, transformer.steps[0][1], columns)
        for _, step in transformer.steps[1:]:
            value = transformed(graph, step, [value])
        return value
    match type(transformer).__name__:
        case "str" | "FunctionTransformer":  # passed through
            return graph.side_by_side(columns)
        case "TameSkew":
            return tame(graph, transformer, graph.side_by_side(columns))
        case "SimpleImputer":
            return impute(graph, transformer, graph.side_by_side(columns))
        case "StandardScaler":
            value = graph.plus(graph.side_by_side(columns), -transformer.mean_)
            return graph.add("Div", value, graph.constant(transformer.scale_))
        case "OneHotEncoder":
            return graph.side_by_side([one_hot(graph, transformer, *each) for each in enumerate(columns)])
        case "OrdinalEncoder":
            ranks = [np.arange(len(values), dtype=np.float64) for values in transformer.categories_]
            unseen = float(transformer.unknown_value)
            return look_up_all(graph, columns, transformer.categories_, ranks, unseen)
        case "TargetEncoder":
            means = [np.asarray(each, dtype=np.float64) for each in transformer.encodings_]
            return look_up_all(
                graph, columns, transformer.categories_, means, float(transformer.target_mean_)
            )
        case "RepeatPurchase":
            churn, known = repeat_purchase(graph, transformer, columns)
            return graph.choose(known, log_odds(graph, churn), graph.constant([[NULL]]))
        case "Activity":
            return activity(graph, transformer, columns)
        case "Pace":
            return pace(graph, transformer, columns)
    raise ModelError(
        f"{type(transformer).__name__} has no form in ONNX: add one in ml/export/preparation_graph.py"
    )


def single(graph: Graph, step: Any, columns: str) -> str:
    value = graph.in_single_precision(columns)
    unknown = getattr(step, "unknown_", None)
    if unknown is None or not unknown.any():
        return value
    return graph.choose(graph.constant(unknown, np.bool_), graph.constant([[0.0]]), value)


def tame(graph: Graph, step: Any, value: str) -> str:
    logs = graph.add("Log", graph.plus(graph.add("Abs", value), 1.0))
    signed = graph.choose(graph.add("Less", value, graph.constant([[0.0]])), graph.negative(logs), logs)
    return graph.choose(graph.constant(step.skewed_, np.bool_), signed, value)


def impute(graph: Graph, step: Any, value: str) -> str:
    known = graph.instead_of_null(value, graph.constant(step.statistics_))
    if not step.add_indicator or not len(step.indicator_.features_):
        return known
    nulls = graph.as_double(graph.is_null(graph.take(value, step.indicator_.features_)))
    return graph.side_by_side([known, nulls])


def one_hot(graph: Graph, step: Any, index: int, column: str) -> str:
    """One column a frequent value, then one for the rare and the unseen if there were rare ones."""
    rare = step.infrequent_categories_[index]
    rare = [] if rare is None else list(rare)
    frequent = [value for value in step.categories_[index] if value not in rare]
    width = len(frequent) + bool(rare)
    places = [
        frequent.index(value) if value in frequent else len(frequent) for value in step.categories_[index]
    ]
    place = encode(graph, column, step.categories_[index], np.array(places), len(frequent) if rare else width)
    hit = graph.add("Equal", place, graph.constant(np.arange(width)[None, :], np.int64))
    return graph.as_double(hit)


def look_up_all(
    graph: Graph, columns: list[str], categories: list[Any], numbers: list[NDArray[np.float64]], unseen: float
) -> str:
    """The number of each text, or ``unseen``."""
    numbers_of = []
    for column, known, values in zip(columns, categories, numbers, strict=True):
        place = encode(graph, column, known, np.arange(len(known)), len(known))
        numbers_of.append(graph.add("Gather", graph.constant([*np.ravel(values), unseen]), place))
    return graph.side_by_side(numbers_of)


def encode(graph: Graph, column: str, texts: Any, places: NDArray[Any], unseen: int) -> str:
    """The place of each text as a whole number."""
    return graph.add(
        "LabelEncoder",
        column,
        domain="ai.onnx.ml",
        keys_strings=[str(text) for text in texts],
        values_int64s=[int(place) for place in places],
        default_int64=unseen,
    )


def log_odds(graph: Graph, probability: str) -> str:
    clipped = graph.at_most(graph.at_least(probability, SURE), 1 - SURE)
    return graph.add("Log", graph.add("Div", clipped, graph.plus(graph.negative(clipped), 1.0)))


def purchase_probability(
    graph: Graph, parameters: Parameters, repeats: str, last: str, age: str, ahead: float
) -> str:
    """As ``ml.model.repeat_purchase.purchase_probability`` of the modified model."""
    r, alpha, a, b = parameters.r, parameters.alpha, parameters.a, parameters.b
    rate = graph.plus(repeats, r)
    now, then = (graph.add("Log", graph.plus(age, alpha + days)) for days in (0.0, ahead))
    silence = graph.add("Sub", now, graph.add("Log", graph.plus(last, alpha)))
    stays = graph.add("Log", graph.at_least(graph.plus(repeats, b), SURE))
    gone = graph.add("Add", graph.plus(graph.negative(stays), np.log(a)), graph.add("Mul", rate, silence))
    here = graph.add("Sigmoid", graph.negative(gone))
    silent = graph.add("Exp", graph.add("Mul", rate, graph.add("Sub", now, then)))
    return graph.add("Mul", here, graph.plus(graph.negative(silent), 1.0))


def repeat_purchase(graph: Graph, step: RepeatPurchase, columns: list[str]) -> tuple[str, str]:
    """Probability of churn from placed orders and days since the first and the last; whether it is known."""
    all_three = graph.side_by_side(columns)
    placed, since_first, since_last = (graph.take(all_three, [column]) for column in range(3))
    age = graph.at_least(since_first, 0.0)
    repeats = graph.at_least(graph.plus(placed, -1.0), 0.0)
    last = graph.add("Min", graph.at_least(graph.add("Sub", age, since_last), 0.0), age)
    purchase = purchase_probability(graph, Parameters(*step.habits_), repeats, last, age, step.horizon_days)
    total = graph.add("Add", graph.add("Add", placed, since_first), since_last)  # null where one is
    ordered = graph.add("GreaterOrEqual", placed, graph.constant([[1.0]]))
    known = graph.add("And", ordered, graph.add("Not", graph.is_null(total)))
    return graph.plus(graph.negative(purchase), 1.0), known


def activity(graph: Graph, step: Activity, columns: list[str]) -> str:
    """As ``Activity.transform``: silence, events, events missed and log-odds of churn of all streams."""
    streams = (len(columns) - 1) // 2
    tenure, counts, silences = columns[0], columns[1 : 1 + streams], columns[1 + streams :]
    zero, null = graph.constant([[0.0]]), graph.constant([[NULL]])
    endless = graph.constant([[np.inf]])
    events, silence = graph.instead_of_null(counts[0], zero), graph.instead_of_null(silences[0], endless)
    for count, since in zip(counts[1:], silences[1:], strict=True):
        events = graph.add("Add", events, graph.instead_of_null(count, zero))
        silence = graph.add("Min", silence, graph.instead_of_null(since, endless))
    window = float(step.window_days)
    span = graph.at_most(
        graph.at_least(graph.instead_of_null(tenure, graph.constant([[window]])), 1.0), window
    )
    unknown = graph.add("Or", graph.add("IsInf", silence), graph.is_null(tenure))
    silence = graph.add("Min", graph.at_least(silence, 0.0), span)
    last = graph.choose(unknown, zero, graph.add("Sub", span, silence))
    purchase = purchase_probability(graph, Parameters(*step.habits_), events, last, span, step.horizon_days)
    churn = log_odds(graph, graph.plus(graph.negative(purchase), 1.0))
    missed = graph.add("Div", graph.add("Mul", events, silence), span)
    parts = [graph.choose(unknown, null, value) for value in (silence, missed, churn)]
    return graph.side_by_side([parts[0], events, *parts[1:]])


def pace(graph: Graph, step: Pace, columns: list[str]) -> str:
    """As ``Pace.transform``."""
    tenure = graph.choose(graph.is_null(columns[0]), columns[0], graph.at_least(columns[0], 1.0))
    known = graph.choose(
        graph.is_null(columns[0]), columns[0], graph.at_most(tenure, float(step.window_days))
    )
    spans = [tenure] * step.lifetime + [known] * step.windowed
    rates = [graph.add("Div", columns[1 + index], span) for index, span in enumerate(spans)]
    if step.placed != NONE:
        rates.append(graph.add("Mul", rates[step.placed], columns[-1]))
    return graph.side_by_side(rates)
