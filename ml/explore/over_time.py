"""By cut-off: the population, the churn rate of training rows, and the mean of each feature."""

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.common.instants import format_instant
from ml.config.problem import CHURN, Problem
from ml.explore.feature_columns import FLAG, TEXT, Column
from ml.explore.feature_summary import TAIL
from ml.features.labels import LABELS, parquet
from ml.features.split import TimeSplit
from ml.metrics.wilson_interval import wilson
from ml.page.number_text import plain

PENDING = "labels/label_pending"


def population(build: Path, split: TimeSplit, problem: Problem) -> list[dict[str, Any]]:
    """Customers at each cut-off, and its part; whether there is a label is read, and not which."""
    part_of = split.part_of()
    labelled, pending = count_by_cutoff(build, problem)
    sizes = {cutoff: (count, part_of.get(cutoff, "left out")) for cutoff, count in labelled.items()}
    for cutoff, count in pending.items():
        sizes.setdefault(cutoff, (count, "no label yet"))
    return [
        {"cutoff": format_instant(cutoff), "customers": count, "part": part}
        for cutoff, (count, part) in sorted(sizes.items())
    ]


def count_by_cutoff(build: Path, problem: Problem) -> tuple[dict[datetime, int], dict[datetime, int]]:
    """Rows of each cut-off whose label is settled, and of those whose label is not."""
    if problem.label == CHURN:
        rows = [(LABELS, "true"), (PENDING, "true")]
    else:
        rows = [(f"labels/{problem.label}", f"label is {state}") for state in ("not null", "null")]
    query = "select event_timestamp, count(*) from {} where {} group by all"
    with duckdb.connect() as connection:
        labelled, pending = (
            dict(connection.execute(query.format(parquet(build / model), holds)).fetchall())
            if (build / model).is_dir()
            else {}
            for model, holds in rows
        )
    return labelled, pending


def base_rates(build: Path, split: TimeSplit, problem: Problem) -> list[dict[str, Any]]:
    """Churn rate at each training cut-off, where a customer has one row, with Wilson's 95 % interval."""
    label = "churned" if problem.label == CHURN else "label"
    query = f"""
        select event_timestamp, count({label}), sum({label})
        from {parquet(build / "labels" / problem.label)}
        where list_contains($1::timestamp[], event_timestamp)
        group by all
        order by all
    """
    with duckdb.connect() as connection:
        counts = connection.execute(query, [list(split.train)]).fetchall()
    return [
        {"cutoff": format_instant(cutoff), "rows": rows, "churn_rate": int(churners) / rows}
        | dict(zip(("low", "high"), wilson(int(churners), rows), strict=True))
        for cutoff, rows, churners in counts
    ]


def movement(column: Column, cutoffs: NDArray[Any]) -> list[float | None]:
    """At each cut-off, sorted, the mean of a number without its tails, or of a flag; nothing for a text."""
    finite = np.isfinite(column.numbers)
    if column.kind == TEXT or not finite.any():
        return []
    low, high = np.quantile(column.numbers[finite], (TAIL, 1 - TAIL)) if column.kind != FLAG else (0.0, 1.0)
    inside = np.where(finite, np.clip(column.numbers, low, high), np.nan)
    return [plain(value) for value in pd.Series(inside).groupby(cutoffs).mean()]
