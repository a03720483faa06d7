"""Every candidate on the test part, and the champion minus each."""

from collections.abc import Sequence

from markupsafe import Markup

from ml.common.counting import counted
from ml.page.document import folded, grid, paragraph, table
from ml.page.figures import readable
from ml.page.rows import Interval, figure, interval_rows
from ml.reports.facts import Told, Values

PICTURED = (
    "roc_auc",
    "average_precision",
    "log_loss",
    "ece",
    "profit_per_customer",
    "precision_at_80_recall",
)
MOST_PICTURES = 4


def candidates(told: Told) -> list[Markup]:
    """Pictures of the metrics that matter, then all of them as a table."""
    test = told.evidence["test"]
    said = (
        f"On {test['rows']:,} rows of {test['customers']:,} customers "
        f"at {counted(test['cutoffs'], 'cut-off')}, "
        f"{test['first'][:10]} to {test['last'][:10]}, after all training. Intervals hold the middle 95 % "
        "of replicates that draw customers, not rows. Dashed: the recency rule."
    )
    return [
        paragraph(said, soft=True),
        grid(*(pictured(told, metric) for metric in first_metrics(told)), two=True),
        Markup("<h3>All metrics</h3>"),
        metric_table(told, told.evidence["candidates"]),
        *differences(told),
    ]


def first_metrics(told: Told) -> list[str]:
    """Those that are drawn, the problem's own before the others."""
    first = [told.problem["metric"], *(metric for metric in PICTURED if metric != told.problem["metric"])]
    return [metric for metric in first if metric in told.measures][:MOST_PICTURES]


def minus(told: Told, found: Values, metric: str) -> Markup:
    """The champion minus each other candidate, by one metric."""
    rows = [
        Interval(
            readable(name),
            each[metric]["value"],
            each[metric]["low"],
            each[metric]["high"],
            told.figure(metric, each[metric]["value"], True),
            told.tone(name),
        )
        for name, each in found.items()
        if metric in each
    ]
    caption = Markup("<b>{}</b>, {}").format(told.label(metric), told.better(metric))
    return figure(caption, interval_rows(rows, 0.0))


def pictured(told: Told, metric: str) -> Markup:
    """One metric of every candidate."""
    found = {name: each[metric] for name, each in told.evidence["candidates"].items() if metric in each}
    baseline = found.get(told.evidence["baseline"])
    rows = [
        Interval(
            Markup("<b>{}</b>").format(readable(name)) if name == told.champion else readable(name),
            each["value"],
            each["low"],
            each["high"],
            told.figure(metric, each["value"]),
            told.tone(name),
        )
        for name, each in found.items()
    ]
    caption = Markup("<b>{}</b>, {}").format(told.label(metric), told.better(metric))
    return figure(caption, interval_rows(rows, baseline["value"] if baseline else None))


def metric_table(told: Told, measures: Values, sign: bool = False) -> Markup:
    """A row a candidate, a column a metric."""
    metrics = [metric for metric in told.evidence["metrics"] if metric in told.measures]
    rows: list[Sequence[str | Markup]] = [
        [readable(name), *(told.cell(metric, each.get(metric), sign) for metric in metrics)]
        for name, each in measures.items()
    ]
    chosen = [place for place, name in enumerate(measures) if name == told.champion]
    return Markup('<div class="scroll">{}</div>').format(
        table(("candidate", *(told.label(metric) for metric in metrics)), rows, chosen)
    )


def differences(told: Told) -> list[Markup]:
    """The champion minus each other candidate."""
    found = told.evidence.get("differences")
    if not found:
        return []
    return [
        Markup("<h3>{} minus each other candidate</h3>").format(readable(told.champion)),
        paragraph(
            "In the same replicates; dashed: no difference. An interval without zero is beyond chance.",
            soft=True,
        ),
        grid(*(minus(told, found, metric) for metric in first_metrics(told)[:2]), two=True),
        folded("All differences", metric_table(told, found, sign=True)),
    ]
