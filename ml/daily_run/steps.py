"""The steps of the day in their order; each knows whether it is done, from what is on disk."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.common.number_words import counted
from ml.daily_run.day import Day
from ml.daily_run.run_record import DONE, REPORT, SCORES, RunRecord, StepRecord, Verdict
from ml.daily_run.source_files import SourceFiles, TakenIn
from ml.daily_run.training_step import train_once
from ml.home.build_manifest import data_clock, read_build_manifest
from ml.home.read_leases import lease

if TYPE_CHECKING:
    from ml.monitor import MonitorReport


@dataclass(frozen=True)
class Step:
    """One step.

    Parameters
    ----------
    name : str
    is_done : callable
        Whether nothing is left to do.
    do : callable
        Do it, and return the record with it.
    """

    name: str
    is_done: Callable[[Day, RunRecord], bool]
    do: Callable[[Day, RunRecord], RunRecord]


def is_taken_in(day: Day, _: RunRecord) -> bool:
    return day.source is None or not day.source.is_new()


def take_in(day: Day, record: RunRecord) -> RunRecord:
    """Ingest the source, on top of what there is."""
    source = day.source
    assert source is not None
    before = source.taken_in()
    load = source.load_made_meanwhile(before)
    taken = before
    if load is None:
        taken = TakenIn(source.now(), after=current_load(day))
        source.remember(taken)
        load = ingest_source(day, source, taken.after)
    source.remember(replace(taken, load_id=load))
    return record.with_step("ingest", StepRecord(DONE, f"{load} has what is new"))


def current_load(day: Day) -> str:
    return day.home.current_load().name if (day.home.raw / "current").exists() else ""


def ingest_source(day: Day, source: SourceFiles, earlier: str) -> str:
    """The load with the rows of the source; values are read as in its last ingest."""
    from ml.ingest import ingest

    options = options_of(day, source) if earlier else {}
    place = source.path if "://" not in source.source else None
    result = ingest(
        place or source.source, home=day.home, append=bool(earlier), progress=day.progress, **options
    )
    return str(result["load_id"])


def options_of(day: Day, source: SourceFiles) -> dict[str, Any]:
    """How values were written in the last ingest of the source."""
    same = [each for each in source.ingests() if each["source"] == source.label]
    if not same:
        return {}
    names = {"dates": "date_formats", "missing": "nulls"}
    formats = same[-1].get("formats") or {}
    stated = {names.get(name, name): value for name, value in formats.items()}
    return {"timezone": same[-1].get("timezone", "UTC")} | stated


def is_built(day: Day, _: RunRecord) -> bool:
    return not day.why_build()


def build(day: Day, record: RunRecord) -> RunRecord:
    """Build, with the pushes that wait."""
    from ml.warehouse import build

    made = build(home=day.home, problem=day.stated, progress=day.progress)
    what = f"{made['build_id']} published, data clock {made['data_clock']}"
    return record.with_step("build", StepRecord(DONE, what, build_id=made["build_id"]))


def has_model(day: Day, _: RunRecord) -> bool:
    return bool(day.model_version)


def train_first(day: Day, record: RunRecord) -> RunRecord:
    """Train where there is no model for the problem yet."""
    return train_once(day, record, "train")


def is_monitored(day: Day, record: RunRecord) -> bool:
    verdict = record.monitor
    return verdict is not None and verdict.build_id == day.build.name and is_there(day, record, REPORT)


def is_there(day: Day, record: RunRecord, name: str) -> bool:
    return (day.folder(record) / name).is_file()


def watch(day: Day, record: RunRecord) -> RunRecord:
    """Monitor, and keep its report."""
    report = day.folder(record) / REPORT
    verdict = verdict_of(monitor_of(day, report), day.build.name)
    what = "no alert" if verdict.ok else "; ".join(verdict.alerts) or "not all is well"
    step = StepRecord(DONE, what, build_id=verdict.build_id, model_version=day.model_version)
    return replace(record.with_step("monitor", step), monitor=verdict)


def monitor_of(day: Day, report: Path) -> "MonitorReport":
    """What the monitor reports."""
    from ml.monitor import monitor

    return monitor(home=day.home, problem=day.stated, out=report)


def verdict_of(report: "MonitorReport", build_id: str) -> Verdict:
    """The part of the monitor's report that a run acts on."""
    alerts = tuple(alert.sentence for alert in report.alerts)
    return Verdict(build_id, report.ok, alerts, report.retrain_due, report.retrain_reason)


def is_retrained(day: Day, record: RunRecord) -> bool:
    step = record.steps.get("retrain")
    due = record.monitor is not None and record.monitor.retrain_due
    return not due or (step is not None and step.build_id == day.build.name)


def retrain(day: Day, record: RunRecord) -> RunRecord:
    """Train because the monitor says that it is due."""
    return train_once(day, record, "retrain")


def is_online(day: Day, record: RunRecord) -> bool:
    """Whether the online store has the build; of another store than ours the record alone tells."""
    from ml.featurestore.online.status import online_builds

    step = record.steps.get("materialize")
    online, now = online_builds(day.home.root), {day.build.name: data_clock(day.build)}
    if online:
        return {build: until.replace(tzinfo=None) for build, until in online.items()} == now
    return step is not None and step.build_id == day.build.name and not has_own_store(day)


def has_own_store(day: Day) -> bool:
    from ml.common.paths import is_own_plugin, settings

    return is_own_plugin(settings()["online_store"].get("type"))


def put_online(day: Day, record: RunRecord) -> RunRecord:
    """Write the values as of the data clock into the online store."""
    from ml.warehouse.materialize import materialize

    made = materialize(home=day.home, progress=day.progress)
    what = f"{made['build_id']} is online as of {made['as_of']}"
    return record.with_step("materialize", StepRecord(DONE, what, build_id=made["build_id"]))


def is_for_present(day: Day, step: StepRecord | None) -> bool:
    """Whether a step was done for the current build and its champion."""
    return step is not None and (step.build_id, step.model_version) == (day.build.name, day.model_version)


def is_scored(day: Day, record: RunRecord) -> bool:
    return is_for_present(day, record.steps.get("score")) and is_there(day, record, SCORES)


def score_all(day: Day, record: RunRecord) -> RunRecord:
    """Score everyone eligible, into the run's folder."""
    from ml.score import score

    build, model = day.build, day.model_version
    out = day.folder(record) / SCORES
    scores = score(out=out, home=day.home, problem=day.stated, progress=day.progress)
    if len(scores):
        build = day.home.builds / scores.column("build_id")[0].as_py()
        model = scores.column("model_version")[0].as_py()
    manifest = read_build_manifest(build)
    what = f"{counted(len(scores), 'customer')} scored"
    facts = {name: manifest[name] for name in ("build_id", "data_clock", "load_id")}
    step = StepRecord(DONE, what, build_id=build.name, model_version=model)
    return replace(record.with_step("score", step), customers=len(scores), model_version=model, **facts)


def is_logged(day: Day, record: RunRecord) -> bool:
    return not day.log or is_for_present(day, record.steps.get("log"))


def log_all(day: Day, record: RunRecord) -> RunRecord:
    """Append the scores to the prediction log, once: their request is named after run, build and model."""
    import pyarrow.parquet as pq

    from ml.predictions.log import PredictionLog
    from ml.score.scoring import log_scores

    scores, seconds = pq.read_table(day.folder(record) / SCORES), record.steps["score"].seconds
    request = f"run {record.run} {record.build_id} {record.model_version}"
    build = day.home.builds / record.build_id
    with PredictionLog(day.home) as log:
        is_logged_already = log.has_request(request)
    with lease(build):
        if len(scores) and not is_logged_already:
            log_scores(day.home, build, scores, request, seconds)
    what = f"{counted(len(scores), 'score')} in the prediction log"
    step = StepRecord(DONE, what, build_id=record.build_id, model_version=record.model_version)
    return record.with_step("log", step)


STEPS = (
    Step("ingest", is_taken_in, take_in),
    Step("build", is_built, build),
    Step("train", has_model, train_first),
    Step("monitor", is_monitored, watch),
    Step("retrain", is_retrained, retrain),
    Step("materialize", is_online, put_online),
    Step("score", is_scored, score_all),
    Step("log", is_logged, log_all),
)


def timed(step: Step, day: Day, record: RunRecord) -> RunRecord:
    """Do a step; the record has how long it took."""
    started = time.monotonic()
    record = step.do(day, record)
    seconds = round(time.monotonic() - started, 1)
    return record.with_step(step.name, replace(record.steps[step.name], seconds=seconds))
