"""The rows of training: one part to fit on, halves of the next to choose and to calibrate, the last to judge.

After the choice the model is refitted with the selection rows, before it is calibrated. The validation part
is halved by customer, so that no customer is used both to choose the model and to set its threshold. Nobody
learns from the burn-in, the first cut-offs, at which windows are still filling. Rows between the parts are
seen by no candidate; the model that scores learns from them as well, once it is judged.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.common.errors import ModelError
from ml.common.sampling import in_first_half
from ml.config.problem import Problem
from ml.features.label_models import eligible_at
from ml.features.labels import (
    check_same_problem,
    count_rows,
    labelled_rows,
    split_labels,
)
from ml.features.own_labels import OwnLabels
from ml.features.split import PARTS, TimeSplit, count_burn_in
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.build_manifest import score_instant

CHURNED, LABEL = "churned", "label"
LEARNED = ["train", "selection"]
NAMES = ("train", "selection", "calibration", "test", "between")


@dataclass(frozen=True)
class Part:
    """Labelled rows with their features."""

    name: str
    table: pa.Table

    @property
    def labels(self) -> Floats:
        """0 or 1 for who churned; the amount where the problem is a regression."""
        return self.table.column(label_column(self.table)).to_numpy().astype(np.float64)

    @property
    def is_classification(self) -> bool:
        return label_column(self.table) == CHURNED

    @property
    def customers(self) -> NDArray[np.object_]:
        return np.asarray(self.table.column("customer_id").to_pylist(), dtype=object)

    def facts(self) -> dict[str, float]:
        """Number of rows and customers, and the churn rate, or the mean amount."""
        return {
            "rows": len(self.table),
            "customers": pc.count_distinct(self.table.column("customer_id")).as_py(),
            "base_rate" if self.is_classification else "mean": float(self.labels.mean()),
        }


@dataclass(frozen=True)
class Parts:
    """The four parts, what is between them, and how they were split.

    Parameters
    ----------
    train, selection, calibration, test : Part
    between : Part
        Settled rows of the cut-offs that the split leaves out, so that no label looks into a later part.
    split : TimeSplit
    labelled : mapping
        Labelled rows of each part, and of those left out, before any sampling.
    population : float
        Customers scored at one time, of whom a capacity is a share.
    own : OwnLabels, optional
        The labels, when they are not the build's.
    """

    train: Part
    selection: Part
    calibration: Part
    test: Part
    between: Part
    split: TimeSplit
    labelled: dict[str, int]
    population: float
    own: OwnLabels | None = None


def read_parts(build: Path, problem: Problem, own: OwnLabels | None = None) -> Parts:
    """Labelled rows with every feature, split as the problem says; see ``divide``."""
    return with_features(build, divide(build, problem, own))


def divide(build: Path, problem: Problem, own: OwnLabels | None = None) -> Parts:
    """Labelled rows without features (customer, cut-off and label), split as the problem says.

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
    split = split_labels(build, problem, table).after_burn_in(problem.burn_in_days)
    labelled = count_rows(build, split, table)
    rows = labelled_rows(
        build, split, table, most=problem.training_rows_max, rows=labelled, seed=problem.seed
    )
    by_name = {name: rows.filter(pc.equal(rows.column("split"), name)) for name in PARTS}
    customers = by_name["validation"].column("customer_id").to_pylist()
    half = pa.array([in_first_half(customer, problem.seed) for customer in customers], pa.bool_())
    remedy = "add rows of the other class" if own else "load more customers or a longer history"
    return Parts(
        train=check_labels_vary("train", by_name["train"], remedy),
        selection=check_labels_vary("selection", by_name["validation"].filter(half), remedy),
        calibration=check_labels_vary("calibration", by_name["validation"].filter(pc.invert(half)), remedy),
        test=check_labels_vary("test", by_name["test"], remedy),
        between=Part("between", rows_between(build, split, table, problem)),
        split=split,
        labelled=labelled,
        # The user's own rows may be fewer or more than the customers of one scoring.
        population=population_now(build, problem) if own else labelled["validation"] / len(split.validation),
        own=own,
    )


def rows_between(build: Path, split: TimeSplit, own: pa.Table | None, problem: Problem) -> pa.Table:
    """Labelled rows of the cut-offs that the split leaves out, sampled as the parts are."""
    gaps = TimeSplit(train=split.left_out, validation=(), test=(), left_out=())
    most, seed = problem.training_rows_max, problem.seed
    return labelled_rows(build, gaps, own, most=most, rows=count_rows(build, gaps, own), seed=seed)


def population_now(build: Path, problem: Problem) -> int:
    return max(1, len(eligible_at(build, problem, score_instant(build)[0])))


def with_features(build: Path, parts: Parts) -> Parts:
    """The same rows in the same order with every feature, as known at each cut-off."""
    without = [getattr(parts, name) for name in NAMES]
    # One retrieval for all parts is faster than four.
    table = point_in_time(build, pa.concat_tables([part.table for part in without]))
    by_name: dict[str, Any] = {}
    first = 0
    for name, part in zip(NAMES, without, strict=True):
        by_name[name] = Part(part.name, table.slice(first, len(part.table)))
        first += len(part.table)
    return replace(parts, **by_name)


def learned_rows(parts: Parts) -> Part:
    """The rows that a refitted model has learned from."""
    return Part("learned", pa.concat_tables([parts.train.table, parts.selection.table]))


def settled_rows(parts: Parts, burn_in_days: int) -> Part:
    """Every row after the burn-in whose label is settled, by cut-off and customer.

    These are more cut-offs than those of the training part, so the burn-in may take more of them.
    """
    split, stamp = parts.split, "event_timestamp"
    cutoffs = sorted([*split.burn_in, *split.train, *split.validation, *split.test, *split.left_out])
    table = pa.concat_tables([getattr(parts, name).table for name in NAMES])
    begins = pa.scalar(cutoffs[count_burn_in(cutoffs, burn_in_days)], table.schema.field(stamp).type)
    table = table.filter(pc.greater_equal(table.column(stamp), begins))
    return Part("settled", table.sort_by([(stamp, "ascending"), ("customer_id", "ascending")]))


def check_labels_vary(name: str, table: pa.Table, remedy: str) -> Part:
    """The part; ModelError, which ends in ``remedy``, if all labels are the same."""
    column = label_column(table)
    if pc.count_distinct(table.column(column)).as_py() < 2:
        content = "no row" if not len(table) else f"only {column} = {table.column(column)[0].as_py()}"
        both = "both customers who stayed and who churned" if column == CHURNED else "different labels"
        raise ModelError(f"the {name} rows hold {content}: each part needs {both}; {remedy}")
    return Part(name, table)


def label_column(table: pa.Table) -> str:
    """The column of labels: ``churned``, or ``label`` where the problem is a regression."""
    return CHURNED if CHURNED in table.column_names else LABEL


def positive_rows(table: pa.Table) -> NDArray[np.bool_]:
    """Who churned; of amounts, which are above their median."""
    labels = Part("", table).labels
    return labels == 1 if CHURNED in table.column_names else labels > np.median(labels)
