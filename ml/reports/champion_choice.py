"""How the champion was chosen, before the test part was used: folds, tuning, the rule."""

from typing import Any

from markupsafe import Markup

from ml.common.number_words import counted
from ml.page.bars import figure
from ml.page.document import folded, paragraph, soft, table
from ml.page.number_text import NOTHING, compact, decimals, number, readable
from ml.page.timelines import Span, timeline
from ml.reports.card_data import Card, Values


def choice(card: Card) -> list[Markup]:
    """The table from which the champion was chosen, and what came before it."""
    metric = card.problem["metric"]
    rule = (
        f"By {card.label(metric)} ({card.better(metric)}) on rows later than those learned from, and "
        "earlier than the test part: the simplest candidate within one standard error of the best, among "
        f"those that score a customer within {card.problem['constraints']['latency_ms']} ms. Listed from "
        "the simplest on."
    )
    return [soft(rule), *folds(card), candidate_table(card), *tuning(card), *promotion(card)]


def folds(card: Card) -> list[Markup]:
    """Training and validation cut-offs of each fold; nothing where there is only one."""
    entries = card.manifest.get("folds") or []
    if len(entries) < 2:
        return []
    spans = [
        Span(
            label=f"fold {number}",
            first=fold["learned"]["first"],
            last=fold["learned"]["last"],
            later=(fold["asked"]["first"], fold["asked"]["last"]),
        )
        for number, fold in enumerate(entries, start=1)
    ]
    clock = card.manifest["data_clock"]
    caption = f"Cut-offs learned from, and asked about (pale); dashed: the data clock, {clock}"
    return [figure(caption, timeline(spans, clock))]


def candidate_table(card: Card) -> Markup:
    """One row a candidate; single folds only where there are several."""
    metric, candidates = card.problem["metric"], card.manifest["selection"]
    folds = max((len(candidate.get("by_fold") or []) for candidate in candidates), default=0)
    folds = folds if folds > 1 else 0
    rows = [
        [
            readable(candidate["candidate"]),
            card.figure(metric, candidate.get("value")),
            *(card.figure(metric, value) for value in (candidate.get("by_fold") or [None] * folds)[:folds]),
            decimals(candidate.get("standard_error_to_best"), 4),
            number(candidate.get("milliseconds")),
            " and ".join(word for word in ("best", "champion") if candidate.get(word)),
        ]
        for candidate in candidates
    ]
    names = [
        "candidate",
        card.label(metric),
        *(f"fold {number}" for number in range(1, folds + 1)),
        "standard error to the best",
        "milliseconds",
        "verdict",
    ]
    champions = [number for number, candidate in enumerate(candidates) if candidate.get("champion")]
    return table(names, rows, champions, texts=(0, len(names) - 1))


def tuning(card: Card) -> list[Markup]:
    """What the searches for better settings found, and the champion's settings."""
    searches, settings = card.manifest.get("tuning") or [], card.manifest.get("settings") or {}
    metric, parts = card.problem["metric"], []
    if searches:
        rows = [
            [
                readable(search["candidate"]),
                number(search["trials"]),
                number(search["pruned"]),
                card.figure(metric, search["before"]),
                card.figure(metric, search["after"]),
                in_one_line(search["settings"]),
            ]
            for search in searches
        ]
        usual = f"{card.label(metric)}, usual settings"
        names = ("tuned", "tried", "given up early", usual, "best settings", "changed")
        parts.append(table(names, rows, texts=(0, 5)))
        if any(search["cut_short"] for search in searches):
            seconds = counted(card.problem["tuning"]["seconds"], "second")
            parts.append(soft(f"The {seconds} were over before the trials were."))
    if settings:
        parts.append(folded(f"Settings of {readable(card.champion)}", paragraph(in_one_line(settings))))
    return parts


def in_one_line(settings: Values) -> str:
    def text(value: Any) -> str:
        return compact(value) if isinstance(value, float) else str(value)

    return ", ".join(f"{name} {text(value)}" for name, value in settings.items()) or NOTHING


def promotion(card: Card) -> list[Markup]:
    """Why training promoted it, if it said."""
    reason = (card.manifest.get("promotion") or {}).get("why")
    return [soft(f"Promotion: {reason}.")] if reason else []
