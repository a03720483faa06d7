"""Groups that page, as alarms in sentences with their likely causes."""

from collections.abc import Mapping, Sequence

from ml.common.instants import format_instant
from ml.monitor.causes import Cause
from ml.monitor.feature_drift import FeatureDrift
from ml.monitor.groups import COUNTS, FEED, LABEL_RATE, PERFORMANCE, SCORE, Judged
from ml.monitor.report import Alert, Performance
from ml.monitor.weeks import Weeks
from ml.page.number_text import number

DEFINITION, UNIT = "definition", "unit"
# Kinds of facts that page of themselves, and the group they page as: chance hardly makes them.
OF_FACTS = {"definition changed": DEFINITION, "unit changed": UNIT}
# The kinds of causes that concern a group more than others.
OWN_KINDS = {FEED: ("feed stopped", "feed late"), COUNTS: ()}
UNKNOWN = {
    SCORE: "Look at the drifted features, then decide whether to train again.",
    LABEL_RATE: "Customers behave otherwise than before: until the next training probabilities may be off.",
    PERFORMANCE: "Train again, and compare with the champion on the newest labels.",
    FEED: "Look at the sources.",
    COUNTS: "Look at what changed in the number of customers and rows.",
}


def alerts_of(
    groups: Sequence[Judged],
    ends: Mapping[str, Weeks],
    causes: Sequence[Cause],
    drift: Sequence[FeatureDrift],
) -> list[Alert]:
    """An alarm for each group that pages in the last week."""
    alerts = []
    for group in groups:
        if not group.last.pages:
            continue
        weeks = ends[group.name]
        named = own_first(group.name, causes)
        cause = named[0] if named else None
        alerts.append(
            Alert(
                group=group.name,
                sentence=sentence_of(group),
                cause=cause.sentence if cause else drifted(drift, group.name),
                cause_kind=cause.kind if cause else "",
                advice=cause.advice if cause else UNKNOWN[group.name],
                since=format_instant(weeks.instants[-max(group.run, 1)]),
                rank_p=group.last.rank_p,
                other_causes=tuple(other.sentence for other in named[1:6]),
            )
        )
    return alerts


def own_first(group: str, causes: Sequence[Cause]) -> list[Cause]:
    """The causes in their order, those that concern the group alone before the others."""
    kinds = OWN_KINDS.get(group, ())
    return sorted(causes, key=lambda cause: cause.kind not in kinds) if kinds else list(causes)


def sentence_of(group: Judged) -> str:
    """What is beyond its past."""
    member = group.strongest
    known = [value for value in member.values[:-1] if value == value]
    before = number(float(sum(known[-6:]) / len(known[-6:]))) if known else "unknown"
    return (
        f"{member.name} is {number(float(member.values[-1]))}, before {before}: farther from the weeks "
        f"before than in {group.last.rule.weeks} earlier weeks"
    )


def drifted(drift: Sequence[FeatureDrift], group: str) -> str:
    """The drifted features, where a score's alarm has no other cause."""
    names = [feature.feature for feature in drift if feature.drifted][:5]
    return f"no raw fact stands out; drifted features: {', '.join(names)}" if names and group == SCORE else ""


def fact_alerts(causes: Sequence[Cause], as_of: str) -> list[Alert]:
    """An alarm for each group of facts that need no budget.

    What is served is not what the champion learned, or a number is a hundred or a thousand times what it was.
    """
    return [alert for kind, group in OF_FACTS.items() for alert in fact_alert(group, kind, causes, as_of)]


def fact_alert(group: str, kind: str, causes: Sequence[Cause], as_of: str) -> list[Alert]:
    facts = [cause for cause in causes if cause.kind == kind]
    if not facts:
        return []
    first, *others = facts
    return [
        Alert(
            group=group,
            sentence=first.sentence,
            cause=first.sentence,
            cause_kind=first.kind,
            advice=first.advice,
            since=as_of,
            other_causes=tuple(other.sentence for other in others),
        )
    ]


def bet_alert(
    told: Performance, causes: Sequence[Cause], as_of: str, groups: Sequence[Judged]
) -> list[Alert]:
    """An alarm of performance where the bet against it was won, unless the ranks page already."""
    if told.wealth is None or told.wealth < told.wealth_pages:
        return []
    if any(group.name == PERFORMANCE and group.last.pages for group in groups):
        return []
    cause = causes[0] if causes else None
    return [
        Alert(
            group=PERFORMANCE,
            sentence=f"the realised Brier score {number(told.realised['brier'])} of {told.ripe_rows:,} ripe "
            f"predictions is above the tolerated {number(told.limit)}: a bet against that grew "
            f"{number(told.wealth)} times (pages from {told.wealth_pages:g})",
            cause=cause.sentence if cause else "",
            cause_kind=cause.kind if cause else "",
            advice=cause.advice if cause else UNKNOWN[PERFORMANCE],
            since=as_of,
            other_causes=tuple(other.sentence for other in causes[1:6]),
        )
    ]
