"""What a check is given and what it returns: ``Audit`` goes into every check, a ``Finding`` comes out."""

import time
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from ml.common.instants import parse_instant
from ml.common.progress import SILENT, Progress
from ml.config.problem import Problem
from ml.featurestore.catalog import Catalog
from ml.home.layout import Home


@dataclass(frozen=True)
class Breach:
    """One way in which the contract does not hold.

    Parameters
    ----------
    what : str
        One sentence that names the model and column, or the table, file and row.
    example : dict
        One case of it: customer_id, instant, feature, before, after, or whatever explains it best.
    count : int
        Cells or rows in which it was seen.
    """

    what: str
    example: dict[str, Any] = field(default_factory=dict)
    count: int = 1


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Parameters
    ----------
    check : str
        Its name in ``CHECKS``.
    compared : int
        How much was looked at, in units of ``what``.
    what : str
        The unit, as a word: "cells", "rows", "customers".
    detail : str
        One sentence for people: what was proved, or what is wrong.
    breaches : tuple of Breach
    sampled : str
        How the sample was drawn; empty when everything was looked at.
    notes : tuple of str
        Sentences worth knowing that are no breach.
    seconds : float
        How long it took; set by ``run_check``.
    skipped : str
        Why the check was not made; empty when it was. A check that was not made is no pass.
    failed : bool
        Whether it could not be made although what it looks at is there, which is a fault in itself.
    allowed : float
        How long it should have taken at most; set by ``run_check``.
    """

    check: str
    compared: int = 0
    what: str = "cells"
    detail: str = ""
    breaches: tuple[Breach, ...] = ()
    sampled: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    skipped: str = ""
    failed: bool = False
    allowed: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.breaches and not self.skipped

    def timed(self, seconds: float, allowed: float) -> "Finding":
        return replace(self, seconds=round(seconds, 2), allowed=round(allowed, 2))

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        breaches = [asdict(breach) for breach in self.breaches]
        return {"passed": self.passed, **asdict(self), "breaches": breaches, "notes": list(self.notes)}


def not_checked(check: str, why: str) -> Finding:
    """A check that needs something that is not there yet."""
    return Finding(check, skipped=why, detail=why)


def failed(check: str, why: str) -> Finding:
    """A check that could not be made although what it looks at is there."""
    return Finding(check, skipped=why, detail=why, failed=True)


@dataclass(frozen=True)
class Audit:
    """What every check is given.

    Parameters
    ----------
    home : Home
    build : Path
        The published build, leased: it stays while the audit runs.
    load : Path
        The raw tables it was made from; the folder may be gone.
    manifest : dict
        The build's ``build.json``.
    catalog : Catalog
        The build's features.
    problem : Problem
    project : Path
        The dbt project that made the build, and makes it again.
    scratch : Path
        An empty folder on the home's file system, removed when the audit ends.
    seed : int
    seconds : float
        What the check may take. Sample sizes follow it, not the clock, so that they can be repeated.
    deadline : float
        ``time.monotonic()`` by which the check should be done.
    progress : Progress
    """

    home: Home
    build: Path
    load: Path
    manifest: dict[str, Any]
    catalog: Catalog
    problem: Problem
    project: Path
    scratch: Path
    seed: int
    seconds: float
    deadline: float
    progress: Progress = SILENT

    @property
    def clock(self) -> datetime:
        """The build's data clock."""
        return parse_instant(self.manifest["data_clock"])

    def seconds_left(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())

    def within(self, seconds: float, deadline: float) -> "Audit":
        """The same audit with the time of one check."""
        return replace(self, seconds=seconds, deadline=deadline)

    def random(self, purpose: str) -> Random:
        """A random generator that depends on the seed and the purpose alone."""
        return Random(f"{self.seed}|{purpose}")
