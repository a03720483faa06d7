"""One folder for a whole run: the home under trial, saved states of it, raw tables, a temporary folder.

The home has one path for all trials, since Feast's registry and the online store name absolute paths.
"""

import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

EARLIER, LATER = datetime(2024, 9, 1), datetime(2024, 9, 8)


@dataclass(frozen=True)
class Place:
    """Where a run works.

    Parameters
    ----------
    root : Path
        An empty folder.
    """

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def temp(self) -> Path:
        """What commands take for the system's temporary folder."""
        return self.root / "temp"

    def raw(self, name: str) -> Path:
        """The raw tables ``a``, ``a-later`` (the same shop a week on) or ``b`` (another shop)."""
        return self.root / "shops" / name / "raw"

    @property
    def problem(self) -> Path:
        """The usual problem, with few candidates and a short search, for trainings that take seconds."""
        return self.root / "problem.yml"

    def recording(self, name: str) -> Path:
        """Where what dbt made in a reference run is kept."""
        return self.root / "recordings" / name

    def saved(self, name: str) -> Path:
        return self.root / "states" / name

    def save(self, name: str) -> None:
        """Keep the home as it stands under ``name``."""
        shutil.rmtree(self.saved(name), ignore_errors=True)
        self.saved(name).parent.mkdir(parents=True, exist_ok=True)
        copy(self.home, self.saved(name))

    def restore(self, name: str) -> None:
        """Put the home back as it was saved; what it is mounted on stays."""
        self.clear(self.home)
        copy(self.saved(name), self.home)
        self.clear(self.temp)

    @staticmethod
    def clear(folder: Path) -> None:
        """Leave an empty folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def copy(source: Path, target: Path) -> None:
    """Copy the content of a folder: links stay links, and files that share their content still do."""
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True)


def write_problem(place: Place) -> None:
    """Write the problem of all trainings."""
    place.problem.write_text(
        "candidates: [prior, recency_rule, logistic_regression, xgboost]\ntuning: {trials: 1, seconds: 600}\n"
    )


def write_shops(place: Place, customers: int) -> None:
    """Write the raw tables."""
    from ml.demos.shop import write_shop

    for name, seed, as_of in (("a", 3, EARLIER), ("a-later", 3, LATER), ("b", 4, EARLIER)):
        write_shop(place.raw(name), customers=customers, seed=seed, as_of=as_of)
