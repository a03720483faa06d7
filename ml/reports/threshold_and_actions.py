"""The threshold, its profit, and the action in each band."""

import numpy as np
from markupsafe import Markup

from ml.decision.threshold import unmet_rule
from ml.metrics.chance import ranks_better_than_chance
from ml.page.axes import linear, shares
from ml.page.bars import aligned, figure, split_row
from ml.page.document import grid, paragraph, soft, subheading, table
from ml.page.number_text import NOTHING, number, percent, readable
from ml.page.plot import Across, Band, Dots, Line, Shape, plot
from ml.reports.card_data import Card, Values, between, money


def decision(card: Card) -> list[Markup]:
    """The list that the threshold makes, profit by threshold, bands; nothing where scores are no use."""
    if not ranks_better_than_chance(card.manifest):
        return [paragraph("No list and no actions: the scores order customers no better than chance.")]
    return [
        paragraph(" ".join([*threshold_sentences(card), *profit_sentences(card.evidence["decision"])])),
        confusion(card.evidence["decision"]["confusion"]),
        *profits(card),
        subheading("Bands"),
        bands(card),
    ]


def threshold_sentences(card: Card) -> list[str]:
    """Whom the threshold flags."""
    decision, rule = card.evidence["decision"], card.problem["threshold"]
    precision = decision["precision"]
    value = "" if rule.get("value") is None else f" {number(rule['value'])}"
    sentences = [
        f"Threshold {decision['threshold']:.4f}, set on the calibration rows by the rule "
        f"{readable(rule['rule'])}{value}: it lists {percent(decision['listed']['value'])} of the customers "
        f"({between(decision['listed'])}) and finds {percent(decision['recall']['value'])} of the churners "
        f"({between(decision['recall'])})."
    ]
    if precision:
        sentences.append(f"{percent(precision['value'])} of those listed churned ({between(precision)}).")
    if not decision["rule_met"]:
        sentence = unmet_rule(rule["rule"])
        sentences.append(f"{sentence[0].upper()}{sentence[1:]}.")
    return sentences


def profit_sentences(decision: Values) -> list[str]:
    """What the flagged customers earn, and beside it what simple policies earn; nothing without costs."""
    profit, break_even = decision["profit"], decision["break_even"]
    if not profit:
        return []
    profit_per_customer = decision["profit_per_listed"]
    by_customer = f", {money(profit_per_customer)} a listed customer" if profit_per_customer else ""
    sentences = [
        f"By the stated costs the list earns {money(profit['value'])} "
        f"({between(profit, money)}) over all test rows{by_customer}; nobody was really contacted, "
        "so that is an expectation.",
        f"Contacting everyone would earn {money(decision['everyone']['value'])}, no one nothing.",
    ]
    if break_even["probability"] is None:
        sentences.append("No contact pays: even a sure churner costs more than he is worth.")
    else:
        sentences.append(
            f"A contact pays from a probability of {percent(break_even['probability'])} on; the list from "
            f"there on holds {percent(break_even['listed']['value'])} and earns "
            f"{money(break_even['profit']['value'])}."
        )
    return sentences + [f"{shortfall[0].upper()}{shortfall[1:]}." for shortfall in decision["shortfalls"]]


def confusion(counts: Values) -> Markup:
    """Flagged customers among those who churned and those who stayed."""
    rows, texts = [], []
    for outcome, tone in (("churned", "b"), ("stayed", "a")):
        flagged, rest = counts[f"{outcome}_listed"], counts[f"{outcome}_not_listed"]
        total = flagged + rest or 1
        texts.append(f"{flagged:,} listed, {rest:,} not")
        parts = [(flagged / total, tone), (rest / total, f"{tone} pale")]
        rows.append(split_row(f"{outcome} ({flagged + rest:,})", parts, texts[-1]))
    return figure("Rows of the test part: listed (full colour) and not listed (pale)", aligned(rows, texts))


def profits(card: Card) -> list[Markup]:
    """Profit against the threshold, and against the share of customers flagged."""
    points = card.evidence["curves"].get("profit") or {}
    if not points.get("profit"):
        return [soft("The problem states no costs, so there is no profit to draw.")]
    values = {name: np.asarray(points[name], float) for name in points}
    best = int(np.argmax(values["profit"]))
    greatest = f"greatest: {money(values['profit'][best])}"
    decision, pictures = card.evidence["decision"], []
    for name, label, chosen in (
        ("threshold", "threshold", decision["threshold"]),
        ("listed", "share of customers listed", decision["listed"]["value"]),
    ):
        order = np.argsort(values[name], kind="stable")
        across = values[name][order]
        shapes: list[Shape] = [
            Band(across, values["low"][order], values["high"][order], "a", "95 % interval"),
            Line(across, values["profit"][order], "a", "profit"),
            Across(x=chosen, label="the threshold"),
            Dots([values[name][best]], [values["profit"][best]], "c", greatest),
        ]
        up = linear([0.0, *values["low"], *values["high"]], "profit over all test rows")
        pictures.append(plot(f"Profit against {label}", shapes, shares(label), up))
    return [grid(*pictures, two=True)]


def bands(card: Card) -> Markup:
    """What each band is, and what to do there."""
    rows = [
        [
            band["band"],
            f"{number(band['low'])} to {number(band['high'])}",
            number(band["rows"]),
            percent(band["mean_probability"]),
            percent(band["base_rate"]),
            band["action"] or NOTHING,
        ]
        for band in card.evidence["decision"]["bands"]
    ]
    return table(("band", "probability", "test rows", "said", "churned", "action"), rows, texts=(0, 5))
