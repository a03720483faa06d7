"""The question the model answers, the rows it learned and was judged on, and what was left out."""

from collections import defaultdict

from markupsafe import Markup

from ml.common.instants import format_instant, parse_instant
from ml.common.number_words import counted
from ml.config.problem import from_values
from ml.evaluate.metric_names import is_regression
from ml.features.own_labels import is_model, name_of
from ml.page.bars import EMPTY, figure
from ml.page.document import definitions, folded, paragraph, soft, table
from ml.page.number_text import NOTHING, number, percent, readable
from ml.page.timelines import Span, timeline
from ml.reports.card_data import Card

PART_OF = {"selection": "validation", "calibration": "validation"}
USES = {
    "train": "to fit",
    "selection": "half of validation's customers: to choose, then to fit as well",
    "calibration": "the other half: to calibrate, to set the threshold or the intervals",
    "test": "to judge, once",
}


def question(card: Card) -> list[Markup]:
    """What is asked, of whom, and what counts as success."""
    answer = "The answer is a probability, a decision by a threshold, a risk band, and reasons."
    terms = [(name, value) for name, value in terms_of(card) if value]
    return [paragraph(f"{meaning(card)} {answer}"), definitions(terms, words=True)]


def meaning(card: Card) -> str:
    """What churn is here: as the problem defines it, or as the labels of a file do."""
    problem, labels = card.problem, card.manifest.get("labels")
    if labels and is_model(labels):
        return (
            f"Of each customer and cut-off in the dbt model {labels['file']}: is its label 1? "
            f"({labels['rows']:,} rows at {labels['instants']:,} cut-offs have a label that is known.)"
        )
    if labels:
        return (
            f"Of each customer and instant in {name_of(labels['file'])}, the file says who churned "
            f"({labels['rows']:,} rows at {labels['instants']:,} instants); each label is taken to be "
            f"settled {counted(from_values(problem).gap_days, 'day')} after its instant."
        )
    return (
        f"Of every customer with a kept order in the last {problem['active_within_days']} days, at instant "
        f"t: will no kept order be placed in the {problem['horizon_days']} days after t? That is churn."
    )


def cutoffs_of_labels(card: Card) -> str:
    """When the user's own labels are asked; empty for the shipped ones."""
    labels = card.manifest.get("labels")
    if not labels:
        return ""
    return f"at the cut-offs of {labels['file']}" if is_model(labels) else "at the instants of the file"


def terms_of(card: Card) -> list[tuple[str, str]]:
    """The problem's terms in words; empty where the problem does not state one."""
    problem = card.problem
    success, costs, refresh = (problem.get(name) for name in ("success", "costs", "refresh_days"))
    bands, threshold, constraints = problem["bands"], problem["threshold"], problem["constraints"]
    value = threshold.get("value")
    every = f"every {counted(problem['cutoff_every_days'], 'day')} in training"
    prices = (
        f"contact {number(costs['contact'])}, offer {number(costs['offer'])}, value kept "
        f"{number(costs['value_kept'])}, taken up by {percent(costs['take_up'], 0)}"
        if costs
        else ""
    )
    return [
        ("asked", cutoffs_of_labels(card) or every),
        ("scored anew", f"every {counted(refresh, 'day')}" if refresh else ""),
        ("compared by", card.label(problem["metric"])),
        ("success", f"{card.label(success['metric'])} {number(success['target'])}" if success else ""),
        ("threshold", readable(threshold["rule"]) + ("" if value is None else f" {number(value)}")),
        ("bands", f"low, medium from {number(bands['medium'])}, high from {number(bands['high'])}"),
        ("costs", prices),
        ("capacity", f"{problem['capacity']:,} contacts a week" if problem.get("capacity") else ""),
        ("naive rule", " or ".join(problem["baseline"])),
        (
            "limits",
            f"{constraints['latency_ms']} ms a customer; {counted(constraints['reasons'], 'reason')} a score",
        ),
    ]


def data(card: Card) -> list[Markup]:
    """The parts in time, their sizes, and the features that stayed out."""
    clock = card.manifest["data_clock"]
    rate = "mean amount" if is_regression(card.manifest) else "churn rate"
    names = ("part", "cut-offs", "labelled rows", "rows used", "customers", rate, "used")
    return [
        figure(
            "The cut-offs of each part, and how far their labels look (pale); dashed: the data clock, "
            f"{clock}",
            timeline(spans(card), clock),
        ),
        table(names, part_rows(card), texts=(0, 6)),
        *left_out(card),
    ]


def spans(card: Card) -> list[Span]:
    """Parts as spans of time, each continued to where its last label is settled."""
    gap = from_values(card.problem).gap
    return [
        Span(
            label=name,
            first=part["first"],
            last=part["last"],
            until=format_instant(parse_instant(part["last"]) + gap),
        )
        for name, part in card.manifest["split"].items()
        if name not in ("left_out", "burn_in") and part["cutoffs"]
    ]


def part_rows(card: Card) -> list[list[str]]:
    """One row a part."""
    manifest = card.manifest
    rows = []
    for name, facts in manifest["parts"].items():
        part = PART_OF.get(name, name)
        rows.append(
            [
                name,
                number(manifest["split"][part]["cutoffs"]),
                number(manifest["labelled_rows"].get(part)),
                number(facts["rows"]),
                number(facts["customers"]),
                percent(facts["base_rate"]) if "base_rate" in facts else number(facts["mean"]),
                USES.get(name, NOTHING),
            ]
        )
    return rows


def left_out(card: Card) -> list[Markup]:
    """Cut-offs between the parts, the inputs, and the other features by the reason they stayed out."""
    manifest = card.manifest
    labelled, inputs = manifest["labelled_rows"], [feature["name"] for feature in manifest["inputs"]]
    text = (
        f"{counted(manifest['split']['left_out']['cutoffs'], 'cut-off')} between the parts "
        f"({labelled['left_out']:,} rows) belong to none, for their labels look into the next part."
    )
    if any(facts["rows"] < labelled.get(name, 0) for name, facts in manifest["parts"].items()):
        text += " Of larger parts, rows were drawn by a seeded hash."
    if burn_in := manifest["split"].get("burn_in", {}).get("cutoffs"):
        text += (
            f" Nothing was learned from the first {counted(burn_in, 'cut-off')} "
            f"({labelled['burn_in']:,} rows), at which windows were still filling."
        )
    if "judged" in manifest:
        learned = manifest["learned"]
        text += (
            " The model that scores has the recipe of the one that is judged here; it learned once more, "
            f"from all {learned['rows']:,} settled rows after these, to cut-off {learned['last'][:10]}."
        )
    reasons = defaultdict(list)
    for name, reason in manifest["left_out"].items():
        reasons[reason].append(name)
    groups = EMPTY.join(
        Markup("<p><b>{}</b>: {}</p>").format(reason[:1].upper() + reason[1:], ", ".join(names))
        for reason, names in reasons.items()
    )
    return [
        soft(text),
        folded(f"{counted(len(inputs), 'feature')} the model may read", paragraph(", ".join(inputs))),
        folded(f"{counted(len(manifest['left_out']), 'feature')} left out", groups),
    ]
