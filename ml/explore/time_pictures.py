"""The exploration's pictures over time: who was asked, and how many of the training rows churned."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from ml.common.instants import parse_instant
from ml.page.axes import calendar, days_from, linear, shares
from ml.page.document import grid, paragraph
from ml.page.figures import day, percent
from ml.page.plot import Across, Band, Columns, Dots, Line, Shape, plot

Result = Mapping[str, Any]
PART_TONES = {"train": "a", "validation": "c", "test": "d", "left out": "e", "no label yet": "e"}
MOST_DOTS = 40


def over_time(result: Result) -> list[Markup]:
    """Population and churn rate by cut-off."""
    said = (
        "" if result["is_split"] else " There are too few cut-offs for a split: all are taken for training."
    )
    return [
        paragraph(
            "Parts follow each other in time; the cut-offs between them are left out, for their labels would "
            f"look into the next part. The churn rate of later parts stays unseen here.{said}",
            soft=True,
        ),
        grid(population(result), churn_rate(result), two=True),
    ]


def population(result: Result) -> Markup:
    """Customers asked about at each cut-off, coloured by part."""
    asked, every = result["population"], result["problem"]["cutoff_every_days"]
    instants = [parse_instant(each["cutoff"]) for each in asked]
    shapes: list[Shape] = []
    for each, instant in zip(asked, instants, strict=True):
        place = days_from(instants[0], instant)
        said = f"{day(each['cutoff'])}: {each['customers']:,} customers, {each['part']}"
        edges = [place - 0.45 * every, place + 0.45 * every]
        shapes.append(Columns(edges, [each["customers"]], PART_TONES[each["part"]], said=[said]))
    there = {each["part"] for each in asked}
    tones = [(PART_TONES[part], "solid", part) for part in ("train", "validation", "test") if part in there]
    if there & {"left out", "no label yet"}:
        tones.append(("e", "solid", "left out, or no label yet"))
    up = linear([each["customers"] for each in asked], "customers asked about", low=0, whole=True)
    return plot("Population by cut-off", shapes, calendar(instants, margin=every / 2), up, keys=tones)


def churn_rate(result: Result) -> Markup:
    """Churn rate of the training cut-offs with its interval."""
    rates = result["base_rates"]
    instants = [parse_instant(each["cutoff"]) for each in rates]
    across = [days_from(instants[0], instant) for instant in instants]
    overall = result["looked_at"]["churn_rate"]
    values = {name: [each[name] for each in rates] for name in ("churn_rate", "low", "high")}
    said = [f"{day(each['cutoff'])}: {percent(each['churn_rate'])} of {each['rows']:,}" for each in rates]
    shapes: list[Shape] = [
        Band(across, values["low"], values["high"], "b", "95 % interval"),
        Line(across, values["churn_rate"], "b", "churn rate"),
        Across(y=overall, label=f"all together, {percent(overall)}"),
    ]
    if len(rates) < MOST_DOTS:
        shapes.append(Dots(across, values["churn_rate"], "b", said=said))
    up = shares("share that churned", high=min(1.0, 1.15 * max(values["high"])))
    return plot("Churn rate by training cut-off", shapes, calendar(instants), up)
