"""What a run of the day works on, and what of it is new."""

from dataclasses import dataclass
from pathlib import Path

from ml.common.errors import NotReadyError
from ml.common.progress import Progress
from ml.config.problem import Problem
from ml.daily_run.run_record import RunRecord
from ml.daily_run.source_files import SourceFiles
from ml.home.build_manifest import label_terms_of, manifest_of
from ml.home.layout import Home
from ml.home.problem_file import label_terms
from ml.journal.pushes import Pushes, has_pushes
from ml.warehouse.dbt import PROJECT, project_hash


@dataclass(frozen=True)
class Day:
    """One run of the day.

    Parameters
    ----------
    home : Home
    problem : Problem
    stated : Problem or path, optional
        As it was given: the home remembers a path.
    source : SourceFiles, optional
        Of the raw tables; without one only what was pushed or ingested is new.
    log : bool
        Whether the scores go into the prediction log.
    progress : Progress
    """

    home: Home
    problem: Problem
    stated: Problem | str | Path | None
    source: SourceFiles | None
    log: bool
    progress: Progress

    def folder(self, record: RunRecord) -> Path:
        """Where the run's files are."""
        return self.home.runs / record.run

    @property
    def build(self) -> Path:
        return self.home.current_build()

    @property
    def model_version(self) -> str:
        """The champion of the current build; empty if there is none."""
        try:
            return self.home.current_model(self.problem.name).name
        except NotReadyError:
            return ""

    def why_build(self) -> str:
        """Why a build is due, in one clause; empty if it is not."""
        if not (self.home.builds / "current").exists():
            return "nothing has been built yet"
        if waiting_pushes(self.home):
            return "rows that were pushed wait"
        manifest = manifest_of(self.build)
        if manifest.get("load_id") != self.home.current_load().name:
            return f"{self.home.current_load().name} is new"
        if manifest.get("as_of"):
            return f"{self.build.name} looks back from {manifest['as_of']}"
        if manifest.get("project_hash") != project_hash(PROJECT):
            return "the dbt project has changed"
        if label_terms_of(manifest) != label_terms(self.home, self.problem):
            return "the problem has changed"
        return ""


def waiting_pushes(home: Home) -> bool:
    """Whether any push is in no load yet."""
    if not has_pushes(home):
        return False
    with Pushes(home) as pushes:
        return pushes.newest_waiting() > 0
