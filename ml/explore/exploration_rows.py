"""The rows of the exploration: labelled rows of every part, of which only training rows have their label."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ml.common.errors import NotReadyError
from ml.config.problem import Problem
from ml.features.label_models import labels_of_build
from ml.features.labels import check_same_problem, count_rows, labelled_rows, read_cutoffs, split_labels
from ml.features.split import TimeSplit
from ml.featurestore.catalog import Catalog, read_catalog
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.build_manifest import read_build_manifest

KEYS = ("customer_id", "event_timestamp", "churned", "split")


@dataclass(frozen=True)
class Rows:
    """Rows of customer_id, event_timestamp, churned (null beyond training), split, then every feature.

    Parameters
    ----------
    split : TimeSplit
        With too few cut-offs for a split all are for training, and ``is_split`` is False.
    counts : dict
        Labelled rows of each part, before sampling.
    """

    build: Path
    manifest: dict[str, Any]
    catalog: Catalog
    problem: Problem
    split: TimeSplit
    is_split: bool
    counts: dict[str, int]
    table: pa.Table

    @property
    def train(self) -> pa.Table:
        return self.table.filter(pc.equal(self.table["split"], "train"))


def read_labelled(build: Path, problem: Problem) -> Rows:
    """The rows of one build.

    Raises
    ------
    NotReadyError
        The build is for another problem, or has no labelled cut-off yet.
    """
    check_same_problem(build, problem)
    labels = labels_of_build(build, problem)
    own = labels.table if labels else None
    split, is_split = split_of(build, problem, own)
    counts = count_rows(build, split, own)
    labelled = labelled_rows(
        build, split, own, most=problem.training_rows_max, rows=counts, seed=problem.seed
    )
    return Rows(
        build=build,
        manifest=read_build_manifest(build),
        catalog=read_catalog(build),
        problem=problem,
        split=split,
        is_split=is_split,
        counts=counts,
        table=point_in_time(build, without_later_labels(labelled)),
    )


def split_of(build: Path, problem: Problem, own: pa.Table | None) -> tuple[TimeSplit, bool]:
    """The split, and whether there are enough cut-offs for one."""
    cutoffs = read_cutoffs(build, own)
    if not cutoffs:
        raise NotReadyError(
            f"{build.name} has no labelled cut-off yet, for its history is shorter than the horizon of "
            f"{problem.gap_days} days: load a longer history and build again"
        )
    try:
        return split_labels(build, problem, own), True
    except NotReadyError:
        return TimeSplit(tuple(cutoffs), (), (), ()), False


def without_later_labels(rows: pa.Table) -> pa.Table:
    """The same rows with ``churned`` null outside the training part, so that no later step can read it."""
    known = pc.if_else(
        pc.equal(rows["split"], "train"), rows["churned"], pa.scalar(None, rows["churned"].type)
    )
    return rows.set_column(rows.column_names.index("churned"), "churned", known)
