"""The rows of training: fit on one part, choose and calibrate on halves of the next, judge on the last.

The rows that chose teach the chosen as well, before it is calibrated.

The validation part is halved by customer, so that no customer both chooses the model and sets its threshold.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ml.common.arrays import Floats
from ml.common.errors import ModelError
from ml.common.sampling import in_first_half
from ml.config.problem import Problem
from ml.features.labels import (
    check_same_problem,
    count_rows,
    labelled_rows,
    population_at,
    split_labels,
)
from ml.features.own_labels import OwnLabels
from ml.features.split import TimeSplit
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.build_manifest import score_instant

LEARNED = ["train", "selection"]
NAMES = ("train", "selection", "calibration", "test")


@dataclass(frozen=True)
class Part:
    """Labelled rows with their features."""

    name: str
    table: pa.Table

    @property
    def churned(self) -> Floats:
        return self.table.column("churned").to_numpy().astype(np.float64)

    @property
    def customers(self) -> NDArray[np.object_]:
        return np.asarray(self.table.column("customer_id").to_pylist(), dtype=object)

    def facts(self) -> dict[str, float]:
        """Its size and churn rate, for the record."""
        return {
            "rows": len(self.table),
            "customers": pc.count_distinct(self.table.column("customer_id")).as_py(),
            "base_rate": float(self.churned.mean()),
        }


@dataclass(frozen=True)
class Parts:
    """The four parts, and how they were cut.

    Parameters
    ----------
    train, selection, calibration, test : Part
    split : TimeSplit
    labelled : mapping
        Labelled rows of each part, and of those left out, before any sampling.
    population : float
        Customers scored at one time: what a capacity is a share of.
    own : OwnLabels, optional
        Where the labels come from when they are not the build's.
    """

    train: Part
    selection: Part
    calibration: Part
    test: Part
    split: TimeSplit
    labelled: dict[str, int]
    population: float
    own: OwnLabels | None = None


def read_parts(build: Path, problem: Problem, own: OwnLabels | None = None) -> Parts:
    """Labelled rows with every feature, as the problem splits them; see ``divide``."""
    return with_features(build, divide(build, problem, own))


def divide(build: Path, problem: Problem, own: OwnLabels | None = None) -> Parts:
    """Labelled rows as the problem splits them: customer, cut-off and label, no feature yet.

    Parameters
    ----------
    own : OwnLabels, optional
        Instead of the build's labels.

    Raises
    ------
    NotReadyError
        The build is for another problem, or has too few cut-offs.
    ModelError
        A part has only one class.
    """
    check_same_problem(build, problem)
    table = own.table if own else None
    split = split_labels(build, problem, table)
    labelled = count_rows(build, split, table)
    rows = labelled_rows(
        build, split, table, most=problem.training_rows_max, rows=labelled, seed=problem.seed
    )
    by_name = {
        name: rows.filter(pc.equal(rows.column("split"), name)) for name in ("train", "validation", "test")
    }
    half = first_half(by_name["validation"], problem.seed)
    remedy = "add rows of the other class" if own else "load more customers or a longer history"
    return Parts(
        train=with_both_classes("train", by_name["train"], remedy),
        selection=with_both_classes("selection", by_name["validation"].filter(half), remedy),
        calibration=with_both_classes("calibration", by_name["validation"].filter(pc.invert(half)), remedy),
        test=with_both_classes("test", by_name["test"], remedy),
        split=split,
        labelled=labelled,
        population=scored_at_once(build) if own else labelled["validation"] / len(split.validation),
        own=own,
    )


def scored_at_once(build: Path) -> int:
    """Customers whom a scoring of everyone scores now; rows of one's own may be fewer or more."""
    return max(1, len(population_at(build, score_instant(build)[0])))


def with_features(build: Path, parts: Parts) -> Parts:
    """The same rows in the same order with every feature, as known at each cut-off."""
    whole = [getattr(parts, name) for name in NAMES]
    table = point_in_time(build, pa.concat_tables([part.table for part in whole]))
    found: dict[str, Any] = {}
    first = 0
    for name, part in zip(NAMES, whole, strict=True):
        found[name] = Part(part.name, table.slice(first, len(part.table)))
        first += len(part.table)
    return replace(parts, **found)


def learned_rows(parts: Parts) -> Part:
    """What a model that is kept has learned from."""
    return Part("learned", pa.concat_tables([parts.train.table, parts.selection.table]))


def first_half(table: pa.Table, seed: int) -> pa.Array:
    """Whether each row's customer falls, by a seeded hash, into the first half."""
    return pa.array(
        [in_first_half(customer, seed) for customer in table.column("customer_id").to_pylist()], pa.bool_()
    )


def with_both_classes(name: str, table: pa.Table, remedy: str) -> Part:
    """The part, if both classes are there; else an error that ends in what to do."""
    classes = pc.count_distinct(table.column("churned")).as_py()
    if classes < 2:
        seen = "no row" if not len(table) else f"only churned = {table.column('churned')[0].as_py()}"
        raise ModelError(
            f"the {name} rows hold {seen}: each part needs both customers who stayed and who churned; "
            f"{remedy}"
        )
    return Part(name, table)
