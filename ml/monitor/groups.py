"""The groups that page: score, label rate, performance, feed and counts, each judged week by week."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.common.array_types import Flags, Floats
from ml.config.problem import RISK_BANDS
from ml.metrics.probability_metrics import measure_probabilities
from ml.model.churn_model import ChurnModel
from ml.model.fitted_model import FittedModel
from ml.monitor.deviations import Side, deviations, histogram_deviations
from ml.monitor.distances import Bins
from ml.monitor.feeds import Feed
from ml.monitor.rank_rule import TWICE, Verdict, judge, run_of_pages
from ml.monitor.settings import MonitorSettings
from ml.monitor.weeks import WEEK, ScoredRows

SCORE, LABEL_RATE, PERFORMANCE, FEED, COUNTS = "score", "label rate", "performance", "feed", "counts"
GROUPS = (SCORE, LABEL_RATE, PERFORMANCE, FEED, COUNTS)
# Least units of feeds: days, days, a share.
STALE_FLOOR, DELAY_FLOOR, SHARE_FLOOR = 0.25, 0.5, 0.1
ROWS_MIN = 30  # of a week, below which a measure of performance says nothing


@dataclass(frozen=True)
class Member:
    """One figure of a group, week by week.

    Parameters
    ----------
    name : str
        In words.
    values, deviations : arrays of shape (weeks,)
    floor : float
        The least unit of the deviations.
    """

    name: str
    values: Floats
    deviations: Floats
    floor: float = 0.0


@dataclass(frozen=True)
class Judged:
    """A group with its verdict on every week.

    Parameters
    ----------
    name : str
    members : tuple of Member
    verdicts : tuple of Verdict
        One a week, oldest first.
    """

    name: str
    members: tuple[Member, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def last(self) -> Verdict:
        return self.verdicts[-1]

    @property
    def pages(self) -> Flags:
        """Which weeks page."""
        return np.array([verdict.pages for verdict in self.verdicts], dtype=bool)

    @property
    def run(self) -> int:
        """For how many weeks up to the last one it has paged."""
        return run_of_pages(self.pages)

    @property
    def strongest(self) -> Member:
        """The member that is farthest out in the last week."""
        strengths = self.last.strengths
        return self.members[int(np.argmax(np.where(np.isfinite(strengths), strengths, -np.inf)))]


def judge_group(
    name: str, members: Sequence[Member], rate: float, gap: int, settings: MonitorSettings, usable: Flags
) -> Judged:
    """Judge every week by the weeks before it.

    While a group pages, the weeks of this run judge no other, so that an alarm lasts as long as its fault and
    not one week; the week after a quiet one is judged by all of them.
    """
    table = np.column_stack([member.deviations for member in members])
    floors = np.array([member.floor for member in members])
    verdicts: list[Verdict] = []
    first = 0  # of the run
    for week in range(len(table)):
        may_judge = usable.copy()
        if verdicts and verdicts[-1].pages:
            may_judge[first:week] = False
        else:
            first = week
        most = settings.reference_weeks
        verdict = judge(table, week, rate, gap=gap, most=most, usable=may_judge, floors=floors)
        if verdict.pages and first == week and verdict.rule.kind == TWICE:
            first = max(0, week - gap)
        verdicts.append(verdict)
    return Judged(name, tuple(members), tuple(verdicts))


def score_members(scored: ScoredRows, model: FittedModel, weeks: int, span: int) -> list[Member]:
    """Mean, flagged share, high band and histogram of the predictions."""
    week, prediction = scored.rows[WEEK].to_numpy(), scored.prediction

    def figure(name: str, values: Floats) -> Member:
        means = weekly_means(week, values, weeks)
        return Member(name, means, deviations(means, 1, span))

    members = [figure("mean score", prediction)]
    if isinstance(model, ChurnModel):
        members.append(figure("share of flagged customers", model.decision(prediction).astype(float)))
        is_high = model.band(prediction) == RISK_BANDS[-1]
        members.append(figure("share in the high band", is_high.astype(float)))
    shares = weekly_histograms(week, prediction, weeks)
    distances = histogram_deviations(shares, 1, span)
    return [*members, Member("distribution of the score", distances, distances)]


def weekly_means(week: Floats, values: Floats, weeks: int) -> Floats:
    """The mean of each week, NaN without rows."""
    count = np.bincount(week, minlength=weeks).astype(float)
    total = np.bincount(week, weights=values, minlength=weeks)
    return np.divide(total, count, out=np.full(weeks, np.nan), where=count > 0)


def weekly_histograms(week: Floats, values: Floats, weeks: int) -> Floats:
    """Shares of each week in bins of all weeks together, shape (weeks, bins); NaN without rows."""
    bins = Bins.of(values)
    parts = [values[week == number] for number in range(weeks)]
    width = len(bins.edges) + 3
    return np.array([bins.shares(part) if len(part) else np.full(width, np.nan) for part in parts])


def label_members(rates: Floats, lag: int, span: int) -> list[Member]:
    """The mean label of ripe cut-offs; cut-offs whose horizons overlap are not compared."""
    return [Member("mean label", rates, deviations(rates, lag, span))]


@dataclass(frozen=True)
class Realised:
    """Figures of the ripe predictions of each week, shape (weeks,), by name; NaN where there are too few."""

    figures: dict[str, Floats]
    rows: Floats


def realised(week: Floats, prediction: Floats, label: Floats, weeks: int, is_regression: bool) -> Realised:
    """Realised performance week by week: Brier, ROC-AUC, calibration gap; of amounts RMSE and bias."""
    names = ("rmse", "bias") if is_regression else ("brier", "roc_auc", "calibration_gap")
    figures = {name: np.full(weeks, np.nan) for name in names}
    rows = np.bincount(week, minlength=weeks).astype(float)
    for number in np.flatnonzero(rows >= ROWS_MIN):
        taken = week == number
        for name, value in figures_of(prediction[taken], label[taken], is_regression).items():
            figures[name][number] = value
    return Realised(figures, rows)


def figures_of(prediction: Floats, label: Floats, is_regression: bool) -> dict[str, float]:
    """The figures of some predictions; no ROC-AUC where only one label occurs."""
    gap = float((prediction - label).mean())
    if is_regression:
        return {"rmse": float(np.sqrt(((prediction - label) ** 2).mean())), "bias": gap}
    found = {"brier": float(((prediction - label) ** 2).mean()), "calibration_gap": gap}
    if 0 < label.mean() < 1:
        found["roc_auc"] = float(measure_probabilities(label, prediction, names=["roc_auc"])["roc_auc"][0])
    return found


SIDES: dict[str, Side] = {"brier": "up", "rmse": "up", "roc_auc": "down"}


def performance_members(found: Realised, lag: int, span: int) -> list[Member]:
    """The realised figures; only what is worse counts."""
    return [
        Member(name.replace("_", " "), values, deviations(values, lag, span, SIDES.get(name, "both")))
        for name, values in found.figures.items()
    ]


def feed_members(feeds: Sequence[Feed], span: int) -> list[Member]:
    """Staleness, delay and thin last days of every source."""
    members = []
    for feed in feeds:
        measures: list[tuple[str, Floats, Side, float]] = [
            ("days since the last row of", feed.stale_days, "up", STALE_FLOOR),
            ("median delay of", feed.delay_days, "up", DELAY_FLOOR),
            ("share of the last days in a week of", feed.recent_share, "down", SHARE_FLOOR),
        ]
        members += [
            Member(f"{words} {feed.source}", values, deviations(values, 1, span, side), floor)
            for words, values, side, floor in measures
        ]
    return members


def count_members(population: Floats, feeds: Sequence[Feed], span: int) -> list[Member]:
    """The population and the arrivals of every source, as logarithms."""
    counts = {"customers in the population": population}
    counts |= {f"rows of {feed.source}": feed.arrivals for feed in feeds}
    return [Member(name, values, deviations(np.log1p(values), 1, span)) for name, values in counts.items()]
