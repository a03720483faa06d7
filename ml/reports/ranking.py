"""Curves of the ranking, and whether the probabilities are true."""

from collections.abc import Callable

import numpy as np
from markupsafe import Markup

from ml.page.axes import Axis, linear, shares
from ml.page.document import grid, paragraph
from ml.page.figures import percent, readable
from ml.page.plot import Across, Columns, Dots, Line, Shape, plot
from ml.reports.facts import Told, Values

SHORTEST = 0.02
CALIBRATIONS = {"platt": "a line on the log-odds (Platt)", "isotonic": "steps that never fall (isotonic)"}


def ranking(told: Told) -> list[Markup]:
    """ROC, precision and recall, gain, lift."""
    return [
        paragraph(
            "The dot is the threshold. Thin grey lines: the other candidates. Precision and lift begin at "
            "2 %, for of fewer rows they are mostly chance.",
            soft=True,
        ),
        grid(roc(told), precision_recall(told), gain(told), lift(told), two=True),
    ]


def lines(told: Told, curve: str, across: str, up: str, shortest: float = 0.0) -> list[Line]:
    """A line a candidate, the champion on top; from ``shortest`` on, for a few rows jump too much.

    A part of the first tie, drawn by chance, is expected to do as the whole of it.
    """
    found: Values = told.evidence["curves"][curve]
    order = sorted(found, key=lambda name: (name == told.champion, name == told.evidence["baseline"]))
    drawn = []
    for name in order:
        tone = told.tone(name)
        places, heights = (np.asarray(found[name][which], float) for which in (across, up))
        if shortest and places[0] > shortest:
            places, heights = np.append(shortest, places), np.append(heights[0], heights)
        drawn.append(
            Line(
                places,
                np.where(places < shortest, np.nan, heights),
                tone,
                label=readable(name) if tone != "e" else "",
                thin=tone == "e",
            )
        )
    return drawn


def at_threshold(told: Told, across: Callable[[Values], float | None], up: str) -> list[Shape]:
    """The point of the decision."""
    decision = told.evidence["decision"]
    place, height = across(decision), decision[up]
    if place is None or height is None:
        return []
    said = f"threshold {decision['threshold']:.4f}"
    return [Dots([place], [height["value"]], "ink", said=[said])]


def roc(told: Told) -> Markup:
    """Recall against false alarms."""
    shapes: list[Shape] = [Line([0, 1], [0, 1], "ink", "chance", dashed=True, thin=True)]
    shapes += [*lines(told, "roc", "false_alarms", "recall"), *at_threshold(told, false_alarms, "recall")]
    axes = shares("share of stayers listed"), shares("share of churners found")
    return plot("ROC", shapes, *axes, square=True)


def false_alarms(decision: Values) -> float | None:
    """Share of stayers listed at the threshold."""
    counts = decision["confusion"]
    stayed = counts["stayed_listed"] + counts["stayed_not_listed"]
    return counts["stayed_listed"] / stayed if stayed else None


def precision_recall(told: Told) -> Markup:
    """Precision against recall."""
    base = told.evidence["test"]["base_rate"]
    shapes: list[Shape] = [Across(y=base, label=f"base rate, {percent(base)}")]
    shapes += lines(told, "precision_recall", "recall", "precision", SHORTEST)
    shapes += at_threshold(told, lambda decision: decision["recall"]["value"], "precision")
    axes = shares("share of churners found"), shares("share of the list that churned")
    return plot("Precision and recall", shapes, *axes, square=True)


def gain(told: Told) -> Markup:
    """Churners found by a list of a length."""
    base = told.evidence["test"]["base_rate"]
    shapes: list[Shape] = [
        Line([0, 1], [0, 1], "ink", "chance", dashed=True, thin=True),
        Line([0, base, 1], [0, 1, 1], "c", "best possible", dashed=True, thin=True),
    ]
    shapes += lines(told, "gain", "listed", "found")
    shapes += at_threshold(told, lambda decision: decision["listed"]["value"], "recall")
    axes = shares("share of customers listed"), shares("share of churners found")
    return plot("Gain", shapes, *axes, square=True)


def lift(told: Told) -> Markup:
    """How many times as many churners as a list drawn by chance."""
    shapes: list[Shape] = [Across(y=1.0, label="chance")]
    drawn = lines(told, "lift", "listed", "lift", SHORTEST)
    heights = [value for line in drawn for value in np.asarray(line.y, float)]
    shapes += drawn
    up_axis = linear([*heights, 1.0], "times the base rate", low=0)
    return plot("Lift", shapes, shares("share of customers listed"), up_axis, square=True)


def truth(told: Told) -> list[Markup]:
    """Reliability, and how sure the model is."""
    found = told.measures.get("ece")
    said = (
        "Of customers said to churn with 30 %, 30 % should. Test rows in groups of about equal size, with "
        "the interval of their churn rate."
    )
    kind = told.card["calibration"].get("kind")
    said += f" Calibrated by {CALIBRATIONS[kind]}." if kind in CALIBRATIONS else ""
    if found:
        value, interval = told.figure("ece", found["value"]), told.interval("ece", found)
        said += f" Expected calibration error of the champion: {value} ({interval})."
    return [paragraph(said, soft=True), grid(reliability(told), sureness(told), two=True)]


def reliability(told: Told) -> Markup:
    """Said against seen."""
    shapes: list[Shape] = [Line([0, 1], [0, 1], "ink", "true", dashed=True, thin=True)]
    for name in dict.fromkeys((told.evidence["baseline"], told.champion)):
        points = told.evidence["curves"]["reliability"].get(name)
        if points is None:
            continue
        said = [
            f"said {percent(said)}, seen {percent(seen)}, {rows:,} rows"
            for said, seen, rows in zip(points["said"], points["seen"], points["rows"], strict=True)
        ]
        tone = told.tone(name)
        shapes.append(Line(points["said"], points["seen"], tone, thin=True))
        shapes.append(
            Dots(
                points["said"], points["seen"], tone, readable(name), points["low"], points["high"], said=said
            )
        )
    return plot("Reliability", shapes, shares("said"), shares("share that churned"), square=True)


def sureness(told: Told) -> Markup:
    """Probabilities of those who stayed and those who churned."""
    found, bands = told.sureness, told.problem["bands"]
    most = max(*found["stayed"], *found["churned"])
    threshold = told.evidence["decision"]["threshold"]
    edges = np.asarray(found["edges"])
    outline = np.repeat(edges, 2), np.concatenate([[0.0], np.repeat(found["churned"], 2), [0.0]])
    shapes: list[Shape] = [
        Columns(edges, found["stayed"], "a", "stayed", pale=True),
        Line(*outline, "b", "churned"),
        Across(x=threshold, label=f"threshold {threshold:.3f}"),
        Across(x=bands["medium"], tone="e"),
        Across(x=bands["high"], tone="e", label="bands"),
    ]
    up: Axis = shares("share of each class", high=most * 1.05)
    return plot("How sure the champion is", shapes, shares("said"), up, square=True)
