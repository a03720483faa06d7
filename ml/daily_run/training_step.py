"""Train within a run, once: a training that was killed after it had filed its model is not repeated."""

from dataclasses import replace
from pathlib import Path

from ml.common.errors import ModelError
from ml.daily_run.day import Day
from ml.daily_run.run_record import DONE, RunRecord, StepRecord, write_record
from ml.home.layout import challenger_of, numbered


def train_once(day: Day, record: RunRecord, name: str) -> RunRecord:
    """The record after a training on the current build, as the step ``name``."""
    build, model = day.build.name, filed_by_killed_run(day, record)
    if model is not None:
        what = finish(day, model)
    else:
        models = numbered(day.home.models, "model")
        record = replace(record, newest_model=models[-1].name if models else "")
        write_record(day.home, record)
        what = train(day)
    step = StepRecord(DONE, what, build_id=build, model_version=day.model_version)
    return replace(record.with_step(name, step), newest_model=None)


def train(day: Day) -> str:
    """Train as ``churn train`` does; what became of the model."""
    from ml.train import train

    result = train(home=day.home, problem=day.stated, progress=day.progress)
    return verdict(result["model_version"], result["promotion"]["promoted"], result["promotion"]["why"])


def filed_by_killed_run(day: Day, record: RunRecord) -> Path | None:
    """The model that the run filed before it was killed; None if it filed none."""
    if record.newest_model is None:
        return None
    from ml.model.model_files import read_manifest

    names = [model.name for model in numbered(day.home.models, "model")]
    later = names[names.index(record.newest_model) + 1 :] if record.newest_model in names else names
    for name in reversed(later):
        try:
            manifest = read_manifest(day.home.models / name)
        except ModelError:
            continue
        if (manifest["build_id"], manifest["problem"]["name"]) == (day.build.name, day.problem.name):
            return day.home.models / name
    return None


def finish(day: Day, model: Path) -> str:
    """Promote a filed model as its training had decided, unless that was done; record it."""
    from ml.model.model_files import read_manifest
    from ml.tracking.runs import track_models
    from ml.train.promotion import Decision, promote

    decision = Decision(**read_manifest(model)["promotion"])
    with day.home.writing("run"):
        if model not in (day.home.models / day.model_version, challenger_of(day.build, day.problem.name)):
            promote(day.build, model, decision, day.problem.name)
        track_models(day.home, progress=day.progress)
    return verdict(model.name, decision.promoted, decision.why)


def verdict(model: str, promoted: bool, why: str) -> str:
    state = "is the champion now" if promoted else "stays a challenger"
    return f"{model} {state}: {why}"
