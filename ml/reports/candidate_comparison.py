"""Every candidate on the test part, and the champion minus each."""

from collections.abc import Sequence

from markupsafe import Markup

from ml.common.number_words import counted
from ml.page.bars import Interval, figure, interval_rows
from ml.page.document import folded, grid, soft, subheading, table
from ml.page.number_text import readable
from ml.reports.card_data import Card, Values

METRICS_DRAWN = (
    "deviance",
    "rmse",
    "mae",
    "gini",
    "roc_auc",
    "average_precision",
    "log_loss",
    "ece",
    "profit_per_customer",
    "precision_at_80_recall",
)
PICTURES_MAX = 4  # two rows of two; the table below has all metrics


def candidates(card: Card) -> list[Markup]:
    """Pictures of the metrics that matter, then all of them as a table, then differences."""
    test = card.evidence["test"]
    about = (
        f"On {test['rows']:,} rows of {test['customers']:,} customers "
        f"at {counted(test['cutoffs'], 'cut-off')}, "
        f"{test['first'][:10]} to {test['last'][:10]}, after all training. Intervals hold the middle 95 % "
        f"of replicates that draw customers, not rows. Dashed: the {readable(card.evidence['baseline'])}."
    )
    return [
        soft(about),
        grid(*(metric_picture(card, metric) for metric in drawn_metrics(card)), two=True),
        subheading("All metrics"),
        metric_table(card, card.evidence["candidates"]),
        *differences(card),
    ]


def drawn_metrics(card: Card) -> list[str]:
    """The metrics that are drawn, the problem's own first."""
    ordered = dict.fromkeys((card.problem["metric"], *METRICS_DRAWN))
    return [metric for metric in ordered if metric in card.measures][:PICTURES_MAX]


def metric_picture(card: Card, metric: str) -> Markup:
    """One metric of every candidate."""
    values = {name: row[metric] for name, row in card.evidence["candidates"].items() if metric in row}
    rows = [
        Interval.of(
            Markup("<b>{}</b>").format(readable(name)) if name == card.champion else readable(name),
            interval,
            card.figure(metric, interval["value"]),
            card.tone(name),
        )
        for name, interval in values.items()
    ]
    baseline = values.get(card.evidence["baseline"])
    return figure(card.caption(metric), interval_rows(rows, baseline["value"] if baseline else None))


def metric_table(card: Card, measures: Values, sign: bool = False) -> Markup:
    """A row a candidate, a column a metric."""
    metrics = [metric for metric in card.evidence["metrics"] if metric in card.measures]
    rows: list[Sequence[str | Markup]] = [
        [readable(name), *(card.cell(metric, row.get(metric), sign) for metric in metrics)]
        for name, row in measures.items()
    ]
    champions = [number for number, name in enumerate(measures) if name == card.champion]
    return Markup('<div class="scroll">{}</div>').format(
        table(("candidate", *(card.label(metric) for metric in metrics)), rows, champions)
    )


def differences(card: Card) -> list[Markup]:
    """The champion minus each other candidate."""
    measures = card.evidence.get("differences")
    if not measures:
        return []
    return [
        subheading(f"{readable(card.champion)} minus each other candidate"),
        soft("In the same replicates; dashed: no difference. An interval without zero is beyond chance."),
        grid(*(difference(card, measures, metric) for metric in drawn_metrics(card)[:2]), two=True),
        folded("All differences", metric_table(card, measures, sign=True)),
    ]


def difference(card: Card, measures: Values, metric: str) -> Markup:
    """The champion minus each other candidate, by one metric."""
    rows = [
        Interval.of(
            readable(name),
            row[metric],
            card.figure(metric, row[metric]["value"], sign=True),
            card.tone(name),
        )
        for name, row in measures.items()
        if metric in row
    ]
    return figure(card.caption(metric), interval_rows(rows, 0.0))
