"""The model card as one HTML page that needs nothing else; pictures first, readable on a phone."""

from collections.abc import Callable

from markupsafe import Markup

from ml.evaluate.metric_names import answer
from ml.metrics.chance import ranks_better_than_chance
from ml.page.document import contents, document, header, joined, notes, section, tiles
from ml.page.figures import number, percent, readable
from ml.reports.chosen import choice
from ml.reports.compared import candidates
from ml.reports.customers import customers
from ml.reports.decided import decision
from ml.reports.facts import MISSING, Told, Values, between, money, reached
from ml.reports.learned import drivers, learned
from ml.reports.limits import limits, repeated
from ml.reports.question import data, question
from ml.reports.ranking import ranking, truth
from ml.reports.where import months, segments, staleness

SECTIONS: dict[str, tuple[str, Callable[[Told], list[Markup]]]] = {
    "question": ("The question", question),
    "data": ("Data and what was left out", data),
    "candidates": ("Candidates", candidates),
    "choice": ("How it was chosen", choice),
    "ranking": ("How well it ranks", ranking),
    "truth": ("Whether its probabilities are true", truth),
    "decision": ("The decision and its profit", decision),
    "segments": ("By segment", segments),
    "months": ("By month", months),
    "staleness": ("The price of staleness", staleness),
    "learned": ("What it learned from", learned),
    "drivers": ("What drives its scores", drivers),
    "customers": ("Sample customers", customers),
    "limits": ("Limits", limits),
    "repeat": ("How to repeat it", repeated),
}
TONES = {
    " is better ": "good",
    " cannot be told ": "dull",
    " is worse ": "bad",
    "reached (": "good",
    "missed (": "bad",
}
HEADS = ("roc_auc", "average_precision", "ece")


def page(told: Told) -> str:
    """The page as text."""
    name = told.evidence["model_version"]
    body = joined(
        header(f"{name}: {readable(told.champion)}", about(told), tone(told)),
        opening(told),
        tiles(at_a_glance(told)),
        notes(verdict(told)),
        contents([(key, heading) for key, (heading, _) in SECTIONS.items()]),
        *(section(key, heading, *make(told)) for key, (heading, make) in SECTIONS.items()),
    )
    return document(f"Model card of {name}", body)


def opening(told: Told) -> Markup:
    """What the model is worth, in one sentence."""
    useful = ranks_better_than_chance(told.card)
    return notes([("good" if useful else "bad", "", answer(told.card, told.evidence))])


def tone(told: Told) -> str:
    """Good where the success target is met; bad where the scores mean nothing."""
    if not ranks_better_than_chance(told.card):
        return "bad"
    found = reached(told)
    return "dull" if found is None else "good" if found else "bad"


def about(told: Told) -> str:
    """Which model, for which question, from which data."""
    problem, card = told.problem, told.card
    return (
        f"Model card. Who of the customers active in the last {problem['active_within_days']} days orders "
        f"nothing in the next {problem['horizon_days']}? Trained on {card['build_id']}, data clock "
        f"{card['data_clock']}."
    )


def at_a_glance(told: Told) -> list[tuple[str, str]]:
    """The champion's main figures."""
    rule = told.evidence["candidates"].get(told.evidence["baseline"], {})
    entries = []
    for metric in HEADS:
        if found := told.measures.get(metric):
            beside = f"; recency rule {told.figure(metric, rule[metric]['value'])}" if metric in rule else ""
            entries.append(
                (
                    told.figure(metric, found["value"]),
                    f"{told.label(metric)}, {told.interval(metric, found)}{beside}",
                )
            )
    if not ranks_better_than_chance(told.card):
        return entries
    found = told.evidence["decision"]
    base = told.evidence["test"]["base_rate"]
    entries.append((percent(found["listed"]["value"], 0), "of the customers are listed"))
    entries.append(
        (percent(found["recall"]["value"], 0), f"of the churners are found, {between(found['recall'])}")
    )
    if found["precision"]:
        said = f"of the listed churned, {between(found['precision'])}; of all {percent(base)}"
        entries.append((percent(found["precision"]["value"], 0), said))
    if found["profit"]:
        said = f"profit over {number(told.evidence['test']['rows'])} test rows, by the stated costs"
        entries.append((money(found["profit"]["value"]), said))
    return entries


def verdict(told: Told) -> list[tuple[str, str, str | Markup]]:
    """The sentences one must not miss."""
    found: list[tuple[str, str, str | Markup]] = [
        (next((tone for words, tone in TONES.items() if words in said), "dull"), "", said)
        for said in told.evidence["verdict"]
    ]
    looks: Values = told.evidence.get("looks") or {}
    if looks.get("sentence"):
        found.append(("dull", "Looks:", f"{looks['sentence']}."))
    found += [("dull", "Note:", f"{said.rstrip('.')}.") for said in told.evidence.get("notes") or []]
    if not told.deep:
        found.append(("dull", "Parts are missing.", MISSING))
    return found
