"""How the champion was chosen, before anybody saw the test part: folds, tuning, the rule."""

from typing import Any

from markupsafe import Markup

from ml.common.counting import counted
from ml.page.document import folded, paragraph, table
from ml.page.figures import NOTHING, compact, decimals, number, readable
from ml.page.rows import figure
from ml.page.spans import timeline
from ml.reports.facts import Told, Values


def choice(told: Told) -> list[Markup]:
    """The table from which the champion was chosen, and what came before it."""
    metric = told.problem["metric"]
    said = (
        f"By {told.label(metric)} ({told.better(metric)}) on rows later than those learned from, and "
        "earlier than the test part: the simplest candidate within one standard error of the best, among "
        f"those that score a customer within {told.problem['constraints']['latency_ms']} ms. Listed from "
        "the simplest on."
    )
    return [paragraph(said, soft=True), *folds(told), choice_table(told), *tuning(told), *promotion(told)]


def folds(told: Told) -> list[Markup]:
    """What was learned from and asked about in each fold."""
    found = told.card.get("folds") or []
    if len(found) < 2:
        return []
    spans = [
        {
            "label": f"fold {place}",
            "first": fold["learned"]["first"],
            "last": fold["learned"]["last"],
            "until": None,
            "later": (fold["asked"]["first"], fold["asked"]["last"]),
            "marked": False,
        }
        for place, fold in enumerate(found, start=1)
    ]
    caption = (
        f"Cut-offs learned from, and asked about (pale); dashed: the data clock, {told.card['data_clock']}"
    )
    return [figure(caption, timeline(spans, told.card["data_clock"]))]


def choice_table(told: Told) -> Markup:
    """One row a candidate."""
    metric, found = told.problem["metric"], told.card["selection"]
    number_of_folds = max((len(row.get("by_fold") or []) for row in found), default=0)
    by_fold = number_of_folds if number_of_folds > 1 else 0
    rows = [
        [
            readable(row["candidate"]),
            told.figure(metric, row.get("value")),
            *(told.figure(metric, value) for value in (row.get("by_fold") or [None] * by_fold)[:by_fold]),
            decimals(row.get("standard_error_to_best"), 4),
            number(row.get("milliseconds")),
            " and ".join(name for name in ("best", "champion") if row.get(name)),
        ]
        for row in found
    ]
    names = [
        "candidate",
        told.label(metric),
        *(f"fold {place}" for place in range(1, by_fold + 1)),
        "standard error to the best",
        "milliseconds",
        "verdict",
    ]
    chosen = [place for place, row in enumerate(found) if row.get("champion")]
    return table(names, rows, chosen, texts=(0, len(names) - 1))


def tuning(told: Told) -> list[Markup]:
    """What the searches for better settings found."""
    found, settings = told.card.get("tuning") or [], told.card.get("settings") or {}
    parts = []
    if found:
        rows = [
            [readable(each["candidate"]), *searched(told, each), changed(each["settings"])] for each in found
        ]
        label = told.label(told.problem["metric"])
        names = ("tuned", "tried", "given up early", f"{label}, usual settings", "best settings", "changed")
        parts.append(table(names, rows, texts=(0, 5)))
        if any(each["cut_short"] for each in found):
            seconds = told.problem["tuning"]["seconds"]
            parts.append(
                paragraph(f"The {counted(seconds, 'second')} were over before the trials were.", soft=True)
            )
    if settings:
        parts.append(folded(f"Settings of {readable(told.champion)}", paragraph(changed(settings))))
    return parts


def searched(told: Told, found: Values) -> list[str]:
    """How long a search was, and what it gained."""
    metric = told.problem["metric"]
    before, after = (told.figure(metric, found[name]) for name in ("before", "after"))
    return [number(found["trials"]), number(found["pruned"]), before, after]


def changed(settings: Values) -> str:
    """Settings in one line."""
    return ", ".join(f"{name} {setting(value)}" for name, value in settings.items()) or NOTHING


def setting(value: Any) -> str:
    """A setting as one reads it."""
    return compact(value) if isinstance(value, float) else str(value)


def promotion(told: Told) -> list[Markup]:
    """Why it is champion, as training said."""
    found = told.card.get("promotion") or {}
    return [paragraph(f"Promotion: {found['why']}.", soft=True)] if found.get("why") else []
