"""One run of the day under one lock: what is missing is done, and nothing is written where nothing is new."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml.common.errors import StepError, TidemarkError
from ml.common.instants import format_instant, utc_now
from ml.common.progress import SILENT, Progress
from ml.config.problem import Problem
from ml.daily_run.day import Day
from ml.daily_run.run_record import (
    NAME,
    NOT_NEEDED,
    Failure,
    RunRecord,
    StepRecord,
    newest_record,
    write_record,
)
from ml.daily_run.source_files import SourceFiles
from ml.daily_run.steps import STEPS, Step, timed
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.home.write_lock import write_lock


@dataclass(frozen=True)
class DayRun:
    """The outcome of a run.

    Parameters
    ----------
    record : RunRecord
        Of this run; where nothing was new, of the last one.
    folder : Path
        Where its files are.
    is_new : bool
        Whether anything was new.
    """

    record: RunRecord
    folder: Path
    is_new: bool

    def as_dict(self) -> dict[str, Any]:
        """The content of ``run.json``, its folder, and whether anything was new."""
        return self.record.as_dict() | {"folder": str(self.folder), "is_new": self.is_new}


def run(
    source: str | Path | None = None,
    *,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
    log: bool = True,
    progress: Progress = SILENT,
) -> DayRun:
    """Take in what is new, build, monitor, train if it is due, put values online, score everyone, log.

    Parameters
    ----------
    source : path or str, optional
        A folder, file or URL of raw tables, as for ``ingest``; it is appended to what there is. Without one
        only what was pushed, or ingested by another command, is new.
    home : path or Home, optional
    problem : Problem or path, optional
        As for ``build``.
    log : bool
        Whether the scores go into the prediction log.

    Returns
    -------
    DayRun
        With ``is_new`` False where nothing was new; then nothing was written.

    Raises
    ------
    UsageError
        There is no such source.
    BusyError
        Another run is at work.
    StepError
        A step failed; the next run goes on from there.
    """
    home = Home.at(home)
    files = SourceFiles(home, str(source)) if source is not None else None
    day = Day(home, problem_for(home, problem), problem, files, log, progress)
    last = newest_record(home, day.problem.name)
    if last is not None and is_finished(day, last):
        return DayRun(last, day.folder(last), is_new=False)
    home.check_name()
    home.runs.mkdir(parents=True, exist_ok=True)
    with write_lock(home.runs, "run"):
        record = record_to_go_on_with(day)
        day.folder(record).mkdir(exist_ok=True)
        for step in STEPS:
            with failing(day, record, step):
                record = carried_out(step, day, record)
            write_record(home, record)
        record = replace(record, complete=True, finished_at=now())
        write_record(home, record)
    return DayRun(record, day.folder(record), is_new=True)


def is_finished(day: Day, record: RunRecord) -> bool:
    """Whether a run is complete and nothing is new since."""
    return record.complete and all(step.is_done(day, record) for step in STEPS)


def record_to_go_on_with(day: Day) -> RunRecord:
    """The record of a run that failed or was killed, or lost a file since; else a new one."""
    last = newest_record(day.home, day.problem.name)
    if last is not None and (not last.complete or is_of_present(day, last)):
        return replace(last, complete=False, failed=None)
    instant = utc_now()
    return RunRecord(instant.strftime(NAME), day.problem.name, format_instant(instant))


def is_of_present(day: Day, record: RunRecord) -> bool:
    """Whether a run was of what is there now: its source, build and model."""
    is_same = all(step.is_done(day, record) for step in STEPS[:2])
    return is_same and (record.build_id, record.model_version) == (day.build.name, day.model_version)


def carried_out(step: Step, day: Day, record: RunRecord) -> RunRecord:
    """The record after a step that was done, or was not needed."""
    if not step.is_done(day, record):
        record = timed(step, day, record)
        day.progress.say(f"{step.name}: {record.steps[step.name].what}")
        return record
    if step.name in record.steps:
        return record
    return record.with_step(step.name, StepRecord(NOT_NEEDED, "nothing to do"))


@contextmanager
def failing(day: Day, record: RunRecord, step: Step) -> Iterator[None]:
    """Write down which step failed, and why."""
    try:
        yield
    except Exception as error:
        sentence = (str(error) or type(error).__name__).splitlines()[0]
        with suppress(OSError):
            write_record(day.home, replace(record, failed=Failure(step.name, sentence)))
        if isinstance(error, TidemarkError):
            raise StepError(step.name, str(error)) from error
        raise


def now() -> str:
    """The wall clock, ISO 8601 UTC."""
    return format_instant(utc_now())
