"""Likely causes, read from the raw facts: which source, which column, which segment has left its own past.

A fact is named where its deviation in the last weeks is beyond all weeks before. The more special a cause,
the earlier it stands: a feed that stopped explains the rows that are missing, not the reverse.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ml.common.array_types import Floats
from ml.monitor.deviations import deviations, histogram_deviations
from ml.monitor.feeds import Feed
from ml.monitor.raw_columns import NULL, CategoryWeeks, ColumnWeeks, RawWeeks

RECENT_WEEKS = 3  # an alarm may come so many weeks after the fact
PAST_MIN = 4
# Deviations that count as nothing, whatever the past: shares, distances of shares, powers of ten, days, logs.
FLOOR_SHARE, FLOOR_DISTANCE, FLOOR_POWER, FLOOR_DAYS, FLOOR_LOG = 0.01, 0.05, 0.04, 0.25, 0.1
FLOOR_DELAY = 0.5  # days
SIGMAS = 3  # of the noise of a few rows
SPREAD_OF_SIZE = 0.4  # powers of ten, of a single amount
UNITS = {2.0: "100 times", -2.0: "a hundredth of", 3.0: "1,000 times", -3.0: "a thousandth of"}
UNIT_CLOSE = 0.2  # powers of ten around a change of unit
NEW_SHARE, GONE_SHARE, GONE_ROWS, GONE_TO = 0.02, 0.05, 8, 0.2
VAGUE = 1.25  # how far beyond its past a fact must be that could have many causes
# Kinds that leave little doubt, the most special first, and others.
SPECIAL = (
    "definition changed",
    "feed stopped",
    "unit changed",
    "rows twice",
    "segment vanished",
    "new category",
)
KINDS = (
    *SPECIAL,
    "rejected rows",
    "feed late",
    "nulls",
    "customers changed",
    "rows changed",
    "size changed",
    "mix changed",
)
ADVICE = {
    "definition changed": "Train again on the present definitions, or go back to the earlier build.",
    "feed stopped": "Restart the delivery of {source}, load what is missing and build again; until then do "
    "not use the scores that depend on it.",
    "unit changed": "Ask who delivers {source} about the unit of {column}, and convert it before the ingest.",
    "rows twice": "Remove the second delivery of {source} and load again.",
    "new category": "Find out what the new value of {column} means; train again once it has labels.",
    "segment vanished": "Find out whether the segment left or is no longer delivered in {source}.",
    "rejected rows": "Look at the rejected rows of {source} with their reasons, and load them corrected.",
    "feed late": "Wait for the late rows of {source}, or raise label_delay_days, before labels are believed.",
    "nulls": "Ask who delivers {source} why {column} is empty.",
    "customers changed": "The feeds are on time: look at what changed for customers, such as season, prices "
    "and campaigns.",
    "rows changed": "Look at what changed in {source}.",
    "size changed": "Find out whether {column} of {source} really changed, such as by a change of prices.",
    "mix changed": "Look at the mix of {column} in {source}.",
}


@dataclass(frozen=True)
class Cause:
    """A fact that may have caused an alarm.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    source, column : str
    sentence : str
    strength : float
        Its deviation in units of the largest before.
    """

    kind: str
    source: str
    column: str
    sentence: str
    strength: float

    @property
    def advice(self) -> str:
        """What to do."""
        return ADVICE[self.kind].format(source=self.source, column=self.column)


def find_causes(feeds: Sequence[Feed], raw: RawWeeks | None, span: int) -> list[Cause]:
    """Every fact beyond its past, the most special and the strongest first."""
    found = list(of_feeds(feeds, span))
    if raw is not None:
        found += of_repeats(raw, span)
        for column in raw.columns:
            found += of_column(column, span)
        for categories in raw.categories:
            found += of_categories(categories, span)
    return ranked(explained(found))


def ranked(causes: Sequence[Cause]) -> list[Cause]:
    """Those that leave little doubt by kind, then the others by strength."""

    def place(cause: Cause) -> tuple[int, float]:
        kind = KINDS.index(cause.kind)
        return (min(kind, len(SPECIAL)), -cause.strength)

    return sorted(causes, key=place)


def explained(causes: Sequence[Cause]) -> list[Cause]:
    """Without what another cause of the same source explains."""
    kinds = {(cause.source, cause.kind) for cause in causes}
    customers = any(cause.kind == "customers changed" for cause in causes)

    def is_explained(cause: Cause) -> bool:
        of_source = {kind for source, kind in kinds if source == cause.source}
        if cause.kind in ("customers changed", "rows changed"):
            special = {"feed stopped", "rows twice", "segment vanished", "feed late"} & of_source
            return bool(special) or (cause.kind == "rows changed" and customers)
        if cause.kind in ("feed late", "nulls", "mix changed", "size changed", "segment vanished"):
            return bool({"feed stopped"} & of_source) or (
                cause.kind == "size changed" and "unit changed" in of_source
            )
        return False

    return [cause for cause in causes if not is_explained(cause)]


def strength(deviation: Floats, floor: float) -> float:
    """The largest of the last weeks in units of the largest before; NaN without a past."""
    past = deviation[:-RECENT_WEEKS]
    past = past[np.isfinite(past)]
    recent = deviation[-RECENT_WEEKS:]
    recent = recent[np.isfinite(recent)]
    if len(past) < PAST_MIN or not len(recent):
        return float("nan")
    return float(recent.max() / max(past.max(), floor))


def last_move(values: Floats, span: int) -> tuple[float, float]:
    """Of the last weeks the value farthest from what was before them all, and that earlier mean."""
    before = values[:-RECENT_WEEKS][-span:]
    before = before[np.isfinite(before)]
    recent = values[-RECENT_WEEKS:]
    recent = recent[np.isfinite(recent)]
    if not len(before) or not len(recent):
        return float("nan"), float("nan")
    mean = float(before.mean())
    return float(recent[np.argmax(np.abs(recent - mean))]), mean


def of_feeds(feeds: Sequence[Feed], span: int) -> Iterator[Cause]:
    """Sources that stopped, are late, or have more or fewer rows than ever."""
    moved = []
    for feed in feeds:
        stale = strength(deviations(feed.stale_days, 1, span, "up"), FLOOR_DAYS)
        days, usual = last_move(feed.stale_days, span)
        if stale > VAGUE:
            yield Cause(
                "feed stopped",
                feed.source,
                "",
                f"the feed of {feed.source} stopped: for {days:.1f} days no row of it became known (usually "
                f"{usual:.1f} at this time)",
                stale,
            )
        late = strength(deviations(feed.delay_days, 1, span, "up"), FLOOR_DELAY)
        thin = strength(deviations(feed.recent_share, 1, span, "down"), noise_of_shares(feed))
        if late > VAGUE or thin > VAGUE:
            found = float(np.nanmax([late, thin]))
            yield Cause("feed late", feed.source, "", late_sentence(feed, span, late > VAGUE), found)
        rows = strength(deviations(np.log1p(feed.arrivals), 1, span), FLOOR_LOG)
        if rows > 1:
            moved.append((feed, rows))
    yield from of_arrivals(moved, span)


def late_sentence(feed: Feed, span: int, is_recorded: bool) -> str:
    """How late a source is: by its recorded instants, or by the days that are thin."""
    if is_recorded:
        delay, before = last_move(feed.delay_days, span)
        return (
            f"{feed.source} come late: rows became known {delay:.1f} days after they occurred (before "
            f"{before:.1f}), so the newest days are not all in"
        )
    share, before = last_move(feed.recent_share, span)
    return (
        f"{feed.source} come late: the last days hold {share:.0%} of a week's rows (before {before:.0%}), "
        "while older days are in"
    )


def noise_of_shares(feed: Feed) -> float:
    """How far the share of the last days moves by chance alone."""
    _, share = last_move(feed.recent_share, 4 * RECENT_WEEKS)
    return noise_of_share(share, fewest_rows(feed.occurred))


def fewest_rows(rows: Floats) -> float:
    """The rows of the smallest of the last weeks that has any; at least 1."""
    recent = rows[-RECENT_WEEKS:]
    return float(recent[recent > 0].min(initial=np.inf)) if (recent > 0).any() else 1.0


def noise_of_share(share: float, rows: float) -> float:
    """How far a share moves by chance alone among so many rows."""
    share = float(np.clip(np.nan_to_num(share), 0.02, 0.98))
    return max(FLOOR_SHARE, SIGMAS * float(np.sqrt(share * (1 - share) / rows)))


def of_arrivals(moved: Sequence[tuple[Feed, float]], span: int) -> Iterator[Cause]:
    """Sources with more or fewer rows; where several move the same way, it is the customers."""
    facts = []
    for feed, rows in moved:
        now, before = last_move(feed.arrivals, span)
        way = "fewer" if now < before else "more"
        facts.append(
            (feed.source, way, f"{way} rows of {feed.source} ({now:,.0f} a week, before {before:,.0f})", rows)
        )
    for way in ("fewer", "more"):
        same = [fact for fact in facts if fact[1] == way]
        if len(same) > 1:
            listed = " and ".join(fact[2] for fact in same)
            yield Cause(
                "customers changed",
                same[0][0],
                "",
                f"{listed}, each on time: the customers changed, not the feed",
                max(fact[3] for fact in same),
            )
        else:
            for source, _, sentence, rows in same:
                yield Cause("rows changed", source, "", sentence, rows)


def of_repeats(raw: RawWeeks, span: int) -> Iterator[Cause]:
    """Sources whose rows come twice under other keys."""
    for source, shares in raw.repeated.items():
        found = strength(deviations(shares, 1, span, "up"), FLOOR_SHARE)
        now, before = last_move(shares, span)
        if found > VAGUE:
            yield Cause(
                "rows twice",
                source,
                "",
                f"{now:.0%} of the rows of {source} repeat another one under another key (before "
                f"{before:.0%}): a load came twice",
                found,
            )


def of_column(column: ColumnWeeks, span: int) -> Iterator[Cause]:
    """Nulls, and numbers whose size or unit changed."""
    what = f"{column.source}.{column.column}"
    now, before = last_move(column.nulls, span)
    rows = fewest_rows(column.rows)
    nulls = strength(deviations(column.nulls, 1, span), noise_of_share(before, rows))
    if nulls > VAGUE:
        sentence = f"{now:.0%} of {what} are null (before {before:.0%})"
        yield Cause("nulls", column.source, column.column, sentence, nulls)
    if column.size is None:
        return
    size = strength(
        deviations(column.size, 1, span), max(FLOOR_POWER, SIGMAS * SPREAD_OF_SIZE / np.sqrt(rows))
    )
    now, before = last_move(column.size, span)
    if not size > 1:
        return
    unit = next((text for power, text in UNITS.items() if abs(now - before - power) < UNIT_CLOSE), None)
    sizes = f"its median is {10**now:,.4g}, before {10**before:,.4g}"
    if unit is not None:
        yield Cause(
            "unit changed",
            column.source,
            column.column,
            f"{what} is {unit} what it was ({sizes}): its unit changed",
            size,
        )
    elif size > VAGUE:
        yield Cause("size changed", column.source, column.column, f"{what} changed: {sizes}", size)


def of_categories(categories: CategoryWeeks, span: int) -> Iterator[Cause]:
    """New categories, segments that vanished, and a mix beyond its past."""
    shares, counts = categories.shares, categories.counts
    totals = counts.sum(axis=1)
    past = np.flatnonzero(totals[:-RECENT_WEEKS])
    deviation = histogram_deviations(shares, 1, span)
    recent = deviation[-RECENT_WEEKS:]
    if len(past) < PAST_MIN or not np.isfinite(recent).any():
        return
    week = len(totals) - len(recent) + int(np.nanargmax(recent))
    before = shares[past[-span:]].mean(axis=0)
    noise = np.sqrt((len(categories.names) - 1) / (8 * np.log(2) * fewest_rows(totals)))
    distance = strength(deviation, max(FLOOR_DISTANCE, float(noise)))
    yield from special_categories(categories, week, before, max(distance, 1.0))
    if distance > VAGUE:
        place = int(np.argmax(np.abs(shares[week] - before)))
        sentence = (
            f"{categories.what} has another mix: {categories.names[place]} {shares[week, place]:.0%}, before "
            f"{before[place]:.0%}"
        )
        yield Cause("mix changed", categories.source, categories.column, sentence, distance)


def special_categories(
    categories: CategoryWeeks, week: int, before: Floats, distance: float
) -> Iterator[Cause]:
    """Values that no earlier week has, and segments of which hardly a row is left."""
    shares, counts = categories.shares[week], categories.counts
    ever = counts[:-RECENT_WEEKS].sum(axis=0) > 0
    # Of the rows that have a value: where values become null, no segment has vanished.
    is_null = np.array([name == NULL for name in categories.names])
    rows = counts[week][~is_null].sum()
    filled, filled_before = 1 - shares[is_null].sum(), 1 - before[is_null].sum()
    for place, name in enumerate(categories.names):
        share = shares[place]
        if not ever[place] and share >= NEW_SHARE and counts[week, place] > 1:
            sentence = f"{categories.what} has the new value {name} ({share:.0%} of a week's rows)"
            yield Cause("new category", categories.source, categories.column, sentence, distance)
        if is_null[place] or not rows:
            continue
        share, usual = share / filled, before[place] / filled_before
        gone = usual >= GONE_SHARE and usual * rows >= GONE_ROWS
        if gone and share <= GONE_TO * usual and distance > 1:
            shown = f"({share:.1%}, before {usual:.1%})"
            sentence = f"{name} has all but vanished from {categories.what} {shown}"
            yield Cause("segment vanished", categories.source, categories.column, sentence, distance)
