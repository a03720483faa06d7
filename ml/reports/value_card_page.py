"""The model card of a regression as one HTML page that needs nothing else."""

from collections.abc import Iterator
from typing import Any

from markupsafe import Markup

from ml.evaluate.metric_names import VALUE_LABELS, answer
from ml.metrics.chance import MEAN, ranks_better_than_chance
from ml.metrics.value_metrics import LOWER_IS_BETTER
from ml.model.value_model import ValueModel
from ml.page.axes import linear
from ml.page.bars import Bar, bar_rows, figure
from ml.page.document import (
    Sections,
    bullets,
    grid,
    header,
    join_parts,
    notes,
    paragraph,
    sections,
    soft,
    table,
    tiles,
)
from ml.page.number_text import number, percent, readable
from ml.page.plot import Dots, Line, plot
from ml.reports.candidate_comparison import candidates
from ml.reports.card_data import Card, between
from ml.reports.champion_choice import choice
from ml.reports.customers_by_behaviour import behaviour
from ml.reports.limits import how_to_repeat
from ml.reports.model_card_page import tone, verdict_notes
from ml.reports.problem_and_rows import data

FEATURES_SHOWN = 15


def value_card(model: ValueModel, evidence: dict[str, Any]) -> Card:
    """The card of a value model; its evidence by ``ml.evaluate.value_evidence``."""
    metrics = {
        name: {"label": label, "better": "lower" if name in LOWER_IS_BETTER else "higher", "unit": ""}
        for name, label in VALUE_LABELS.items()
    }
    test, span = model.facts["test"], model.facts["split"]["test"]
    named = {
        "model_version": model.version,
        "champion": model.kind,
        "problem": model.problem.as_dict(),
        "baseline": MEAN,
        "metrics": metrics,
        "test": {name: test[name] for name in ("rows", "customers", "mean")} | span,
    }
    return Card(model.facts, evidence | named, is_deep=True, histogram={})


def value_body(card: Card) -> Markup:
    """The inside of the page."""
    name, problem, manifest = card.evidence["model_version"], card.problem, card.manifest
    about = (
        f"Model card. What does {problem['label']} come to in the next {problem['horizon_days']} days? "
        f"Trained on {manifest['build_id']}, data clock {manifest['data_clock']}."
    )
    useful = "good" if ranks_better_than_chance(manifest) else "bad"
    return join_parts(
        header(f"{name}: {readable(card.champion)}", about, tone(card)),
        notes([(useful, "", answer(manifest, card.evidence))]),
        tiles(at_a_glance(card)),
        notes(verdict_notes(card)),
        sections(card, SECTIONS),
    )


def at_a_glance(card: Card) -> list[tuple[str, str]]:
    """The champion's main figures."""
    baseline, covered = card.evidence["candidates"][MEAN], card.evidence["intervals"]
    entries = [
        (
            card.figure(metric, card.measures[metric]["value"]),
            f"{card.label(metric)}, {card.interval(metric, card.measures[metric])}; the mean "
            f"{card.figure(metric, baseline[metric]['value'])}",
        )
        for metric in ("r2", "mae", "gini")
    ]
    stated = percent(covered["stated"], 0)
    share = f"of the amounts lie in the {stated} intervals, {between(covered['covered'])}"
    return [*entries, (percent(covered["covered"]["value"]), share)]


def question(card: Card) -> list[Markup]:
    """What is predicted, of whom."""
    labels, days = card.manifest["labels"], card.problem["horizon_days"]
    return [
        paragraph(
            f"For each customer and cut-off of {labels['file'] or 'the rows'}: the amount in the {days} days "
            f"after it ({labels['rows']:,} rows at {labels['instants']:,} cut-offs have a label that is "
            "known). The answer is the expected amount, an interval that holds "
            f"{percent(card.evidence['intervals']['stated'], 0)} of the amounts, and reasons."
        )
    ]


def amounts(card: Card) -> list[Markup]:
    """Predictions beside amounts, by tenth and by month, and the width of the intervals."""
    tenths, months, covered = (card.evidence[name] for name in ("tenths", "months", "intervals"))
    places = list(range(1, len(tenths) + 1))
    values = [row[name] for row in tenths for name in ("predicted", "amount")]
    x = linear(places, "tenth of the rows, the highest predictions first", whole=True)
    drawn = plot(
        "Predicted and real amounts by tenth",
        [
            Line(places, [row["predicted"] for row in tenths], "a", "predicted"),
            Dots(places, [row["amount"] for row in tenths], "b", "real"),
        ],
        x,
        linear(values, "mean amount", low=min(0.0, *values)),
    )
    rows = [
        [row["month"], number(row["rows"]), number(row["predicted"]), number(row["amount"])] for row in months
    ]
    by_month = table(("month of the cut-off", "rows", "predicted", "real"), rows)
    stated, covered_share = percent(covered["stated"], 0), covered["covered"]
    width = (
        f"Half of the {stated} intervals are wider than {number(covered['median_width'])}; they hold "
        f"{percent(covered_share['value'])} of the test amounts ({between(covered_share)})."
    )
    return [grid(drawn, by_month, two=True), soft(width)]


def drivers(card: Card) -> list[Markup]:
    """The inputs that move the amounts most."""
    entries = card.entries("importance")[:FEATURES_SHOWN]
    if not entries:
        return [card.missing()]
    bars = [Bar(row["feature"], row["contribution"], number(row["contribution"])) for row in entries]
    caption = f"Mean absolute contribution to the {entries[0]['scale']}, over a sample of the test rows"
    return [figure(caption, bar_rows(bars))]


def limits(card: Card) -> list[Markup]:
    """One sentence a limit."""
    return [bullets(list(limit_sentences(card)))]


def limit_sentences(card: Card) -> Iterator[str]:
    test, covered = card.evidence["test"], card.evidence["intervals"]
    yield (
        f"It was judged at {test['cutoffs']} cut-offs from {test['first'][:10]} to {test['last'][:10]}. What "
        "happens to all customers at once, such as a new price or a holiday not seen before, is not in any "
        "interval."
    )
    yield (
        f"The intervals hold {percent(covered['stated'], 0)} of amounts that come as those of the "
        "calibration rows did; for one customer they are wide."
    )
    yield "Reasons say what the model reads, not what would make a customer spend more."
    for suspect in card.manifest.get("suspects") or []:
        yield (
            f"{suspect['feature']} alone tells whose amount is above the median, ROC-AUC "
            f"{suspect['roc_auc']:.3f} on training rows: if it is known only later, no figure here holds."
        )


SECTIONS: Sections[Card] = {
    "question": ("The question", question),
    "data": ("Data and what was left out", data),
    "candidates": ("Candidates", candidates),
    "choice": ("How it was chosen", choice),
    "amounts": ("Whether its amounts are true", amounts),
    "behaviour": ("Customers by behaviour", behaviour),
    "drivers": ("What drives its amounts", drivers),
    "limits": ("Limits", limits),
    "repeat": ("How to repeat it", how_to_repeat),
}
