"""The question the model answers, the rows it learned and was judged on, and what was left out."""

from collections import defaultdict
from datetime import timedelta

from markupsafe import Markup

from ml.common.counting import counted
from ml.common.instants import format_instant, parse_instant
from ml.features.own_labels import name_of
from ml.page.document import definitions, folded, paragraph, table
from ml.page.figures import NOTHING, number, percent, readable
from ml.page.rows import figure
from ml.page.spans import timeline
from ml.reports.facts import Told

PART_OF = {"selection": "validation", "calibration": "validation"}
USES = {
    "train": "to fit",
    "selection": "half of validation's customers: to choose, then to fit as well",
    "calibration": "the other half: to calibrate, to set the threshold",
    "test": "to judge, once",
}


def question(told: Told) -> list[Markup]:
    """What is asked, of whom, and what counts as success."""
    answer = "The answer is a probability, a decision by a threshold, a risk band, and reasons."
    entries = [(name, value) for name, value in terms(told) if value]
    return [paragraph(f"{meaning(told)} {answer}"), definitions(entries, words=True)]


def meaning(told: Told) -> str:
    """What churn is here: as the problem says, or as the labels of a file do."""
    problem, own = told.problem, told.card.get("labels")
    if own:
        return (
            f"Of each customer and instant in {name_of(own['file'])}, the file says who churned "
            f"({own['rows']:,} rows at {own['instants']:,} instants); each label is taken to be settled "
            f"{counted(problem['horizon_days'] + problem['label_delay_days'], 'day')} after its instant."
        )
    return (
        f"Of every customer with a kept order in the last {problem['active_within_days']} days, at instant "
        f"t: will no kept order be placed in the {problem['horizon_days']} days after t? That is churn."
    )


def terms(told: Told) -> list[tuple[str, str]]:
    """The problem's terms in words."""
    problem = told.problem
    success, costs = problem.get("success"), problem.get("costs")
    bands, threshold = problem["bands"], problem["threshold"]
    value = threshold.get("value")
    return [
        (
            "asked",
            "at the instants of the file"
            if "labels" in told.card
            else f"every {counted(problem['cutoff_every_days'], 'day')} in training",
        ),
        (
            "scored anew",
            f"every {counted(problem['refresh_days'], 'day')}" if problem.get("refresh_days") else "",
        ),
        ("compared by", told.label(problem["metric"])),
        ("success", f"{told.label(success['metric'])} {number(success['target'])}" if success else ""),
        ("threshold", readable(threshold["rule"]) + ("" if value is None else f" {number(value)}")),
        ("bands", f"low, medium from {number(bands['medium'])}, high from {number(bands['high'])}"),
        (
            "costs",
            f"contact {number(costs['contact'])}, offer {number(costs['offer'])}, value kept "
            f"{number(costs['value_kept'])}, taken up by {percent(costs['take_up'], 0)}"
            if costs
            else "",
        ),
        ("capacity", f"{problem['capacity']:,} contacts a week" if problem.get("capacity") else ""),
        ("naive rule", " or ".join(problem["baseline"])),
        (
            "limits",
            f"{problem['constraints']['latency_ms']} ms a customer; "
            f"{counted(problem['constraints']['reasons'], 'reason')} a score",
        ),
    ]


def data(told: Told) -> list[Markup]:
    """The parts in time, their sizes, and the features that stayed out."""
    card = told.card
    return [
        figure(
            "The cut-offs of each part, and how far their labels look (pale); dashed: the data clock, "
            f"{card['data_clock']}",
            timeline(spans(told), card["data_clock"]),
        ),
        table(
            ("part", "cut-offs", "labelled rows", "rows used", "customers", "churn rate", "used"),
            part_rows(told),
            texts=(0, 6),
        ),
        *left_out(told),
    ]


def spans(told: Told) -> list[dict[str, object]]:
    """Parts as spans of time."""
    reach = timedelta(days=told.problem["horizon_days"] + told.problem["label_delay_days"])
    return [
        {
            "label": name,
            "first": span["first"],
            "last": span["last"],
            "until": format_instant(parse_instant(span["last"]) + reach),
            "marked": False,
        }
        for name, span in told.card["split"].items()
        if name != "left_out" and span["cutoffs"]
    ]


def part_rows(told: Told) -> list[list[str]]:
    """One row a part."""
    card = told.card
    rows = []
    for name, facts in card["parts"].items():
        part = PART_OF.get(name, name)
        rows.append(
            [
                name,
                number(card["split"][part]["cutoffs"]),
                number(card["labelled_rows"].get(part)),
                number(facts["rows"]),
                number(facts["customers"]),
                percent(facts["base_rate"]),
                USES.get(name, NOTHING),
            ]
        )
    return rows


def left_out(told: Told) -> list[Markup]:
    """Cut-offs between the parts, features by the reason they stayed out, and the inputs."""
    card = told.card
    between = card["split"]["left_out"]["cutoffs"]
    reasons = defaultdict(list)
    for name, reason in card["left_out"].items():
        reasons[reason].append(name)
    said = [
        f"{counted(between, 'cut-off')} between the parts ({card['labelled_rows']['left_out']:,} rows) "
        "belong to none, for their labels look into the next part."
    ]
    if any(facts["rows"] < card["labelled_rows"].get(name, 0) for name, facts in card["parts"].items()):
        said.append("Of larger parts, rows were drawn by a seeded hash.")
    groups = [(reason, ", ".join(names)) for reason, names in reasons.items()]
    inputs = ", ".join(each["name"] for each in card["inputs"])
    return [
        paragraph(" ".join(said), soft=True),
        folded(f"{counted(len(card['inputs']), 'feature')} the model may read", paragraph(inputs)),
        folded(f"{counted(len(card['left_out']), 'feature')} left out", grouped(groups)),
    ]


def grouped(groups: list[tuple[str, str]]) -> Markup:
    """Reasons, each with the features it holds for."""
    return Markup("").join(
        Markup("<p><b>{}</b>: {}</p>").format(reason[:1].upper() + reason[1:], names)
        for reason, names in groups
    )
