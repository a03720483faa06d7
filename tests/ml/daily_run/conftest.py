"""A shop whose day was run once, without a kill; the monitor is a stand-in."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ml.daily_run import run, steps
from ml.demos.shop import write_shop
from ml.featurestore.online.status import online_builds
from ml.monitor.report import Alert
from tests.worlds import shared_folder

PROBLEM = """
candidates: [prior, logistic_regression]
tuning: {trials: 0}
training_rows_max: 2000
"""


@dataclass
class Report:
    """What the monitor returns, as far as a run reads it."""

    alerts: tuple[Alert, ...] = ()
    retrain_due: bool = False
    retrain_reason: str = ""

    @property
    def ok(self) -> bool:
        return not self.alerts


@dataclass
class Place:
    """Raw tables, a problem file, and the home of their day."""

    raw: Path
    problem: Path
    home: Path


class Watch:
    """A stand-in for the monitor, whose report a test sets."""

    def __init__(self) -> None:
        self.report, self.calls = Report(), 0

    def __call__(self, day: Any, out: Path) -> Report:
        self.calls += 1
        out.write_text("<p>watched</p>")
        return self.report


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(steps, "monitor_of", watch)
    return watch


@pytest.fixture(scope="session")
def day_one(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The home after one run."""
    with shared_folder(tmp_path_factory, "day-one") as (folder, is_new):
        place = Place(folder / "raw", folder / "problem.yml", folder / "home")
        if is_new:
            write_shop(place.raw, customers=250, seed=5)
            place.problem.write_text(PROBLEM)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(steps, "monitor_of", Watch())
                run(place.raw, home=place.home, problem=place.problem)
    return place


@pytest.fixture
def place(day_one: Place, tmp_path: Path) -> Place:
    """A copy of the home that the test may change."""
    home = shutil.copytree(day_one.home, tmp_path / "home", symlinks=True)
    online_builds(home)  # its database is closed after that, as at the end of a process
    return Place(day_one.raw, day_one.problem, home)
