"""What the threshold does, what it earns, and what to do in each band."""

import numpy as np
from markupsafe import Markup

from ml.metrics.chance import ranks_better_than_chance
from ml.page.axes import linear, shares
from ml.page.document import grid, paragraph, table
from ml.page.figures import number, percent, readable
from ml.page.plot import Across, Band, Dots, Line, Shape, plot
from ml.page.rows import NONE, beside, figure, split_row
from ml.reports.facts import Told, Values, between, money


def decision(told: Told) -> list[Markup]:
    """The list that the threshold makes, profit against threshold, bands; nothing where scores are no use."""
    if not ranks_better_than_chance(told.card):
        return [paragraph("No list and no actions: the scores order customers no better than chance.")]
    return [
        paragraph(sentence(told)),
        confusion(told.evidence["decision"]["confusion"]),
        *profits(told),
        Markup("<h3>Bands</h3>"),
        bands(told),
    ]


def sentence(told: Told) -> str:
    """What the threshold does."""
    found, rule = told.evidence["decision"], told.problem["threshold"]
    precision = found["precision"]
    value = "" if rule.get("value") is None else f" {number(rule['value'])}"
    said = [
        f"Threshold {found['threshold']:.4f}, set on the calibration rows by the rule "
        f"{readable(rule['rule'])}{value}: it lists {percent(found['listed']['value'])} of the customers "
        f"({between(found['listed'])}) and finds {percent(found['recall']['value'])} of the churners "
        f"({between(found['recall'])})."
    ]
    if precision:
        said.append(f"{percent(precision['value'])} of those listed churned ({between(precision)}).")
    if not found["rule_met"]:
        said.append("No threshold met the rule there; the nearest was taken.")
    if found["profit"]:
        each = (
            f", {money(found['profit_per_listed'])} a listed customer" if found["profit_per_listed"] else ""
        )
        said.append(
            f"By the stated costs the list earns {money(found['profit']['value'])} "
            f"({between(found['profit'], money)}) over all test rows{each}; nobody was really contacted, "
            "so that is an expectation."
        )
        said.append(policies(found))
    return " ".join(said)


def policies(found: Values) -> str:
    """What the simple policies earn, and from which probability a contact pays."""
    even = found["break_even"]
    said = [f"Contacting everyone would earn {money(found['everyone']['value'])}, no one nothing."]
    if even["probability"] is None:
        said.append("No contact pays: even a sure churner costs more than he is worth.")
    else:
        said.append(
            f"A contact pays from a probability of {percent(even['probability'])} on; the list from there on "
            f"holds {percent(even['listed']['value'])} and earns {money(even['profit']['value'])}."
        )
    said += [f"{sentence[0].upper()}{sentence[1:]}." for sentence in found["shortfalls"]]
    return " ".join(said)


def confusion(counts: Values) -> Markup:
    """Who was listed, among those who churned and those who stayed."""
    rows, told = NONE, []
    for name, tone in (("churned", "b"), ("stayed", "a")):
        listed, rest = counts[f"{name}_listed"], counts[f"{name}_not_listed"]
        whole = listed + rest or 1
        told.append(f"{listed:,} listed, {rest:,} not")
        rows += split_row(
            f"{name} ({listed + rest:,})", [(listed / whole, tone), (rest / whole, f"{tone} pale")], told[-1]
        )
    return figure("Rows of the test part: listed (full colour) and not listed (pale)", beside(rows, told))


def profits(told: Told) -> list[Markup]:
    """Profit against the threshold, and against the length of the list."""
    points = told.evidence["curves"].get("profit") or {}
    if not points.get("profit"):
        return [paragraph("The problem states no costs, so there is no profit to draw.", soft=True)]
    values = {name: np.asarray(points[name], float) for name in points}
    best = int(np.argmax(values["profit"]))
    most = f"greatest: {money(values['profit'][best])}"
    pictures = []
    for name, label, here in (
        ("threshold", "threshold", told.evidence["decision"]["threshold"]),
        ("listed", "share of customers listed", told.evidence["decision"]["listed"]["value"]),
    ):
        order = np.argsort(values[name], kind="stable")
        across = values[name][order]
        shapes: list[Shape] = [
            Band(across, values["low"][order], values["high"][order], "a", "95 % interval"),
            Line(across, values["profit"][order], "a", "profit"),
            Across(x=here, label="the threshold"),
            Dots([values[name][best]], [values["profit"][best]], "c", most),
        ]
        up = linear([0.0, *values["low"], *values["high"]], "profit over all test rows")
        pictures.append(plot(f"Profit against {label}", shapes, shares(label), up))
    return [grid(*pictures, two=True)]


def bands(told: Told) -> Markup:
    """What each band is, and what to do there."""
    rows = [
        [
            each["band"],
            f"{number(each['low'])} to {number(each['high'])}",
            number(each["rows"]),
            percent(each["mean_probability"]),
            percent(each["base_rate"]),
            each["action"] or "–",
        ]
        for each in told.evidence["decision"]["bands"]
    ]
    return table(("band", "probability", "test rows", "said", "churned", "action"), rows, texts=(0, 5))
