"""The exploration's section on the definition of churn: how soon people return, what each horizon gives."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from ml.page.axes import linear, shares
from ml.page.document import grid, paragraph, table
from ml.page.figures import number, percent
from ml.page.plot import Across, Dots, Line, Shape, plot

Result = Mapping[str, Any]


def definitions(result: Result) -> list[Markup]:
    """The sentence, the curve of returns, a table of definitions."""
    found = result["definitions"]
    if found is None:
        return [
            paragraph("The build has no instants of orders: no other definition can be tried.", soft=True)
        ]
    gaps = found["gaps"]
    said = (
        f"Between two orders of a customer lie {number(gaps['median'])} days in the median, and at most "
        f"{number(gaps['of_80_percent'])} days in four cases of five. What each definition would give on the "
        "orders that the training labels have seen:"
    )
    opening = found["sentence"] or "The present definition tells people apart."
    return [
        paragraph(opening[:1].upper() + opening[1:].rstrip(".") + "."),
        grid(returns(result)),
        paragraph(said, soft=True),
        choices(found["choices"]),
    ]


def returns(result: Result) -> Markup:
    """The share of orders followed by another within so many days."""
    points = [each for each in result["definitions"]["returned"] if each["share"] is not None]
    days, share = [each["days"] for each in points], [each["share"] for each in points]
    said = [f"{each['days']} days: {percent(each['share'])}" for each in points]
    shapes: list[Shape] = [
        Line(days, share, "a", "followed by another order"),
        Dots(days, share, "a", said=said),
        Across(x=result["problem"]["horizon_days"], label="the present horizon"),
    ]
    across = linear([0, *days, result["problem"]["horizon_days"]], "days since an order", low=0)
    return plot("How soon an order is followed by another", shapes, across, shares("share of orders"))


def choices(found: list[dict[str, Any]]) -> Markup:
    """One row a definition; the present and the proposed one are marked."""
    names = ("horizon_days", "active_within_days", "cutoff_every_days", "cutoffs", "customers")
    rows = [
        [
            *(number(each[name]) for name in names),
            percent(each["churn_rate"]),
            " and ".join(word for word in ("present", "proposed") if each[f"is_{word}"]),
        ]
        for each in found
    ]
    chosen = [place for place, each in enumerate(found) if each["is_proposed"]]
    heads = ("horizon", "active within", "cut-off every", "cut-offs", "customers at one", "churn rate", "")
    return table(heads, rows, chosen=chosen, texts=(6,))
