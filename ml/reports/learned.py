"""What the model learned from: importance, groups of features, rows; and what drives its scores."""

from collections.abc import Sequence

from markupsafe import Markup

from ml.common.counting import counted
from ml.page.axes import linear
from ml.page.document import folded, grid, paragraph, stacked
from ml.page.figures import compact, decimals, number
from ml.page.plot import Dots, Line, Shape, legend, plot
from ml.page.rows import NONE, Interval, bar_rows, figure, interval_rows, name_of
from ml.reports.facts import Told, Values

SHOWN = 15
TONES = ("a", "b", "c", "d", "e")


def learned(told: Told) -> list[Markup]:
    """Importance, ablation, learning curve."""
    if not any(told.has(name) for name in ("importance", "ablation", "learning")):
        return [told.missing()]
    said = (
        "Measured on validation rows, so that nobody is tempted to change the model by what the test part "
        "says. Importance: what log-loss rises by when one feature is shuffled among rows; features that "
        "repeat each other hide each other's. Without one group, or on fewer customers, the champion's "
        "recipe is fitted anew."
    )
    return [
        paragraph(said, soft=True),
        grid(importance(told), stacked(ablation(told), learning(told)), two=True),
    ]


def subject_tones(told: Told) -> dict[str, str]:
    """A colour for each subject, the same in all pictures."""
    subjects = dict.fromkeys(each["subject"] for each in told.evidence.get("importance") or [])
    return {subject: TONES[place % len(TONES)] for place, subject in enumerate(sorted(subjects))}


def importance(told: Told) -> Markup:
    """Log-loss lost, feature by feature."""
    found = told.evidence.get("importance") or []
    if not found:
        return NONE
    tones = subject_tones(told)
    rows = [
        Interval(
            name_of(each["feature"]),
            each["loss"]["value"],
            each["loss"]["low"],
            each["loss"]["high"],
            decimals(each["loss"]["value"], 4),
            tones[each["subject"]],
        )
        for each in found
    ]
    keys = legend([(tone, "dot", subject) for subject, tone in tones.items()])
    first = keys + interval_rows(rows[:SHOWN], 0.0)
    rest = (
        folded(f"the other {len(rows) - SHOWN}", interval_rows(rows[SHOWN:], 0.0)) if rows[SHOWN:] else NONE
    )
    return figure(Markup("<b>Importance</b>, log-loss lost by shuffling; dashed: nothing"), first + rest)


def ablation(told: Told) -> Markup:
    """ROC-AUC without one subject."""
    found = [each for each in told.evidence.get("ablation") or [] if each["subject"]]
    if not found:
        return NONE
    measured = [each for each in found if each["measures"]]
    rows = [
        Interval(
            f"without {each['subject']} ({each['features']})",
            each["change"]["roc_auc"]["value"],
            each["change"]["roc_auc"]["low"],
            each["change"]["roc_auc"]["high"],
            told.figure("roc_auc", each["change"]["roc_auc"]["value"], True),
        )
        for each in measured
    ]
    needed = [each["subject"] for each in found if not each["measures"]]
    note = paragraph(f"It cannot do without {', '.join(needed)}.", soft=True) if needed else NONE
    caption = Markup(
        "<b>Without one group of features</b>, change of ROC-AUC; in brackets their number; dashed: none"
    )
    return figure(caption, (interval_rows(rows, 0.0) if rows else NONE) + note)


def learning(told: Told) -> Markup:
    """ROC-AUC against training customers."""
    found = told.evidence.get("learning") or []
    if not found:
        return NONE
    across = [each["customers"] for each in found]
    value, low, high = (
        [each["measures"]["roc_auc"][name] for each in found] for name in ("value", "low", "high")
    )
    said = [f"{counted(each['customers'], 'customer')}, {counted(each['rows'], 'row')}" for each in found]
    shapes: list[Shape] = [Line(across, value, "a", thin=True), Dots(across, value, "a", "", low, high, said)]
    axis = linear([0, *across], "training customers", low=0, high=max(across) * 1.04, said=compact)
    return plot(
        "Would more customers help?", shapes, axis, linear([*low, *high], "ROC-AUC"), note="Whiskers: 95 %."
    )


def drivers(told: Told) -> list[Markup]:
    """What moves the scores, by Shapley values."""
    found = told.evidence.get("reasons")
    if not found:
        return [told.missing()]
    said = (
        f"Shapley values over {found['rows']:,} test rows: what each feature adds to or takes from the raw "
        f"score, on the {found['scale']} scale; here the mean size. They add up to every score (largest "
        f"gap {found['largest_gap']:.1g})."
    )
    if not any(each["mean"] for each in found["features"]):
        return [paragraph("Nothing: every customer gets the same score.")]
    subjects = [
        (f"{each['subject']} ({each['features']})", each["mean"], number(each["mean"]), "bar")
        for each in found["subjects"]
    ]
    features = [
        (name_of(each["feature"]), each["mean"], number(each["mean"]), "bar")
        for each in found["features"]
        if each["mean"]
    ]
    return [
        paragraph(said, soft=True),
        grid(
            figure(Markup("<b>By subject</b>, in brackets how many features"), bar_rows(subjects)),
            figure(Markup("<b>By feature</b>"), first_of(features)),
            two=True,
        ),
    ]


def first_of(bars: Sequence[tuple[Markup, float, str, str]]) -> Markup:
    """The first bars, the others to unfold."""
    most = max(value for _, value, _, _ in bars)
    first = bar_rows(bars[:SHOWN], end=most)
    rest = bars[SHOWN:]
    return first + (folded(f"the other {len(rest)}", bar_rows(rest, end=most)) if rest else NONE)


def weakest(found: Values) -> tuple[str, str, float] | None:
    """The segment's group with the lowest ROC-AUC: by what, which, how much."""
    groups = [
        (each["by"], group["name"], group["measures"]["roc_auc"]["value"])
        for each in found.get("segments") or []
        for group in each["groups"]
        if group["measures"]
    ]
    return min(groups, key=lambda each: each[2]) if groups else None
