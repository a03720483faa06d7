"""Where the model is good and where not: by segment, by month, and with older features."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from ml.common.counting import counted
from ml.page.axes import Axis, linear, shares
from ml.page.document import folded, grid, paragraph, stacked, table
from ml.page.figures import number, percent
from ml.page.plot import Across, Dots, Line, Shape, plot
from ml.page.rows import Interval, figure, interval_rows
from ml.reports.facts import Told, Values, money

MOST_TICKS = 6
COLUMNS = ("group", "rows", "customers", "said", "churned", "listed", "recall", "precision", "ROC-AUC")
NO_MEASURE = "too few of a class"


def segments(told: Told) -> list[Markup]:
    """ROC-AUC of each group, beside that of all."""
    if not told.has("segments"):
        return [told.missing()]
    overall = told.measures["roc_auc"]["value"]
    said = (
        f"ROC-AUC within each group of the test rows; dashed: all together, {overall:.3f}. Beside it the "
        "churn rate that was said, and the one that was seen."
    )
    found = told.evidence["segments"]
    return [
        paragraph(said, soft=True),
        grid(*columns_of([(each, segment(each, overall)) for each in found]), two=True),
        folded(
            "All groups in numbers",
            table(COLUMNS, [row for each in found for row in group_rows(each["groups"])]),
        ),
    ]


def columns_of(pictures: Sequence[tuple[Values, Markup]]) -> list[Markup]:
    """Short pictures, of numbers in thirds, in one column; the others beside them."""
    short = [
        picture for found, picture in pictures if found["groups"] and found["groups"][-1]["low"] is not None
    ]
    return [stacked(*short), *(picture for _, picture in pictures if picture not in short)]


def segment(found: Values, overall: float) -> Markup:
    """One way to cut the customers."""
    shown = [each for each in found["groups"] if each["measures"]]
    rows = [
        Interval(
            range_of(each),
            each["measures"]["roc_auc"]["value"],
            each["measures"]["roc_auc"]["low"],
            each["measures"]["roc_auc"]["high"],
            f"{each['measures']['roc_auc']['value']:.3f}; {percent(each['mean_probability'], 0)}, "
            f"{percent(each['base_rate'], 0)}",
        )
        for each in shown
    ]
    few = [each["name"] for each in found["groups"] if not each["measures"]]
    caption = Markup("<b>By {}</b> ({}); ROC-AUC; said, seen").format(found["by"], found["label"])
    note = paragraph(f"Too few of a class to measure: {', '.join(few)}.", soft=True) if few else Markup("")
    return figure(caption, (interval_rows(rows, overall) if rows else Markup("")) + note)


def range_of(group: Values) -> str:
    """A group's name, with its limits where it has some."""
    low, high = group.get("low"), group.get("high")
    if low is None and high is None:
        return str(group["name"])
    if low is None:
        return f"{group['name']}, to {number(high)}"
    return f"{group['name']}, above {number(low)}" if high is None else f"{group['name']}, to {number(high)}"


def group_rows(groups: Sequence[Values]) -> list[list[str]]:
    """Groups in numbers."""
    return [
        [
            range_of(each),
            number(each["rows"]),
            number(each["customers"]),
            percent(each["mean_probability"]),
            percent(each["base_rate"]),
            percent(each["listed_share"]),
            percent(each["recall"]),
            percent(each["precision"]),
            f"{each['measures']['roc_auc']['value']:.3f}" if each["measures"] else NO_MEASURE,
        ]
        for each in groups
    ]


def named(names: Sequence[str], label: str = "") -> Axis:
    """An axis of names at equal distances, as many written as there is room for."""
    every = -(-len(names) // MOST_TICKS)
    return Axis(
        -0.5,
        len(names) - 0.5,
        tuple((float(at), name) for at, name in enumerate(names) if at % every == 0),
        label,
    )


def months(told: Told) -> list[Markup]:
    """ROC-AUC by month, and whether the churn rate was foreseen."""
    found = told.evidence.get("months") or []
    if not found:
        return [told.missing()]
    axis = named([each["name"] for each in found])
    return [
        paragraph("By the month of the cut-off, test part.", soft=True),
        grid(by_month(told, found, axis), foreseen(found, axis), two=True),
        folded("All months in numbers", table(COLUMNS, group_rows(found))),
    ]


def by_month(told: Told, found: Sequence[Values], axis: Axis) -> Markup:
    """ROC-AUC with its interval."""
    values = {
        name: [each["measures"]["roc_auc"][name] if each["measures"] else np.nan for each in found]
        for name in ("value", "low", "high")
    }
    across = list(range(len(found)))
    shapes: list[Shape] = [
        Across(y=told.measures["roc_auc"]["value"], label="all together"),
        Line(across, values["value"], "a", thin=True),
        Dots(across, values["value"], "a", "ROC-AUC with 95 % interval", values["low"], values["high"]),
    ]
    return plot("ROC-AUC by month", shapes, axis, linear([*values["low"], *values["high"]]))


def foreseen(found: Sequence[Values], axis: Axis) -> Markup:
    """Churn rates said and seen."""
    across = list(range(len(found)))
    said, seen = ([each[name] for each in found] for name in ("mean_probability", "base_rate"))
    shapes: list[Shape] = []
    for values, tone, label in ((said, "a", "said"), (seen, "b", "seen")):
        shapes += [Line(across, values, tone, thin=True), Dots(across, values, tone, label)]
    return plot(
        "Churn rate by month", shapes, axis, shares("share that churned", high=1.2 * max(*said, *seen))
    )


def staleness(told: Told) -> list[Markup]:
    """What older features cost."""
    found = told.evidence.get("staleness") or []
    if not found:
        return [told.missing()]
    ages = [counted(each["days"], "day") for each in found]
    said = (
        "The label is asked at t, the features are those of some days before: what it costs to refresh "
        "them seldom. " + " ".join(change(told, each) for each in found if each["days"])
    )
    pictures = [aged(told, found, named(ages, "age of the features"))]
    if all(each["profit"] for each in found):
        pictures.append(aged_profit(found, named(ages, "age of the features")))
    return [paragraph(said, soft=True), grid(*pictures, two=True)]


def change(told: Told, each: Values) -> str:
    """What one age costs."""
    found = each["change"]["roc_auc"]
    unknown = f"; {counted(each['unknown'], 'row')} of customers not known then" if each["unknown"] else ""
    value, interval = told.figure("roc_auc", found["value"], True), told.interval("roc_auc", found, True)
    return f"{counted(each['days'], 'day')}: ROC-AUC {value} ({interval}){unknown}."


def aged(told: Told, found: Sequence[Values], axis: Axis) -> Markup:
    """ROC-AUC by age."""
    return interval_plot(
        "ROC-AUC by age of the features", [each["measures"]["roc_auc"] for each in found], axis
    )


def aged_profit(found: Sequence[Values], axis: Axis) -> Markup:
    """Profit by age."""
    return interval_plot(
        "Profit by age of the features", [each["profit"] for each in found], axis, "all test rows"
    )


def interval_plot(title: str, found: Sequence[Values], axis: Axis, label: str = "") -> Markup:
    """Dots with whiskers, one an entry."""
    across = list(range(len(found)))
    value, low, high = ([each[name] for each in found] for name in ("value", "low", "high"))
    said = [f"{money(each['value'])}" if abs(each["value"]) > 1 else f"{each['value']:.4f}" for each in found]
    shapes: list[Shape] = [Line(across, value, "a", thin=True), Dots(across, value, "a", "", low, high, said)]
    return plot(title, shapes, axis, linear([*low, *high], label), note="with 95 % intervals")
