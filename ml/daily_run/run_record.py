"""What a run did: ``<home>/runs/<instant of its start>/run.json``, written anew after every step.

A record that is not complete is of a run that failed or was killed; the next run goes on with it.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ml.common.durable_files import replace_file
from ml.common.errors import NotReadyError
from ml.common.json_files import read_json
from ml.home.layout import Home

FILE, SCORES, REPORT = "run.json", "scores.parquet", "monitor.html"
NAME = "%Y-%m-%dT%H-%M-%S.%fZ"
DONE, NOT_NEEDED = "done", "not needed"


@dataclass(frozen=True)
class StepRecord:
    """One step of a run.

    Parameters
    ----------
    state : str
        ``done`` or ``not needed``.
    what : str
        One clause: what was done, or why nothing was.
    seconds : float
    build_id, model_version : str
        What it was done for.
    """

    state: str
    what: str
    seconds: float = 0.0
    build_id: str = ""
    model_version: str = ""


@dataclass(frozen=True)
class Failure:
    """The step that failed, and its one sentence."""

    step: str
    error: str


@dataclass(frozen=True)
class Verdict:
    """What the monitor said of a build: its alerts as texts, and whether and why to train again."""

    build_id: str
    ok: bool
    alerts: tuple[str, ...] = ()
    retrain_due: bool = False
    retrain_reason: str = ""


@dataclass(frozen=True)
class RunRecord:
    """One run of the day.

    Parameters
    ----------
    run : str
        Its name, that of its folder.
    problem : str
        The name of the problem.
    started_at : str
        ISO 8601 UTC; ``finished_at`` likewise, empty until all is done.
    complete : bool
        Whether every step is done.
    build_id, data_clock, load_id, model_version : str
        What the scores were made of.
    customers : int
        How many were scored.
    monitor : Verdict, optional
    steps : dict of str to StepRecord
    newest_model : str, optional
        The newest model when a training of this run began; empty for none, None without a training.
    failed : Failure, optional
        Of the last attempt.
    """

    run: str
    problem: str
    started_at: str
    finished_at: str = ""
    complete: bool = False
    build_id: str = ""
    data_clock: str = ""
    load_id: str = ""
    model_version: str = ""
    customers: int = 0
    monitor: Verdict | None = None
    steps: dict[str, StepRecord] = field(default_factory=dict)
    newest_model: str | None = None
    failed: Failure | None = None

    @property
    def alerts(self) -> tuple[str, ...]:
        return self.monitor.alerts if self.monitor else ()

    @property
    def ok(self) -> bool:
        """Whether all is done and the monitor has no alert."""
        return self.complete and (self.monitor is None or self.monitor.ok)

    def with_step(self, name: str, step: StepRecord) -> "RunRecord":
        """The record after one more step."""
        return replace(self, steps=self.steps | {name: step})

    def as_dict(self) -> dict[str, Any]:
        """The content of ``run.json``."""
        return asdict(self) | {"ok": self.ok}


def write_record(home: Home, record: RunRecord) -> None:
    """Write ``run.json`` in one step."""
    content = json.dumps(record.as_dict(), indent=2, ensure_ascii=False) + "\n"
    replace_file(home.runs / record.run / FILE, content.encode(), is_locked=True)


def read_record(folder: Path) -> RunRecord | None:
    """The record of a run; None if it is missing or damaged."""
    try:
        content = read_json(folder / FILE, "churn run", ("run", "problem", "started_at"))
        steps = {name: StepRecord(**step) for name, step in content["steps"].items()}
        verdict, failed = content["monitor"], content["failed"]
        monitor = Verdict(**(verdict | {"alerts": tuple(verdict["alerts"])})) if verdict else None
        parts = {"steps": steps, "monitor": monitor, "failed": Failure(**failed) if failed else None}
        return RunRecord(**({name: content[name] for name in RunRecord.__dataclass_fields__} | parts))
    except (NotReadyError, OSError, KeyError, TypeError):
        return None


def newest_record(home: Home, problem: str) -> RunRecord | None:
    """The last run for a problem; None if there is none."""
    folders = sorted(home.runs.glob("[0-9]*"), reverse=True)
    records = (read_record(folder) for folder in folders)
    return next((record for record in records if record and record.problem == problem), None)
