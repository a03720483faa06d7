"""One report: weeks of a home in, each group judged by its own past, alarms with their causes out."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ml.common.array_types import Flags, Floats
from ml.common.instants import format_instant, parse_instant, utc_now
from ml.common.progress import SILENT, Progress
from ml.config.problem import Problem
from ml.featurestore.catalog import Catalog, read_catalog
from ml.home.build_manifest import read_build_manifest, score_instant
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.model.churn_model import ChurnModel
from ml.model.fitted_model import FittedModel
from ml.model.model_files import read_judged
from ml.model.same_features import changed_inputs
from ml.monitor.alarms import alerts_of, bet_alert, fact_alerts
from ml.monitor.causes import Cause, find_causes, ranked
from ml.monitor.definitions import changed_definitions, rejected_rows
from ml.monitor.feature_drift import feature_drift
from ml.monitor.feeds import Feed, read_feeds
from ml.monitor.figures import group_figures, past_pages, source_figures
from ml.monitor.groups import (
    COUNTS,
    FEED,
    GROUPS,
    LABEL_RATE,
    PERFORMANCE,
    SCORE,
    Judged,
    Member,
    count_members,
    feed_members,
    judge_group,
    label_members,
    performance_members,
    score_members,
)
from ml.monitor.money import profit_at_risk
from ml.monitor.notifications import notify
from ml.monitor.outcomes import first_cutoff, label_rates, outcomes
from ml.monitor.performance import ALPHA, RipeRows, bands, never_trained_on, performance, weekly
from ml.monitor.rank_rule import DAYS_PER_QUARTER, NEVER, weekly_rate
from ml.monitor.raw_columns import RawWeeks, read_raw_columns
from ml.monitor.report import MonitorReport
from ml.monitor.report_file import write_report
from ml.monitor.report_page import write_page
from ml.monitor.requests import request_figures
from ml.monitor.retrain import retrain_due
from ml.monitor.settings import MonitorSettings, read_monitor_settings
from ml.monitor.skew import skew
from ml.monitor.weeks import ScoredRows, Weeks, labelled_rows_of_weeks, population, score_rows
from ml.warehouse.current_model import champion_of


@dataclass(frozen=True)
class Collected:
    """What is read from a home, before anything is judged.

    Parameters
    ----------
    weeks : Weeks
        Of scores, feeds and counts.
    gap : int
        Weeks until the horizons of two cut-offs no longer overlap.
    counts : array of shape (weeks,)
        The population.
    scored : ScoredRows
        Empty where the champion cannot score the build.
    ripe : RipeRows
    label_weeks : Weeks
        As many, of ripe cut-offs.
    rates : array of shape (weeks,)
        Mean label.
    feeds : list of Feed
    raw : RawWeeks, optional
    definitions : list of Cause
    rejected : list of Cause
    """

    home: Home
    build: Path
    manifest: dict[str, Any]
    problem: Problem
    model: FittedModel
    settings: MonitorSettings
    weeks: Weeks
    gap: int
    counts: Floats
    scored: ScoredRows
    ripe: RipeRows
    label_weeks: Weeks
    rates: Floats
    feeds: list[Feed]
    raw: RawWeeks | None
    definitions: list[Cause]
    rejected: list[Cause]
    notes: list[str]

    @property
    def span(self) -> int:
        return self.settings.baseline_weeks

    def usable(self, weeks: Weeks) -> Flags:
        """Which weeks may judge others."""
        return np.array([not self.settings.left_out(end, weeks.days) for end in weeks.instants], dtype=bool)


def monitor(
    *,
    home: Home | str | os.PathLike[str] | None = None,
    problem: Problem | str | Path | None = None,
    as_of: datetime | None = None,
    since: datetime | None = None,
    out: str | os.PathLike[str] | None = None,
    settings: MonitorSettings | str | Path | None = None,
    progress: Progress = SILENT,
) -> MonitorReport:
    """Report on the data, the scores and the outcomes of a home as of an instant.

    Parameters
    ----------
    home : Home or path, optional
    problem : Problem or path, optional
        The last given to this home by default.
    as_of : datetime, optional
        Naive UTC; by default the instant of scoring. A past instant gives the report of that day; one after
        the data clock says how old the data are.
    since : datetime, optional
        From where past pages and the prediction log are counted; by default one week before.
    out : path, optional
        A page to write as well.
    settings : MonitorSettings or path, optional
        ``monitor.yml`` of the project by default.
    progress : Progress

    Returns
    -------
    MonitorReport
        It is also kept in the home, as ``monitoring/<as-of>.json``.

    Raises
    ------
    NotReadyError
        There is no build or no model yet.
    ProblemError
        ``monitor.yml`` or the problem cannot be used.
    """
    if not isinstance(settings, MonitorSettings):
        settings = read_monitor_settings(settings)
    home = Home.at(home)
    problem = problem_for(home, problem, progress)
    with home.reading() as build:
        found = collect(home, build, problem, settings, as_of, progress)
        report = judged(found, since or found.weeks.as_of - timedelta(days=found.weeks.days), as_of is None)
    file = write_report(home, report)
    report = with_places(report, file, out)
    if out is not None:
        write_page(report.as_dict(), Path(out))
    warnings = notify(home, report, settings)
    for warning in warnings:
        progress.say(f"warning: {warning}")
    report.notes.extend(warnings)
    return report


def with_places(report: MonitorReport, file: Path, out: str | os.PathLike[str] | None) -> MonitorReport:
    """The report with the paths of its file and page."""
    return replace(report, file=str(file), page=str(out or ""))


def collect(
    home: Home,
    build: Path,
    problem: Problem,
    settings: MonitorSettings,
    as_of: datetime | None,
    progress: Progress,
) -> Collected:
    """Read weeks, scores, labels and raw facts."""
    manifest = read_build_manifest(build)
    model = champion_of(build, problem, progress, read_judged)
    catalog = read_catalog(build)
    instant = as_of or score_instant(build)[0]
    days = problem.cutoff_every_days
    labels = outcomes(home, build, problem, model, instant - problem.gap)
    start = first_cutoff(labels) or instant
    gap = ceil(problem.gap_days / days)
    most = settings.reference_weeks + settings.baseline_weeks + gap + 1
    warm = start + timedelta(days=problem.active_within_days)
    weeks = Weeks.until(instant, warm, days, most)
    rows, counts = population(build, problem, weeks, settings.customers_max)
    can_score = not changed_inputs(model.facts, catalog.facts())
    scored = score_rows(build, rows if can_score else rows.slice(0, 0), model, catalog, progress)
    label_weeks = Weeks(tuple(end - problem.gap for end in weeks.instants), days)
    ripe = RipeRows.none()
    if can_score:
        ripe = ripe_rows(build, labels, label_weeks, model, catalog, settings, progress)
    feeds, raw, rejected, notes = raw_facts(home, manifest, weeks)
    return Collected(
        home=home,
        build=build,
        manifest=manifest,
        problem=problem,
        model=model,
        settings=settings,
        weeks=weeks,
        gap=gap,
        counts=np.array(counts, dtype=np.float64),
        scored=scored,
        ripe=ripe,
        label_weeks=label_weeks,
        rates=label_rates(labels, label_weeks)[0],
        feeds=feeds,
        raw=raw,
        definitions=changed_definitions(home, build, model),
        rejected=rejected,
        notes=notes,
    )


def ripe_rows(
    build: Path,
    labels: pa.Table,
    label_weeks: Weeks,
    model: FittedModel,
    catalog: Catalog,
    settings: MonitorSettings,
    progress: Progress,
) -> RipeRows:
    """The predictions of ripe cut-offs that no training saw."""
    unseen = never_trained_on(labels, model)
    labelled = labelled_rows_of_weeks(unseen, label_weeks, settings.customers_max)
    if not len(labelled):
        return RipeRows.none()
    asked = labelled.select(["customer_id", "event_timestamp", "week"])
    return RipeRows.of(score_rows(build, asked, model, catalog, progress), labelled, model)


def raw_facts(
    home: Home, manifest: dict[str, Any], weeks: Weeks
) -> tuple[list[Feed], RawWeeks | None, list[Cause], list[str]]:
    """Feeds, columns and rejections of the build's load; a note where it is gone."""
    load = home.raw / str(manifest["load_id"])
    if not load.is_dir():
        return [], None, [], [f"{load.name}, the raw rows of the build, is gone: nothing is said of sources"]
    return read_feeds(load, weeks), read_raw_columns(load, weeks), rejected_rows(load), []


def judged(found: Collected, since: datetime, is_present: bool) -> MonitorReport:
    """Judge what was collected."""
    settings, weeks, model = found.settings, found.weeks, found.model
    rate = weekly_rate(settings.false_pages_per_quarter, len(GROUPS), weeks.days)
    groups = list(judged_groups(found, rate))
    drift = feature_drift(found.scored, len(weeks), settings, found.usable(weeks))
    causes = ranked([*found.definitions, *find_causes(found.feeds, found.raw, found.span), *found.rejected])
    now = found.scored.prediction[found.scored.rows["week"].to_numpy() == len(weeks) - 1]
    told = performance(found.ripe, now, model, settings, found.gap)
    ends = {group.name: label_or_score(group.name, found) for group in groups}
    alerts = [
        *fact_alerts(causes, format_instant(weeks.as_of)),
        *alerts_of(groups, ends, causes, drift),
        *bet_alert(told, causes, format_instant(weeks.as_of), groups),
    ]
    paging = [alert.group for alert in alerts]
    trained_at = parse_instant(model.facts["data_clock"])
    due, reason = retrain_due(settings.retrain, trained_at, weeks.as_of, paging)
    money = None
    if isinstance(model, ChurnModel) and len(now):
        money = profit_at_risk(found.scored, found.counts, model, found.span, found.problem.threshold.rule)
    requests = request_figures(found.home, since)
    return MonitorReport(
        as_of=format_instant(weeks.as_of),
        since=format_instant(since),
        build_id=found.build.name,
        load_id=str(found.manifest["load_id"]),
        model_version=model.version,
        problem=found.problem.name,
        task=found.problem.task,
        customers=int(found.counts[-1]),
        sampled=len(now),
        budget=budget_sentence(settings.false_pages_per_quarter, rate, weeks.days),
        alerts=alerts,
        groups=[group_figures(group, ends[group.name]) for group in groups],
        sources=[source_figures(feed, found.span, causes) for feed in found.feeds],
        performance=told,
        bands=bands(found.ripe, found.scored, found.counts, found.span, model) if len(now) else [],
        features=drift,
        causes=[cause.sentence for cause in causes],
        profit=None if money is None else asdict(money) | {"at_risk": money.at_risk},
        requests=requests,
        skew=skew(found.home, found.problem) if settings.skew and is_present else "not compared",
        retrain_due=due,
        retrain_reason=reason,
        recommendations=recommendations(alerts, due, reason),
        past_pages=past_pages(groups, ends, since),
        notes=found.notes + too_few(groups),
        made_at=format_instant(utc_now()),
    )


def label_or_score(group: str, found: Collected) -> Weeks:
    """The weeks of a group: those of ripe cut-offs for labels, else those of scores."""
    return found.label_weeks if group in (LABEL_RATE, PERFORMANCE) else found.weeks


def judged_groups(found: Collected, rate: float) -> Iterator[Judged]:
    """Every group that has figures."""
    span, gap, count = found.span, found.gap, len(found.weeks)
    members: dict[str, tuple[Sequence[Member], int]] = {
        SCORE: (score_members(found.scored, found.model, count, span) if len(found.scored.rows) else [], 1),
        LABEL_RATE: (label_members(found.rates, gap, span), gap),
        PERFORMANCE: (performance_members(weekly(found.ripe, count, found.model), gap, span), gap),
        FEED: (feed_members(found.feeds, span), 1),
        COUNTS: (count_members(found.counts, found.feeds, span), 1),
    }
    for name in GROUPS:
        figures, windows = members[name]
        if figures:
            own_rate = rate - ALPHA / (DAYS_PER_QUARTER / found.weeks.days) if name == PERFORMANCE else rate
            usable = found.usable(label_or_score(name, found))
            yield judge_group(name, figures, max(own_rate, 0.0), windows, found.settings, usable)


def budget_sentence(budget: float, rate: float, days: int) -> str:
    """The budget, and what it means for one look."""
    return (
        f"at most {budget:g} false page{'' if budget == 1 else 's'} a quarter over {len(GROUPS)} groups, "
        f"looked at every {days} days: each look may page falsely with probability {rate:.4f}"
    )


def too_few(groups: Sequence[Judged]) -> list[str]:
    """A sentence on the groups whose ranks cannot page within the budget."""
    but = {PERFORMANCE: "; the bet on realised risk needs none"}
    return [
        f"{group.name} {group.last.rule.sentence()}{but.get(group.name, '')}"
        for group in groups
        if group.last.rule.kind == NEVER
    ]


def recommendations(alerts: Sequence[Any], due: bool, reason: str) -> list[str]:
    """What to do, the first alarm's first."""
    advice = list(dict.fromkeys(alert.advice for alert in alerts if alert.advice))
    return [*advice, *([f"Train again: {reason}."] if due else [])] or ["Nothing to do."]
