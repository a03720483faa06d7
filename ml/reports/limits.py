"""The limits of the model, and how to repeat its training."""

from collections.abc import Iterator

from markupsafe import Markup

from ml.common.number_words import counted
from ml.features.own_labels import is_model, name_of
from ml.page.document import bullets, code, definitions, folded, paragraph
from ml.page.number_text import percent
from ml.reports.card_data import Card

COMMANDS = """churn build
churn train --repeat {model}
churn evaluate
churn report"""


def limits(card: Card) -> list[Markup]:
    """One sentence a limit: those of every model, then what this one's evidence shows."""
    return [bullets([*limits_of_any_model(card), *limits_of_this_model(card)])]


def limits_of_any_model(card: Card) -> Iterator[str]:
    """The limits of every model of this kind."""
    problem, test = card.problem, card.evidence["test"]
    labels = card.manifest.get("labels")
    if labels and is_model(labels):
        yield (
            f"It answers what the dbt model {labels['file']} asks, for the customers of its last cut-off and "
            "for the horizon of its labels, nothing else."
        )
    elif labels:
        yield (
            f"It answers what the labels of {name_of(labels['file'])} mean, which nothing here can check, "
            "and was judged on rows of that file alone; scored are all customers with a kept order in the "
            f"last {problem['active_within_days']} days, whether or not the file has rows like theirs."
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


def limits_of_this_model(card: Card) -> Iterator[str]:
    """The weakest segment, the worst month, leakage suspects."""
    overall = card.measures["roc_auc"]["value"]
    groups = [
        (group["measures"]["roc_auc"]["value"], segment["by"], group["name"])
        for segment in card.entries("segments")
        for group in segment["groups"]
        if group["measures"]
    ]
    if groups:
        value, by, name = min(groups, key=lambda group: group[0])
        if value < overall:
            yield f"It ranks worst where {by} is {name}: ROC-AUC {value:.3f}, against {overall:.3f} over all."
    if months := card.entries("months"):
        off = max(months, key=lambda month: abs(month["mean_probability"] - month["base_rate"]))
        yield (
            f"Its mean probability was farthest off in {off['name']}: said "
            f"{percent(off['mean_probability'])}, seen {percent(off['base_rate'])}."
        )
    for suspect in card.manifest.get("suspects") or []:
        yield (
            f"{suspect['feature']} alone tells who churned, ROC-AUC {suspect['roc_auc']:.3f} on training "
            "rows: if it is known only later, no figure on this page holds."
        )
    if card.is_deep:
        yield "This page names customers and their values: keep it where such data may be kept."


def how_to_repeat(card: Card) -> list[Markup]:
    """The commands, and the inputs that must be the same."""
    manifest = card.manifest
    return [
        paragraph(
            "The same data, problem, seed and versions give the same model and the same scores, to the "
            "last bit."
        ),
        code(COMMANDS.format(model=manifest["model_version"])),
        definitions([(name, value) for name, value in origin(card) if value]),
        folded(
            "Versions and files", definitions([*manifest["versions"].items(), *manifest["files"].items()])
        ),
    ]


def origin(card: Card) -> list[tuple[str, str]]:
    """Where the model comes from; empty where it does not apply."""
    manifest, looks = card.manifest, card.evidence.get("looks")
    unseen = "nobody looked at these test cut-offs before"
    return [
        ("model", f"{manifest['model_version']}, card {manifest['card']}"),
        ("build", f"{manifest['build_id']}, data clock {manifest['data_clock']}"),
        ("features", f"service hash {manifest['service_hash']}"),
        ("dataset", in_words(manifest.get("dataset"))),
        ("labels", in_words(manifest.get("labels"))),
        ("code", in_words(manifest.get("code"))),
        ("seed", str(manifest["seed"])),
        ("looks", (looks["sentence"] or unseen) if looks else ""),
    ]


def in_words(value: object) -> str:
    """A text, or the entries of a mapping that have a value."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {entry}" for name, entry in value.items() if entry is not None)
    return str(value) if value else ""
