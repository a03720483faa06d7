"""The input and the result of a check: an ``Audit`` comes in, a ``Finding`` goes out."""

import time
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa

from ml.common.instants import parse_instant
from ml.common.progress import SILENT, Progress
from ml.config.problem import Problem
from ml.features.label_models import labels_of_build
from ml.featurestore.catalog import Catalog
from ml.home.layout import Home


@dataclass(frozen=True)
class Breach:
    """One breach of the contract.

    Parameters
    ----------
    what : str
        One sentence that names the model and column, or the table, file and row.
    example : dict
        One case of it, such as customer_id, instant, feature, before and after.
    count : int
        The number of cells or rows with it.
    """

    what: str
    example: dict[str, Any] = field(default_factory=dict)
    count: int = 1


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Parameters
    ----------
    check : str
        Its name in ``CHECKS``.
    compared : int
        The number of comparisons, in units of ``what``.
    what : str
        The unit, as a word: "cells", "rows", "customers".
    detail : str
        One sentence for people: the proof, or the fault.
    breaches : tuple of Breach
    sampled : str
        The sampling; empty if everything was compared.
    notes : tuple of str
        Sentences that are no breach.
    seconds : float
        Its duration; set by ``run_check``.
    skipped : str
        Why the check was not run; empty if it was. A check that was not run does not pass.
    failed : bool
        Whether it could not run although its input exists, which is a fault.
    allowed : float
        Its allowed duration; set by ``run_check``.
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
    """The finding of a check whose input does not exist yet."""
    return Finding(check, skipped=why, detail=why)


def failed(check: str, why: str) -> Finding:
    """The finding of a check that could not run although its input exists."""
    return Finding(check, skipped=why, detail=why, failed=True)


@dataclass(frozen=True)
class Audit:
    """The input of every check.

    Parameters
    ----------
    home : Home
    build : Path
        The published build, with a lease for the time of the audit.
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
        The time of the check. Sample sizes depend on it, not on the clock, so that they are repeatable.
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

    @cached_property
    def own_labels(self) -> pa.Table | None:
        """The labels of the model that the problem names; None for churn."""
        labels = labels_of_build(self.build, self.problem)
        return labels.table if labels else None

    def seconds_left(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())

    def within(self, seconds: float, deadline: float) -> "Audit":
        """The same audit with the time of one check."""
        return replace(self, seconds=seconds, deadline=deadline)

    def random(self, purpose: str) -> Random:
        """A random generator that depends on the seed and the purpose alone."""
        return Random(f"{self.seed}|{purpose}")
