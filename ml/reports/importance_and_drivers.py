"""What the model learned from (importance, groups of features, rows), and the drivers of its scores."""

from markupsafe import Markup

from ml.common.number_words import counted
from ml.page.axes import linear
from ml.page.bars import EMPTY, Bar, Interval, bar_rows, breakable, figure, interval_rows
from ml.page.document import folded, folded_bars, grid, paragraph, soft, stacked
from ml.page.number_text import decimals, number
from ml.page.plot import legend, plot, whiskered
from ml.reports.card_data import Card

FEATURES_SHOWN = 15  # features before the fold
TONES = ("a", "b", "c", "d", "e")


def learned(card: Card) -> list[Markup]:
    """Importance, ablation, learning curve."""
    if not any(card.entries(name) for name in ("importance", "ablation", "learning")):
        return [card.missing()]
    about = (
        "Measured on validation rows, so that nobody is tempted to change the model by what the test part "
        "says. Importance: what log-loss rises by when one feature is shuffled among rows; features that "
        "repeat each other hide each other's. Without one group, or on fewer customers, the champion's "
        "recipe is fitted anew."
    )
    return [soft(about), grid(importance(card), stacked(ablation(card), learning(card)), two=True)]


def importance(card: Card) -> Markup:
    """Log-loss lost, feature by feature, in the colour of its subject."""
    features = card.entries("importance")
    if not features:
        return EMPTY
    subjects = sorted({feature["subject"] for feature in features})
    tones = {subject: TONES[number % len(TONES)] for number, subject in enumerate(subjects)}
    rows = [
        Interval.of(
            breakable(feature["feature"]),
            feature["loss"],
            decimals(feature["loss"]["value"], 4),
            tones[feature["subject"]],
        )
        for feature in features
    ]
    inside = legend([(tone, "dot", subject) for subject, tone in tones.items()])
    inside += interval_rows(rows[:FEATURES_SHOWN], 0.0)
    if rows[FEATURES_SHOWN:]:
        inside += folded(f"the other {len(rows) - FEATURES_SHOWN}", interval_rows(rows[FEATURES_SHOWN:], 0.0))
    return figure(Markup("<b>Importance</b>, log-loss lost by shuffling; dashed: nothing"), inside)


def ablation(card: Card) -> Markup:
    """ROC-AUC without one group of features."""
    groups = [group for group in card.entries("ablation") if group["subject"]]
    if not groups:
        return EMPTY
    rows = [
        Interval.of(
            f"without {group['subject']} ({group['features']})",
            group["change"]["roc_auc"],
            card.figure("roc_auc", group["change"]["roc_auc"]["value"], sign=True),
        )
        for group in groups
        if group["measures"]
    ]
    necessary = [group["subject"] for group in groups if not group["measures"]]
    inside = interval_rows(rows, 0.0) if rows else EMPTY
    inside += soft(f"It cannot do without {', '.join(necessary)}.") if necessary else EMPTY
    caption = Markup(
        "<b>Without one group of features</b>, change of ROC-AUC; in brackets their number; dashed: none"
    )
    return figure(caption, inside)


def learning(card: Card) -> Markup:
    """ROC-AUC against training customers."""
    steps = card.entries("learning")
    if not steps:
        return EMPTY
    across = [step["customers"] for step in steps]
    value, low, high = (
        [step["measures"]["roc_auc"][end] for step in steps] for end in ("value", "low", "high")
    )
    tooltips = [f"{counted(step['customers'], 'customer')}, {counted(step['rows'], 'row')}" for step in steps]
    return plot(
        "Would more customers help?",
        whiskered(across, value, low, high, tooltips=tooltips),
        linear([0, *across], "training customers", low=0, high=max(across) * 1.04),
        linear([*low, *high], "ROC-AUC"),
        note="Whiskers: 95 %.",
    )


def drivers(card: Card) -> list[Markup]:
    """What moves the scores, by Shapley values."""
    reasons = card.evidence.get("reasons")
    if not reasons:
        return [card.missing()]
    if not any(feature["mean"] for feature in reasons["features"]):
        return [paragraph("Nothing: every customer gets the same score.")]
    about = (
        f"Shapley values over {reasons['rows']:,} test rows: what each feature adds to or takes from the raw "
        f"score, on the {reasons['scale']} scale; here the mean size. They add up to every score (largest "
        f"gap {reasons['largest_gap']:.1g})."
    )
    subjects = [
        Bar(f"{subject['subject']} ({subject['features']})", subject["mean"], number(subject["mean"]))
        for subject in reasons["subjects"]
    ]
    features = [
        Bar(breakable(feature["feature"]), feature["mean"], number(feature["mean"]))
        for feature in reasons["features"]
        if feature["mean"]
    ]
    return [
        soft(about),
        grid(
            figure(Markup("<b>By subject</b>, in brackets how many features"), bar_rows(subjects)),
            figure(Markup("<b>By feature</b>"), folded_bars(features, FEATURES_SHOWN)),
            two=True,
        ),
    ]
