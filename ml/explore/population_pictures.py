"""The exploration's pictures of the population, the churn rate, and definitions of churn."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from ml.common.instants import parse_instant
from ml.config.problem import CHURN
from ml.page.axes import calendar, days_from, linear, shares
from ml.page.document import grid, paragraph, soft, table
from ml.page.number_text import day, number, percent
from ml.page.plot import Across, Band, Columns, Dots, Line, Shape, plot

Result = Mapping[str, Any]
PART_TONES = {"train": "a", "validation": "c", "test": "d", "left out": "e", "no label yet": "e"}
COLUMN_SHARE = 0.9  # of the days between two cut-offs, so that neighbours do not touch
MOST_DOTS = 40  # cut-offs, above which dots would hide the line


def over_time(result: Result) -> list[Markup]:
    """Population and churn rate by cut-off."""
    about = (
        "Parts follow each other in time; the cut-offs between them are left out, for their labels would "
        "look into the next part. The churn rate of later parts stays unseen here."
    )
    if not result["is_split"]:
        about += " There are too few cut-offs for a split: all are taken for training."
    return [soft(about), grid(population(result), churn_rate(result), two=True)]


def population(result: Result) -> Markup:
    """Customers at each cut-off, coloured by part."""
    cutoffs, every = result["population"], result["problem"]["cutoff_every_days"]
    instants = [parse_instant(cutoff["cutoff"]) for cutoff in cutoffs]
    half = COLUMN_SHARE * every / 2
    shapes: list[Shape] = []
    for cutoff, instant in zip(cutoffs, instants, strict=True):
        middle = days_from(instants[0], instant)
        tooltip = f"{day(cutoff['cutoff'])}: {cutoff['customers']:,} customers, {cutoff['part']}"
        tone = PART_TONES[cutoff["part"]]
        shapes.append(
            Columns([middle - half, middle + half], [cutoff["customers"]], tone, tooltips=[tooltip])
        )
    parts = {cutoff["part"] for cutoff in cutoffs}
    keys = [(PART_TONES[part], "solid", part) for part in ("train", "validation", "test") if part in parts]
    if parts & {"left out", "no label yet"}:
        keys.append(("e", "solid", "left out, or no label yet"))
    up = linear([cutoff["customers"] for cutoff in cutoffs], "customers asked about", low=0, whole=True)
    return plot("Population by cut-off", shapes, calendar(instants, margin=every / 2), up, keys=keys)


def churn_rate(result: Result) -> Markup:
    """Churn rate of the training cut-offs with its interval."""
    rates = result["base_rates"]
    instants = [parse_instant(rate["cutoff"]) for rate in rates]
    across = [days_from(instants[0], instant) for instant in instants]
    overall = result["looked_at"]["churn_rate"]
    value, low, high = ([rate[end] for rate in rates] for end in ("churn_rate", "low", "high"))
    shapes: list[Shape] = [
        Band(across, low, high, "b", "95 % interval"),
        Line(across, value, "b", "churn rate"),
        Across(y=overall, label=f"all together, {percent(overall)}"),
    ]
    if len(rates) < MOST_DOTS:
        tooltips = [
            f"{day(rate['cutoff'])}: {percent(rate['churn_rate'])} of {rate['rows']:,}" for rate in rates
        ]
        shapes.append(Dots(across, value, "b", tooltips=tooltips))
    up = shares("share that churned", high=min(1.0, 1.15 * max(high)))
    return plot("Churn rate by training cut-off", shapes, calendar(instants), up)


def definitions(result: Result) -> list[Markup]:
    """The sentence on the present definition, the curve of returns, a table of definitions."""
    history = result["definitions"]
    if history is None:
        if (label := result["problem"]["label"]) != CHURN:
            return [
                soft(f"The label is that of {label}: other definitions are tried for churn by orders alone.")
            ]
        return [soft("The build has no instants of orders: no other definition can be tried.")]
    gaps = history["gaps"]
    about = (
        f"Between two orders of a customer lie {number(gaps['median'])} days in the median, and at most "
        f"{number(gaps['of_80_percent'])} days in four cases of five. What each definition would give on the "
        "orders that the training labels have seen:"
    )
    opening = history["sentence"] or "The present definition tells people apart."
    return [
        paragraph(opening[:1].upper() + opening[1:].rstrip(".") + "."),
        grid(returns(history["returned"], result["problem"]["horizon_days"])),
        soft(about),
        choices(history["choices"]),
    ]


def returns(shares_by_days: list[Result], horizon: int) -> Markup:
    """The share of orders followed by another within so many days."""
    points = [point for point in shares_by_days if point["share"] is not None]
    days, share = [point["days"] for point in points], [point["share"] for point in points]
    tooltips = [f"{point['days']} days: {percent(point['share'])}" for point in points]
    shapes: list[Shape] = [
        Line(days, share, "a", "followed by another order"),
        Dots(days, share, "a", tooltips=tooltips),
        Across(x=horizon, label="the present horizon"),
    ]
    across = linear([0, *days, horizon], "days since an order", low=0)
    return plot("How soon an order is followed by another", shapes, across, shares("share of orders"))


def choices(definitions: list[Result]) -> Markup:
    """One row for each definition; the present and the proposed one are marked."""
    fields = ("horizon_days", "active_within_days", "cutoff_every_days", "cutoffs", "customers")
    rows = [
        [
            *(number(definition[field]) for field in fields),
            percent(definition["churn_rate"]),
            " and ".join(word for word in ("present", "proposed") if definition[f"is_{word}"]),
        ]
        for definition in definitions
    ]
    proposed = [index for index, definition in enumerate(definitions) if definition["is_proposed"]]
    names = ("horizon", "active within", "cut-off every", "cut-offs", "customers at one", "churn rate", "")
    return table(names, rows, chosen=proposed, texts=(6,))
