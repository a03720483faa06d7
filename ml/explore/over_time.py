"""By cut-off: who was asked about, how many of the training rows churned, and how each feature moved."""

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.common.instants import format_instant
from ml.explore.columns import FLAG, TEXT, Column
from ml.explore.shape import TAIL
from ml.features.labels import LABELS, parquet
from ml.features.split import TimeSplit
from ml.page.figures import plain

TO_COME = "labels/label_pending"
Z = 1.96


def population(build: Path, split: TimeSplit) -> list[dict[str, Any]]:
    """Customers asked about at each cut-off, and the part it belongs to; no label is read."""
    part_of = split.part_of()
    sizes = {
        cutoff: (count, part_of.get(cutoff, "left out")) for cutoff, count in count_by_cutoff(build / LABELS)
    }
    if (build / TO_COME).is_dir():
        for cutoff, count in count_by_cutoff(build / TO_COME):
            sizes.setdefault(cutoff, (count, "no label yet"))
    return [
        {"cutoff": format_instant(cutoff), "customers": count, "part": part}
        for cutoff, (count, part) in sorted(sizes.items())
    ]


def count_by_cutoff(folder: Path) -> list[tuple[datetime, int]]:
    """Rows of each cut-off."""
    query = f"select event_timestamp, count(*) from {parquet(folder)} group by all order by all"
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


def base_rates(build: Path, split: TimeSplit) -> list[dict[str, Any]]:
    """Churn rate at each training cut-off with its 95 % interval (Wilson's: a customer is there once)."""
    query = f"""
        select event_timestamp, count(*), sum(churned)
        from {parquet(build / LABELS)}
        where list_contains($1::timestamp[], event_timestamp)
        group by all
        order by all
    """
    with duckdb.connect() as connection:
        found = connection.execute(query, [list(split.train)]).fetchall()
    return [
        {"cutoff": format_instant(cutoff), "rows": rows, "churn_rate": int(gone) / rows}
        | dict(zip(("low", "high"), wilson(int(gone), rows), strict=True))
        for cutoff, rows, gone in found
    ]


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927)."""
    share, spread = hits / rows, Z * Z / rows
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * np.sqrt(share * (1 - share) / rows + spread / (4 * rows))
    return float(max(middle - half, 0)), float(min(middle + half, 1))


def movement(column: Column, cutoffs: NDArray[Any]) -> list[float | None]:
    """At each of the sorted cut-offs the mean of a number or flag, its ends cut off; nothing for a text."""
    finite = np.isfinite(column.numbers)
    if column.kind == TEXT or not finite.any():
        return []
    low, high = np.quantile(column.numbers[finite], (TAIL, 1 - TAIL)) if column.kind != FLAG else (0.0, 1.0)
    inside = np.where(finite, np.clip(column.numbers, low, high), np.nan)
    return [plain(value) for value in pd.Series(inside).groupby(cutoffs).mean()]
