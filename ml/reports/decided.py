"""What the threshold does, what it earns, and what to do in each band."""

import numpy as np
from markupsafe import Markup

from ml.metrics.chance import ranks_better_than_chance
from ml.page.axes import linear, shares
from ml.page.document import grid, paragraph, soft, subheading, table
from ml.page.figures import NOTHING, number, percent, readable
from ml.page.plot import Across, Band, Dots, Line, Shape, plot
from ml.page.rows import aligned, figure, split_row
from ml.reports.card import Card, Values, between, money


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
        sentences.append("No threshold met the rule there; the nearest was taken.")
    return sentences


def profit_sentences(decision: Values) -> list[str]:
    """What the flagged customers earn, and beside it what simple policies earn; nothing without costs."""
    profit, even = decision["profit"], decision["break_even"]
    if not profit:
        return []
    single = decision["profit_per_listed"]
    by_customer = f", {money(single)} a listed customer" if single else ""
    sentences = [
        f"By the stated costs the list earns {money(profit['value'])} "
        f"({between(profit, money)}) over all test rows{by_customer}; nobody was really contacted, "
        "so that is an expectation.",
        f"Contacting everyone would earn {money(decision['everyone']['value'])}, no one nothing.",
    ]
    if even["probability"] is None:
        sentences.append("No contact pays: even a sure churner costs more than he is worth.")
    else:
        sentences.append(
            f"A contact pays from a probability of {percent(even['probability'])} on; the list from there on "
            f"holds {percent(even['listed']['value'])} and earns {money(even['profit']['value'])}."
        )
    return sentences + [f"{shortfall[0].upper()}{shortfall[1:]}." for shortfall in decision["shortfalls"]]


def confusion(counts: Values) -> Markup:
    """Flagged customers among those who churned and those who stayed."""
    rows, texts = [], []
    for outcome, tone in (("churned", "b"), ("stayed", "a")):
        listed, rest = counts[f"{outcome}_listed"], counts[f"{outcome}_not_listed"]
        whole = listed + rest or 1
        texts.append(f"{listed:,} listed, {rest:,} not")
        parts = [(listed / whole, tone), (rest / whole, f"{tone} pale")]
        rows.append(split_row(f"{outcome} ({listed + rest:,})", parts, texts[-1]))
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
