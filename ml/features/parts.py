"""The rows of training: fit on one part, choose and calibrate on halves of the next, judge on the last.

The rows that chose teach the chosen as well, before it is calibrated.

The validation part is halved by customer, so that no customer both chooses the model and sets its threshold.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ml.common.errors import ModelError
from ml.config.problem import Problem
from ml.features.labels import check_same_problem, count_rows, labelled_rows, read_cutoffs
from ml.features.split import TimeSplit, split_by_time
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.model.estimators import Floats

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
    """The four parts, and how they were cut."""

    train: Part
    selection: Part
    calibration: Part
    test: Part
    split: TimeSplit
    labelled: dict[str, int]


def read_parts(build: Path, problem: Problem) -> Parts:
    """Labelled rows of one build with every feature, as the problem splits them; see ``divide``."""
    return with_features(build, divide(build, problem))


def divide(build: Path, problem: Problem) -> Parts:
    """Labelled rows of one build as the problem splits them: customer, cut-off and label, no feature yet.

    Raises
    ------
    NotReadyError
        The build is for another problem, or has too few cut-offs.
    ModelError
        A part has only one class.
    """
    check_same_problem(build, problem)
    split = split_by_time(read_cutoffs(build), problem)
    labelled = count_rows(build, split)
    rows = labelled_rows(build, split, most=problem.training_rows_max, rows=labelled, seed=problem.seed)
    by_name = {
        name: rows.filter(pc.equal(rows.column("split"), name)) for name in ("train", "validation", "test")
    }
    half = first_half(by_name["validation"], problem.seed)
    return Parts(
        train=with_both_classes("train", by_name["train"]),
        selection=with_both_classes("selection", by_name["validation"].filter(half)),
        calibration=with_both_classes("calibration", by_name["validation"].filter(pc.invert(half))),
        test=with_both_classes("test", by_name["test"]),
        split=split,
        labelled=labelled,
    )


def with_features(build: Path, parts: Parts) -> Parts:
    """The same rows in the same order with every feature, as known at each cut-off."""
    whole = [getattr(parts, name) for name in NAMES]
    table = point_in_time(build, pa.concat_tables([part.table for part in whole]))
    found, first = {}, 0
    for name, part in zip(NAMES, whole, strict=True):
        found[name] = Part(part.name, table.slice(first, len(part.table)))
        first += len(part.table)
    return Parts(**found, split=parts.split, labelled=parts.labelled)


def learned_rows(parts: Parts) -> Part:
    """What a model that is kept has learned from."""
    return Part("learned", pa.concat_tables([parts.train.table, parts.selection.table]))


def first_half(table: pa.Table, seed: int) -> pa.Array:
    """Whether each row's customer falls, by a seeded hash, into the first half."""
    return pa.array(
        [in_first_half(customer, seed) for customer in table.column("customer_id").to_pylist()], pa.bool_()
    )


def in_first_half(customer: str, seed: int) -> bool:
    """A coin that always falls the same way for one customer and seed."""
    return hashlib.md5(f"{seed}|{customer}".encode(), usedforsecurity=False).digest()[0] < 128


def with_both_classes(name: str, table: pa.Table) -> Part:
    """The part, if both classes are there."""
    classes = pc.count_distinct(table.column("churned")).as_py()
    if classes < 2:
        seen = "no row" if not len(table) else f"only churned = {table.column('churned')[0].as_py()}"
        raise ModelError(
            f"the {name} rows hold {seen}: each part needs both customers who stayed and who churned; "
            "load more customers or a longer history"
        )
    return Part(name, table)
