"""The model card as one HTML page that needs nothing else; pictures first, readable on a phone."""

from markupsafe import Markup

from ml.evaluate.metric_names import answer
from ml.metrics.chance import ranks_better_than_chance
from ml.page.document import Sections, Text, header, join_parts, notes, sections, tiles
from ml.page.number_text import number, percent, readable
from ml.reports.candidate_comparison import candidates
from ml.reports.card_data import MISSING, Card, between, money
from ml.reports.champion_choice import choice
from ml.reports.customers_by_behaviour import behaviour
from ml.reports.example_customers import customers
from ml.reports.importance_and_drivers import drivers, learned
from ml.reports.limits import how_to_repeat, limits
from ml.reports.problem_and_rows import data, question
from ml.reports.ranking_and_calibration import ranking, truth
from ml.reports.segments_and_months import months, segments, staleness
from ml.reports.threshold_and_actions import decision

SECTIONS: Sections[Card] = {
    "question": ("The question", question),
    "data": ("Data and what was left out", data),
    "candidates": ("Candidates", candidates),
    "choice": ("How it was chosen", choice),
    "ranking": ("How well it ranks", ranking),
    "truth": ("Whether its probabilities are true", truth),
    "decision": ("The decision and its profit", decision),
    "segments": ("By segment", segments),
    "behaviour": ("Customers by behaviour", behaviour),
    "months": ("By month", months),
    "staleness": ("The price of staleness", staleness),
    "learned": ("What it learned from", learned),
    "drivers": ("What drives its scores", drivers),
    "customers": ("Example customers", customers),
    "limits": ("Limits", limits),
    "repeat": ("How to repeat it", how_to_repeat),
}
# Words of the evidence's sentences, and the tone of a sentence that has them.
TONES = {
    " is better ": "good",
    " cannot be told ": "dull",
    " is worse ": "bad",
    "reached (": "good",
    "missed (": "bad",
}
HEADS = ("roc_auc", "average_precision", "ece")  # metrics at the top of the page


def body(card: Card) -> Markup:
    """The inside of the page."""
    name, problem, manifest = card.evidence["model_version"], card.problem, card.manifest
    about = (
        f"Model card. Who of the customers active in the last {problem['active_within_days']} days orders "
        f"nothing in the next {problem['horizon_days']}? Trained on {manifest['build_id']}, data clock "
        f"{manifest['data_clock']}."
    )
    useful = "good" if ranks_better_than_chance(manifest) else "bad"
    return join_parts(
        header(f"{name}: {readable(card.champion)}", about, tone(card)),
        notes([(useful, "", answer(manifest, card.evidence))]),
        tiles(at_a_glance(card)),
        notes(first_notes(card)),
        sections(card, SECTIONS),
    )


def tone(card: Card) -> str:
    """Good where the success target is met; bad where the scores mean nothing."""
    if not ranks_better_than_chance(card.manifest):
        return "bad"
    return {None: "dull", True: "good", False: "bad"}[card.is_successful()]


def at_a_glance(card: Card) -> list[tuple[str, str]]:
    """The champion's main figures."""
    baseline = card.evidence["candidates"].get(card.evidence["baseline"], {})
    entries = []
    for metric in HEADS:
        if interval := card.measures.get(metric):
            about = f"{card.label(metric)}, {card.interval(metric, interval)}"
            if metric in baseline:
                about += f"; recency rule {card.figure(metric, baseline[metric]['value'])}"
            entries.append((card.figure(metric, interval["value"]), about))
    if not ranks_better_than_chance(card.manifest):
        return entries
    decision, test = card.evidence["decision"], card.evidence["test"]
    flagged, recall, precision = decision["listed"], decision["recall"], decision["precision"]
    entries.append((percent(flagged["value"], 0), "of the customers are listed"))
    entries.append((percent(recall["value"], 0), f"of the churners are found, {between(recall)}"))
    if precision:
        about = f"of the listed churned, {between(precision)}; of all {percent(test['base_rate'])}"
        entries.append((percent(precision["value"], 0), about))
    if decision["profit"]:
        about = f"profit over {number(test['rows'])} test rows, by the stated costs"
        entries.append((money(decision["profit"]["value"]), about))
    return entries


def verdict_notes(card: Card) -> list[tuple[str, str, Text]]:
    """The sentences of the verdict, each with its tone."""
    return [
        (next((tone for words, tone in TONES.items() if words in sentence), "dull"), "", sentence)
        for sentence in card.evidence["verdict"]
    ]


def first_notes(card: Card) -> list[tuple[str, str, Text]]:
    """The sentences that no reader must miss."""
    entries = verdict_notes(card)
    looks = card.evidence.get("looks") or {}
    if looks.get("sentence"):
        entries.append(("dull", "Looks:", f"{looks['sentence']}."))
    entries += [("dull", "Note:", f"{note.rstrip('.')}.") for note in card.evidence.get("notes") or []]
    if not card.is_deep:
        entries.append(("dull", "Parts are missing.", MISSING))
    return entries
