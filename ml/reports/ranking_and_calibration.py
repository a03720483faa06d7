"""Curves of the ranking, and of the calibration: whether the probabilities are true."""

import numpy as np
from markupsafe import Markup

from ml.page.axes import linear, shares
from ml.page.document import grid, soft
from ml.page.number_text import percent, readable
from ml.page.plot import Across, Columns, Dots, Line, Shape, plot, whiskered
from ml.reports.card_data import OTHER, Card

SHARE_MIN = 0.02  # share of the customers: of fewer rows, precision and lift are mostly chance
CALIBRATIONS = {"platt": "a line on the log-odds (Platt)", "isotonic": "steps that never fall (isotonic)"}
DIAGONAL = Line([0, 1], [0, 1], "ink", "chance", dashed=True, thin=True)


def ranking(card: Card) -> list[Markup]:
    """ROC, precision and recall, gain, lift."""
    about = (
        "The dot is the threshold. Thin grey lines: the other candidates. Precision and lift begin at "
        "2 %, for of fewer rows they are mostly chance."
    )
    return [soft(about), grid(roc(card), precision_recall(card), gain(card), lift(card), two=True)]


def lines(card: Card, curve: str, across: str, up: str, shortest: float = 0.0) -> list[Line]:
    """A line a candidate, the champion on top; from ``shortest`` on.

    A part of the first tie, drawn by chance, is expected to do as the whole of it.
    """
    curves = card.evidence["curves"][curve]
    order = sorted(curves, key=lambda name: (name == card.champion, name == card.evidence["baseline"]))
    curve_lines = []
    for name in order:
        positions, heights = (np.asarray(curves[name][axis], float) for axis in (across, up))
        if shortest and positions[0] > shortest:
            positions, heights = np.append(shortest, positions), np.append(heights[0], heights)
        heights = np.where(positions < shortest, np.nan, heights)
        is_other = card.tone(name) == OTHER
        label = "" if is_other else readable(name)
        curve_lines.append(Line(positions, heights, card.tone(name), label, thin=is_other))
    return curve_lines


def at_threshold(card: Card, across: float | None, up: str) -> list[Shape]:
    """The point of the decision, where both its figures are known."""
    decision = card.evidence["decision"]
    if across is None or decision[up] is None:
        return []
    tooltip = f"threshold {decision['threshold']:.4f}"
    return [Dots([across], [decision[up]["value"]], "ink", tooltips=[tooltip])]


def roc(card: Card) -> Markup:
    """Recall against false alarms."""
    counts = card.evidence["decision"]["confusion"]
    stayed = counts["stayed_listed"] + counts["stayed_not_listed"]
    false_alarms = counts["stayed_listed"] / stayed if stayed else None
    shapes: list[Shape] = [DIAGONAL, *lines(card, "roc", "false_alarms", "recall")]
    shapes += at_threshold(card, false_alarms, "recall")
    axes = shares("share of stayers listed"), shares("share of churners found")
    return plot("ROC", shapes, *axes, square=True)


def precision_recall(card: Card) -> Markup:
    """Precision against recall."""
    base = card.evidence["test"]["base_rate"]
    shapes: list[Shape] = [Across(y=base, label=f"base rate, {percent(base)}")]
    shapes += lines(card, "precision_recall", "recall", "precision", SHARE_MIN)
    shapes += at_threshold(card, card.evidence["decision"]["recall"]["value"], "precision")
    axes = shares("share of churners found"), shares("share of the list that churned")
    return plot("Precision and recall", shapes, *axes, square=True)


def gain(card: Card) -> Markup:
    """Churners found by the share of customers flagged."""
    base = card.evidence["test"]["base_rate"]
    best = Line([0, base, 1], [0, 1, 1], "c", "best possible", dashed=True, thin=True)
    shapes: list[Shape] = [DIAGONAL, best, *lines(card, "gain", "listed", "found")]
    shapes += at_threshold(card, card.evidence["decision"]["listed"]["value"], "recall")
    axes = shares("share of customers listed"), shares("share of churners found")
    return plot("Gain", shapes, *axes, square=True)


def lift(card: Card) -> Markup:
    """How many times as many churners as among customers drawn by chance."""
    curves = lines(card, "lift", "listed", "lift", SHARE_MIN)
    heights = [value for curve in curves for value in np.asarray(curve.y, float)]
    shapes: list[Shape] = [Across(y=1.0, label="chance"), *curves]
    up = linear([*heights, 1.0], "times the base rate", low=0)
    return plot("Lift", shapes, shares("share of customers listed"), up, square=True)


def truth(card: Card) -> list[Markup]:
    """Reliability, and the distribution of the probabilities."""
    about = (
        "Of customers said to churn with 30 %, 30 % should. Test rows in groups of about equal size, with "
        "the interval of their churn rate."
    )
    kind = card.manifest["calibration"].get("kind")
    about += f" Calibrated by {CALIBRATIONS[kind]}." if kind in CALIBRATIONS else ""
    if error := card.measures.get("ece"):
        value, interval = card.figure("ece", error["value"]), card.interval("ece", error)
        about += f" Expected calibration error of the champion: {value} ({interval})."
    return [soft(about), grid(reliability(card), distribution(card), two=True)]


def reliability(card: Card) -> Markup:
    """Predicted against observed churn rate."""
    shapes: list[Shape] = [Line([0, 1], [0, 1], "ink", "true", dashed=True, thin=True)]
    for name in dict.fromkeys((card.evidence["baseline"], card.champion)):
        points = card.evidence["curves"]["reliability"].get(name)
        if points is None:
            continue
        tooltips = [
            f"said {percent(predicted)}, seen {percent(observed)}, {rows:,} rows"
            for predicted, observed, rows in zip(points["said"], points["seen"], points["rows"], strict=True)
        ]
        predicted_rates, observed_rates, low, high = (
            points[column] for column in ("said", "seen", "low", "high")
        )
        shapes += whiskered(
            predicted_rates, observed_rates, low, high, card.tone(name), readable(name), tooltips
        )
    return plot("Reliability", shapes, shares("said"), shares("share that churned"), square=True)


def distribution(card: Card) -> Markup:
    """Probabilities of those who stayed and those who churned."""
    histogram, bands = card.histogram, card.problem["bands"]
    threshold = card.evidence["decision"]["threshold"]
    shapes: list[Shape] = [
        Columns(histogram["edges"], histogram["stayed"], "a", "stayed", pale=True),
        Line.outline(histogram["edges"], histogram["churned"], "b", "churned"),
        Across(x=threshold, label=f"threshold {threshold:.3f}"),
        Across(x=bands["medium"], tone="e"),
        Across(x=bands["high"], tone="e", label="bands"),
    ]
    most = max(*histogram["stayed"], *histogram["churned"])
    up = shares("share of each class", high=most * 1.05)
    return plot("How sure the champion is", shapes, shares("said"), up, square=True)
