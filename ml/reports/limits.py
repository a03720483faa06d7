"""What the model is not, what was not measured, and how to repeat it."""

from collections.abc import Iterator

from markupsafe import Markup

from ml.common.counting import counted
from ml.features.own_labels import name_of
from ml.page.document import definitions, folded, paragraph
from ml.page.figures import percent
from ml.reports.facts import Told
from ml.reports.learned import weakest

COMMANDS = """churn build
churn train --repeat {model}
churn evaluate
churn report"""


def limits(told: Told) -> list[Markup]:
    """One sentence a limit."""
    return [
        Markup("<ul>{}</ul>").format(
            Markup("").join(Markup("<li>{}</li>").format(each) for each in sentences(told))
        )
    ]


def sentences(told: Told) -> Iterator[str]:
    """What every model of this kind is not, then what this one's evidence says."""
    problem, test = told.problem, told.evidence["test"]
    if own := told.card.get("labels"):
        yield (
            f"It answers what the labels of {name_of(own['file'])} mean, which nothing here can check, and "
            "was judged on rows of that file alone; scored are all customers with a kept order in the last "
            f"{problem['active_within_days']} days, whether or not the file has rows like theirs."
        )
    else:
        yield (
            f"It answers for customers with a kept order in the last {problem['active_within_days']} days "
            f"and for the next {problem['horizon_days']} days, nothing else: who has been gone longer is not "
            "scored."
        )
    yield (
        f"It was judged at {counted(test['cutoffs'], 'cut-off')} from {test['first'][:10]} to "
        f"{test['last'][:10]}. What happens to all customers at once, such as a new price or a holiday not "
        "seen before, is not in any interval."
    )
    yield (
        "Reasons say what the model reads, not what would keep a customer: only a trial with a group that "
        "is not contacted tells that."
    )
    if problem.get("costs"):
        yield (
            f"Profit stands on stated costs: a taken-up share of {percent(problem['costs']['take_up'], 0)} "
            "is a guess until it is measured."
        )
    if found := weakest(told.evidence):
        by, name, value = found
        overall = told.measures["roc_auc"]["value"]
        if value < overall:
            yield f"It ranks worst where {by} is {name}: ROC-AUC {value:.3f}, against {overall:.3f} over all."
    months = told.evidence.get("months") or []
    if months:
        off = max(months, key=lambda each: abs(each["mean_probability"] - each["base_rate"]))
        yield (
            f"Its mean probability was farthest off in {off['name']}: said "
            f"{percent(off['mean_probability'])}, seen {percent(off['base_rate'])}."
        )
    for each in told.card.get("suspects") or []:
        yield (
            f"{each['feature']} alone tells who churned, ROC-AUC {each['roc_auc']:.3f} on training rows: if "
            "it is known only later, no figure on this page holds."
        )
    if told.deep:
        yield "This page names customers and their values: keep it where such data may be kept."


def repeated(told: Told) -> list[Markup]:
    """Commands, and what must be the same for the same figures."""
    card = told.card
    said = COMMANDS.format(model=card["model_version"])
    return [
        paragraph(
            "The same data, problem, seed and versions give the same model and the same scores, to the "
            "last bit."
        ),
        Markup("<pre><code>{}</code></pre>").format(said),
        definitions([(name, value) for name, value in origin(told) if value]),
        folded(
            "Versions and files",
            definitions(
                [*card["versions"].items(), *((name, digest) for name, digest in card["files"].items())]
            ),
        ),
    ]


def origin(told: Told) -> list[tuple[str, str]]:
    """Where the model comes from."""
    card = told.card
    code, dataset = card.get("code"), card.get("dataset")
    return [
        ("model", f"{card['model_version']}, card {card['card']}"),
        ("build", f"{card['build_id']}, data clock {card['data_clock']}"),
        ("features", f"service hash {card['service_hash']}"),
        ("dataset", in_words(dataset)),
        ("labels", in_words(card.get("labels"))),
        ("code", in_words(code)),
        ("seed", str(card["seed"])),
        ("looks", looks(told)),
    ]


def in_words(value: object) -> str:
    """A text, or the entries of a mapping."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items() if each is not None)
    return str(value) if value else ""


def looks(told: Told) -> str:
    """How often these test cut-offs were looked at."""
    found = told.evidence.get("looks")
    if not found:
        return ""
    return found["sentence"] or "nobody looked at these test cut-offs before"
