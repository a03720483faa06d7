"""One card a feature: what it is, its values by label, how it moved; from ``look_at``'s plain values."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from ml.common.counting import counted
from ml.explore.columns import FLAG, INSTANT, TEXT
from ml.page.axes import Axis, bare, linear, logarithmic
from ml.page.figures import decimals, number, percent
from ml.page.plot import Columns, Line, Shape, plot
from ml.page.rows import NONE, bar_rows, figure, name_of

CARD = Markup(
    '<div class="card compact" id="f-{name}"><h3>{heading}</h3><p class="soft">{about}</p>'
    "{picture}{moved}</div>"
)
SPARK = 1.6
WORDS = {INSTANT: "age in days when asked", FLAG: "yes or no", TEXT: "text", "number": "number"}


def card(shape: Mapping[str, Any], base_rate: float, parts: Sequence[str]) -> Markup:
    """The card of one feature."""
    return CARD.format(
        name=shape["name"],
        heading=name_of(shape["name"]),
        about=about(shape),
        picture=picture(shape, base_rate),
        moved=moved(shape, parts),
    )


def about(shape: Mapping[str, Any]) -> str:
    """Kind, nulls, values, what it tells."""
    said = [f"{WORDS[shape['kind']]}, {shape['type']}"]
    said.append(f"{percent(shape['missing'])} null" if shape["missing"] else "never null")
    said.append(counted(shape["distinct"], "value"))
    numbers = shape["numbers"]
    if numbers and shape["distinct"] > 1:
        least, middle, most = (number(numbers[name]) for name in ("minimum", "median", "maximum"))
        said.append(f"{least} to {most}, median {middle}")
    if shape["auc"] is not None and shape["distinct"] > 1:
        said.append(f"ROC-AUC {with_interval(shape)}{way(shape)}")
    text = "; ".join(said)
    return f"{shape['description']} {text[:1].upper()}{text[1:]}.".strip()


def with_interval(shape: Mapping[str, Any]) -> str:
    """A feature's own ROC-AUC and how sure it is."""
    low, high = shape["auc_interval"]
    return f"{shape['auc']:.3f} [{low:.3f}, {high:.3f}]"


def way(shape: Mapping[str, Any]) -> str:
    """Which values churn more."""
    if shape["rising"] is None or shape["auc"] < 0.505:
        return ""
    return ", high values churn" if shape["rising"] else ", low values churn"


def picture(shape: Mapping[str, Any], base_rate: float) -> Markup:
    """The distribution by label, or the churn rate of each value."""
    if shape["histogram"]:
        return histogram(shape["histogram"]) if shape["distinct"] > 1 else NONE
    if not shape["categories"] or shape["missing"] == 1:
        return NONE
    bars = [
        (
            f"{each['name']}, {percent(each['share'], 0)}",
            each["churn_rate"],
            percent(each["churn_rate"]),
            "bar",
        )
        for each in shape["categories"]
    ]
    return figure(NONE, bar_rows(bars, limit=base_rate))


def histogram(found: Mapping[str, Any]) -> Markup:
    """Both classes over one axis: who stayed as an area, who churned as a line."""
    edges = np.asarray(found["edges"])
    axis: Axis = linear(edges.tolist(), low=edges[0], high=edges[-1], whole=found["whole"])
    if found["scale"] == "log":
        axis, edges = logarithmic(edges[0], edges[-1]), np.log1p(edges)
    most = max(*found["stayed"], *found["churned"], 1e-9)
    across, up = stairs(edges, found["churned"])
    shapes: list[Shape] = [Columns(edges, found["stayed"], "a", pale=True), Line(across, up, "b")]
    return zeros(found["zeros"]) + plot("", shapes, axis, bare(0, most * 1.04), height=6)


def zeros(shares: Mapping[str, float] | None) -> Markup:
    """How often a value is 0, where the picture shows the others."""
    if shares is None:
        return NONE
    stayed, churned = percent(shares["stayed"], 0), percent(shares["churned"], 0)
    said = f"0 for {stayed} of who stayed and {churned} of who churned; the others:"
    return Markup('<p class="soft">{}</p>').format(said)


def stairs(edges: np.ndarray, heights: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """A histogram's outline."""
    return np.repeat(edges, 2), np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])


def moved(shape: Mapping[str, Any], parts: Sequence[str]) -> Markup:
    """Its mean, or share of yes, from cut-off to cut-off, the test part's cut-offs in their own colour."""
    values = np.array([np.nan if value is None else value for value in shape["movement"]], float)
    known = values[np.isfinite(values)]
    if shape["kind"] == INSTANT or len(values) < 3 or len(np.unique(known)) < 2:
        return NONE
    across = np.arange(len(values))
    axis = bare(0, len(values) - 1)
    up = linear(known.tolist())
    later = np.array([part != "train" for part in parts])
    shapes: list[Shape] = [
        Line(across, np.where(later, np.nan, values), "ink", thin=True),
        Line(across, np.where(later, values, np.nan), "d", thin=True),
    ]
    what = "share of yes" if shape["kind"] == FLAG else "mean"
    index = f", stability index {decimals(shape['psi'], 2)}" if shape["psi"] is not None else ""
    said = f"{what} by cut-off: {number(known[0])} at first, {number(known[-1])} at last{index}"
    return plot("", shapes, axis, bare(min(up.low, known.min()), up.high), height=SPARK) + Markup(
        '<p class="soft">{}</p>'
    ).format(said)
