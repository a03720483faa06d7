"""What was judged, as the figures of a report."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from ml.common.array_types import Floats
from ml.common.instants import format_instant
from ml.monitor.causes import Cause
from ml.monitor.feature_drift import none_if_nan
from ml.monitor.feeds import Feed
from ml.monitor.groups import Judged
from ml.monitor.rank_rule import DAYS_PER_QUARTER, NEVER, count_pages
from ml.monitor.report import GroupFigures, MemberFigures, SourceFigures
from ml.monitor.weeks import Weeks


def group_figures(group: Judged, weeks: Weeks) -> GroupFigures:
    """A group with its weeks."""
    strengths = group.last.strengths
    return GroupFigures(
        name=group.name,
        pages=group.last.pages,
        rank_p=none_if_nan(group.last.rank_p),
        rule=group.last.rule.sentence(),
        weeks=tuple(map(format_instant, weeks.instants)),
        paged=tuple(bool(paged) for paged in group.pages),
        members=tuple(
            MemberFigures(member.name, tuple(map(none_if_nan, member.values)), none_if_nan(strength))
            for member, strength in zip(group.members, strengths, strict=True)
        ),
    )


def source_figures(feed: Feed, span: int, causes: Sequence[Cause]) -> SourceFigures:
    """A source in the newest week; its state is what stands out about it."""
    own = [cause.sentence for cause in causes if cause.source == feed.source and "feed" in cause.kind]
    return SourceFigures(
        source=feed.source,
        rows=float(feed.arrivals[-1]),
        rows_before=mean(feed.arrivals, span),
        stale_days=none_if_nan(feed.stale_days[-1]),
        delay_days=none_if_nan(feed.delay_days[-1]),
        delay_before=mean(feed.delay_days, span),
        complete=none_if_nan(feed.expected_complete),
        state=own[0] if own else "on time",
    )


def mean(values: Floats, span: int) -> float | None:
    """The mean of the weeks before the newest."""
    before = values[:-1][-span:]
    known = before[np.isfinite(before)]
    return float(known.mean()) if len(known) else None


def past_pages(groups: Sequence[Judged], ends: Mapping[str, Weeks], since: datetime) -> dict[str, Any]:
    """What the monitor would have paged if it had been at work before, and of that since an instant.

    Only weeks count in which a group had enough weeks behind it to page.
    """
    weeks = max(
        [sum(verdict.rule.kind != NEVER for verdict in group.verdicts) for group in groups],
        default=0,
    )
    days = next(iter(ends.values())).days if ends else 7
    listed = [
        {"group": group.name, "week": format_instant(instant)}
        for group in groups
        for instant, pages in zip(ends[group.name].instants, group.pages, strict=True)
        if pages and instant > since - timedelta(microseconds=1)
    ]
    return {
        "weeks": weeks,
        "quarters": round(weeks * days / DAYS_PER_QUARTER, 2),
        "pages": sum(count_pages(group.pages) for group in groups),
        "since": listed,
    }
