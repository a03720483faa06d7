"""One card a feature: its kind, its values by label, its movement; from the result of ``look_at``."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from ml.common.number_words import counted
from ml.explore.feature_columns import FLAG, INSTANT, TEXT
from ml.page.axes import Axis, linear, logarithmic
from ml.page.bars import EMPTY, Bar, bar_rows, breakable, figure
from ml.page.document import soft
from ml.page.number_text import decimals, number, percent
from ml.page.plot import Columns, Line, Shape, plot

CARD = Markup(
    '<div class="card compact" id="f-{name}"><h3>{heading}</h3><p class="soft">{about}</p>'
    "{picture}{movement}</div>"
)
HISTOGRAM_HEIGHT, SPARK_HEIGHT = 6, 1.6  # rem
NO_DIRECTION = 0.505  # a ROC-AUC below is not enough to name a direction
WORDS = {INSTANT: "age in days when asked", FLAG: "yes or no", TEXT: "text", "number": "number"}


def card(shape: Mapping[str, Any], base_rate: float, parts: Sequence[str]) -> Markup:
    """The card of one feature.

    Parameters
    ----------
    parts : sequence of str
        The part of each cut-off.
    """
    return CARD.format(
        name=shape["name"],
        heading=breakable(shape["name"]),
        about=about(shape),
        picture=picture(shape, base_rate),
        movement=movement(shape, parts),
    )


def about(shape: Mapping[str, Any]) -> str:
    """Kind, nulls, values, ROC-AUC."""
    varies = shape["distinct"] > 1
    facts = [
        f"{WORDS[shape['kind']]}, {shape['type']}",
        f"{percent(shape['missing'])} null" if shape["missing"] else "never null",
        counted(shape["distinct"], "value"),
    ]
    if shape["numbers"] and varies:
        least, middle, most = (number(shape["numbers"][name]) for name in ("minimum", "median", "maximum"))
        facts.append(f"{least} to {most}, median {middle}")
    if shape["auc"] is not None and varies:
        direction = ""
        if shape["rising"] is not None and shape["auc"] >= NO_DIRECTION:
            direction = f", {'high' if shape['rising'] else 'low'} values churn"
        facts.append(f"ROC-AUC {auc_with_interval(shape)}{direction}")
    text = "; ".join(facts)
    return f"{shape['description']} {text[:1].upper()}{text[1:]}.".strip()


def auc_with_interval(shape: Mapping[str, Any]) -> str:
    low, high = shape["auc_interval"]
    return f"{shape['auc']:.3f} [{low:.3f}, {high:.3f}]"


def picture(shape: Mapping[str, Any], base_rate: float) -> Markup:
    """The distribution by label, or the churn rate of each value."""
    if shape["histogram"]:
        return histogram(shape["histogram"]) if shape["distinct"] > 1 else EMPTY
    if not shape["categories"] or shape["missing"] == 1:
        return EMPTY
    bars = [
        Bar(
            f"{category['name']}, {percent(category['share'], 0)}",
            category["churn_rate"],
            percent(category["churn_rate"]),
        )
        for category in shape["categories"]
    ]
    return figure(EMPTY, bar_rows(bars, limit=base_rate))


def histogram(bins: Mapping[str, Any]) -> Markup:
    """Both classes on one axis: stayers as an area, churners as a line."""
    edges = np.asarray(bins["edges"])
    axis = linear(edges.tolist(), low=edges[0], high=edges[-1], whole=bins["whole"])
    if bins["scale"] == "log":
        axis, edges = logarithmic(edges[0], edges[-1]), np.log1p(edges)
    most = max(*bins["stayed"], *bins["churned"], 1e-9)
    shapes: list[Shape] = [
        Columns(edges, bins["stayed"], "a", pale=True),
        Line.outline(edges, bins["churned"], "b"),
    ]
    zeros = EMPTY
    if shares := bins["zeros"]:
        stayed, churned = percent(shares["stayed"], 0), percent(shares["churned"], 0)
        zeros = soft(f"0 for {stayed} of who stayed and {churned} of who churned; the others:")
    return zeros + plot("", shapes, axis, Axis(0, most * 1.04), height=HISTOGRAM_HEIGHT)


def movement(shape: Mapping[str, Any], parts: Sequence[str]) -> Markup:
    """The mean, or share of yes, by cut-off; later parts in a colour of their own."""
    values = np.array([np.nan if value is None else value for value in shape["movement"]], float)
    known = values[np.isfinite(values)]
    if shape["kind"] == INSTANT or len(values) < 3 or len(np.unique(known)) < 2:
        return EMPTY
    across, up = np.arange(len(values)), linear(known.tolist())
    is_later = np.array([part != "train" for part in parts])
    shapes: list[Shape] = [
        Line(across, np.where(is_later, np.nan, values), "ink", thin=True),
        Line(across, np.where(is_later, values, np.nan), "d", thin=True),
    ]
    axes = Axis(0, len(values) - 1), Axis(min(up.low, known.min()), up.high)
    measure = "share of yes" if shape["kind"] == FLAG else "mean"
    index = f", stability index {decimals(shape['psi'], 2)}" if shape["psi"] is not None else ""
    caption = f"{measure} by cut-off: {number(known[0])} at first, {number(known[-1])} at last{index}"
    return plot("", shapes, *axes, height=SPARK_HEIGHT) + soft(caption)
