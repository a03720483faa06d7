"""The page of ``churn anomalies``: counts beside what the past of each customer makes of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from ml.common.instants import format_instant
from ml.page.axes import logarithmic
from ml.page.document import grid, header, join_parts, section, soft, table
from ml.page.number_text import number, readable
from ml.page.plot import Dots, Line, Shape, plot
from ml.segments.changed_customers import ChangedCustomers, JudgedWindow

DOTS_MAX = 1_500  # more of the customers who did not change cannot be told apart in a picture
ROWS_SHOWN = 100


def anomalies_body(result: ChangedCustomers) -> Markup:
    """The inside of the page."""
    rows = result.rows.to_pylist()
    about = (
        f"{len(rows):,} of {result.customers:,} customers changed against their own past by "
        f"{format_instant(result.as_of)}; at most {result.false_share:.0%} of them are expected to be false "
        f"alarms. Made from {result.build_id}."
    )
    pictures = [picture(one, rows) for one in result.tested]
    how = "A dot is a customer: events in the window, beside those expected from the year before it."
    return join_parts(
        header("Anomalies", about),
        soft(how),
        grid(*pictures, two=True),
        section("customers", "Customers", *listed(rows)),
    )


def picture(tested: JudgedWindow, rows: Sequence[dict[str, Any]]) -> Markup:
    """Counts against expected counts, the listed customers marked."""
    own = [row for row in rows if (row["stream"], row["days"]) == (tested.stream.name, tested.counts.days)]
    expected, counts = tested.usual.expected(tested.counts), tested.counts.recent
    # The same picture each time: customers at even distances, in the order of their keys.
    shown = np.arange(0, len(counts), -(-len(counts) // DOTS_MAX))
    most = float(max(expected.max(), counts.max(), 1.0))
    ends = np.log1p([0.0, most])
    shapes: list[Shape] = [
        Line(ends, ends, "ink", "as expected", dashed=True, thin=True),
        Dots(np.log1p(expected[shown]), np.log1p(counts[shown]), "e", "customers"),
    ]
    for change, tone in (("drop", "b"), ("rise", "c")):
        marked = [row for row in own if row["change"] == change]
        if marked:
            shapes.append(
                Dots(
                    np.log1p([row["expected"] for row in marked]),
                    np.log1p([row["count"] for row in marked]),
                    tone,
                    f"listed, {change}",
                    tooltips=[
                        f"{row['customer_id']}: {row['count']:,}, {row['expected']:.1f} expected"
                        for row in marked
                    ],
                )
            )
    title = f"{readable(tested.stream.name)} in {tested.counts.days} days"
    return plot(title, shapes, logarithmic(0, most, "expected"), logarithmic(0, most, "events"))


def listed(rows: Sequence[dict[str, Any]]) -> list[Markup]:
    """The customers, the least likely first."""
    if not rows:
        return [soft("No customer's counts are so far from their own past.")]
    cells = [
        [
            row["customer_id"],
            row["change"],
            f"{readable(row['stream'])} in {row['days']} days",
            number(row["count"]),
            number(row["expected"]),
            f"{row['q_value']:.2g}",
        ]
        for row in rows[:ROWS_SHOWN]
    ]
    names = ("customer", "change", "what", "events", "expected", "false share")
    parts = [table(names, cells, texts=(0, 1, 2))]
    return [*parts, soft(f"The first {ROWS_SHOWN} of {len(rows):,}.")] if len(rows) > ROWS_SHOWN else parts
