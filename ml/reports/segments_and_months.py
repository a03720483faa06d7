"""The model's performance by segment, by month, and with older features."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from ml.common.number_words import counted
from ml.page.axes import Axis, categories, linear, shares
from ml.page.bars import EMPTY, Interval, figure, interval_rows
from ml.page.document import folded, grid, soft, stacked, table
from ml.page.number_text import number, percent
from ml.page.plot import Across, Dots, Line, Shape, plot, whiskered
from ml.reports.card_data import Card, Values, money

COLUMNS = ("group", "rows", "customers", "said", "churned", "listed", "recall", "precision", "ROC-AUC")


def segments(card: Card) -> list[Markup]:
    """ROC-AUC of each group, beside that of all."""
    entries = card.entries("segments")
    if not entries:
        return [card.missing()]
    overall = card.measures["roc_auc"]["value"]
    about = (
        f"ROC-AUC within each group of the test rows; dashed: all together, {overall:.3f}. Beside it the "
        "churn rate that was said, and the one that was seen."
    )
    # Short pictures, of numbers in thirds, stand in one column; the others beside them.
    short: list[Markup] = []
    others: list[Markup] = []
    for entry in entries:
        is_short = entry["groups"] and entry["groups"][-1]["low"] is not None
        (short if is_short else others).append(segment(entry, overall))
    groups = [group for entry in entries for group in entry["groups"]]
    return [
        soft(about),
        grid(stacked(*short), *others, two=True),
        folded("All groups in numbers", group_table(groups)),
    ]


def segment(entry: Values, overall: float) -> Markup:
    """The groups of one segment."""
    rows = [
        Interval.of(
            range_of(group),
            group["measures"]["roc_auc"],
            f"{group['measures']['roc_auc']['value']:.3f}; {percent(group['mean_probability'], 0)}, "
            f"{percent(group['base_rate'], 0)}",
        )
        for group in entry["groups"]
        if group["measures"]
    ]
    unmeasured = [group["name"] for group in entry["groups"] if not group["measures"]]
    inside = interval_rows(rows, overall) if rows else EMPTY
    inside += soft(f"Too few of a class to measure: {', '.join(unmeasured)}.") if unmeasured else EMPTY
    caption = Markup("<b>By {}</b> ({}); ROC-AUC; said, seen").format(entry["by"], entry["label"])
    return figure(caption, inside)


def range_of(group: Values) -> str:
    """A group's name, with its limits where it has some."""
    low, high = group.get("low"), group.get("high")
    if high is not None:
        return f"{group['name']}, to {number(high)}"
    return str(group["name"]) if low is None else f"{group['name']}, above {number(low)}"


def group_table(groups: Sequence[Values]) -> Markup:
    """Groups in numbers."""
    rows = [
        [
            range_of(group),
            number(group["rows"]),
            number(group["customers"]),
            *(
                percent(group[share])
                for share in ("mean_probability", "base_rate", "listed_share", "recall", "precision")
            ),
            f"{group['measures']['roc_auc']['value']:.3f}" if group["measures"] else "too few of a class",
        ]
        for group in groups
    ]
    return table(COLUMNS, rows)


def months(card: Card) -> list[Markup]:
    """ROC-AUC by month, and whether the churn rate was foreseen."""
    entries = card.entries("months")
    if not entries:
        return [card.missing()]
    axis = categories([month["name"] for month in entries])
    return [
        soft("By the month of the cut-off, test part."),
        grid(by_month(card, entries, axis), foreseen(entries, axis), two=True),
        folded("All months in numbers", group_table(entries)),
    ]


def by_month(card: Card, entries: Sequence[Values], axis: Axis) -> Markup:
    """ROC-AUC with its interval."""
    value, low, high = (
        [month["measures"]["roc_auc"][end] if month["measures"] else np.nan for month in entries]
        for end in ("value", "low", "high")
    )
    shapes: list[Shape] = [Across(y=card.measures["roc_auc"]["value"], label="all together")]
    shapes += whiskered(range(len(entries)), value, low, high, label="ROC-AUC with 95 % interval")
    return plot("ROC-AUC by month", shapes, axis, linear([*low, *high]))


def foreseen(entries: Sequence[Values], axis: Axis) -> Markup:
    """Predicted and observed churn rates."""
    across = range(len(entries))
    predicted, observed = ([month[name] for month in entries] for name in ("mean_probability", "base_rate"))
    shapes: list[Shape] = []
    for values, tone, label in ((predicted, "a", "said"), (observed, "b", "seen")):
        shapes += [Line(across, values, tone, thin=True), Dots(across, values, tone, label)]
    up = shares("share that churned", high=1.2 * max(*predicted, *observed))
    return plot("Churn rate by month", shapes, axis, up)


def staleness(card: Card) -> list[Markup]:
    """What older features cost."""
    entries = card.entries("staleness")
    if not entries:
        return [card.missing()]
    about = (
        "The label is asked at t, the features are those of some days before: what it costs to refresh "
        "them seldom. " + " ".join(change(card, entry) for entry in entries if entry["days"])
    )
    axis = categories([counted(entry["days"], "day") for entry in entries], "age of the features")
    measured = [entry["measures"]["roc_auc"] for entry in entries]
    pictures = [by_age("ROC-AUC by age of the features", measured, axis)]
    if all(entry["profit"] for entry in entries):
        profits = [entry["profit"] for entry in entries]
        pictures.append(by_age("Profit by age of the features", profits, axis, "all test rows"))
    return [soft(about), grid(*pictures, two=True)]


def change(card: Card, entry: Values) -> str:
    """What one age costs."""
    auc = entry["change"]["roc_auc"]
    unknown_text = (
        f"; {counted(entry['unknown'], 'row')} of customers not known then" if entry["unknown"] else ""
    )
    value, interval = card.figure("roc_auc", auc["value"], True), card.interval("roc_auc", auc, True)
    return f"{counted(entry['days'], 'day')}: ROC-AUC {value} ({interval}){unknown_text}."


def by_age(title: str, intervals: Sequence[Values], axis: Axis, label: str = "") -> Markup:
    """One interval an age."""
    value, low, high = ([interval[end] for interval in intervals] for end in ("value", "low", "high"))
    # A ROC-AUC is at most 1, so a larger value is an amount.
    tooltips = [money(amount) if abs(amount) > 1 else f"{amount:.4f}" for amount in value]
    shapes = whiskered(range(len(intervals)), value, low, high, tooltips=tooltips)
    return plot(title, shapes, axis, linear([*low, *high], label), note="with 95 % intervals")
