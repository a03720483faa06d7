"""What segments look like at one instant: size, inputs, outcome, and who moved since an earlier instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.common.instants import format_instant
from ml.config.problem import REGRESSION, Problem
from ml.features.label_models import labels_of_build
from ml.features.labels import check_same_problem, reading_labels
from ml.metrics.wilson_interval import Z, wilson
from ml.segments.inputs import read_values
from ml.segments.segmentation import Segmentation


@dataclass(frozen=True)
class Assigned:
    """The customers of one instant with the position of their segment.

    Parameters
    ----------
    rows : Table
        customer_id and event_timestamp.
    values : array of shape (customers, inputs)
    positions : array of shape (customers,)
    """

    rows: pa.Table
    values: Floats
    positions: NDArray[np.int64]

    def by_customer(self) -> dict[str, int]:
        """Customer to position."""
        return dict(zip(self.rows.column("customer_id").to_pylist(), self.positions.tolist(), strict=True))


def assigned(build: Path, segmentation: Segmentation, rows: pa.Table) -> Assigned:
    """The segment of customers at instants."""
    values = read_values(build, rows, segmentation.input_names)
    return Assigned(rows, values, segmentation.positions(values))


def figures_of(
    build: Path,
    problem: Problem,
    segmentation: Segmentation,
    as_of: datetime,
    since: datetime,
    now: Assigned,
    before: Assigned,
) -> dict[str, Any]:
    """Everything that is printed, drawn and kept, as plain values.

    Parameters
    ----------
    now, before : Assigned
        The population at ``as_of``, and at the earlier instant ``since``.
    """
    outcome, cutoff = outcomes(build, problem, segmentation, as_of)
    earlier, later = before.by_customer(), now.by_customer()
    segments = []
    for position, segment in enumerate(segmentation.segments):
        members = now.positions == position
        count = int(members.sum())
        segments.append(
            {
                "number": segment.number,
                "name": segment.name,
                "customers": count,
                "share": count / max(len(members), 1),
                "inputs": {
                    name: spread_of(now.values[members, column])
                    for column, name in enumerate(segmentation.input_names)
                },
                "outcome": outcome.get(position),
                "share_before": float((before.positions == position).mean()) if len(earlier) else None,
                "came": sum(
                    1 for customer, at in later.items() if at == position != earlier.get(customer, at)
                ),
                "went": sum(
                    1 for customer, at in earlier.items() if at == position != later.get(customer, at)
                ),
                "entered": sum(
                    1 for customer, at in later.items() if at == position and customer not in earlier
                ),
                "left": sum(
                    1 for customer, at in earlier.items() if at == position and customer not in later
                ),
            }
        )
    stayed = [customer for customer in later if customer in earlier]
    return {
        "build_id": build.name,
        "as_of": format_instant(as_of),
        "since": format_instant(since),
        "customers": len(later),
        "in_both": len(stayed),
        "moved": sum(1 for customer in stayed if earlier[customer] != later[customer]),
        "outcome": "amount" if problem.task == REGRESSION else "churn rate",
        "outcome_cutoff": format_instant(cutoff) if cutoff else None,
        "segments": segments,
        "moves": moves(segmentation, earlier, later),
    }


def spread_of(values: Floats) -> dict[str, float | None]:
    """Mean, median and quartiles of the known values; null where none is known."""
    known = values[~np.isnan(values)]
    if not len(known):
        return dict.fromkeys(("mean", "low", "median", "high"))
    low, median, high = np.quantile(known, (0.25, 0.5, 0.75))
    return {"mean": float(known.mean()), "low": float(low), "median": float(median), "high": float(high)}


def outcomes(
    build: Path, problem: Problem, segmentation: Segmentation, as_of: datetime
) -> tuple[dict[int, dict[str, float]], datetime | None]:
    """By position, what became of the customers of the last cut-off that was settled at ``as_of``."""
    rows = last_labels(build, problem, as_of - problem.gap)
    if not len(rows):
        return {}, None
    label = "label" if problem.task == REGRESSION else "churned"
    values = rows.column(label).cast(pa.float64()).to_numpy(zero_copy_only=False)
    positions = assigned(build, segmentation, rows).positions
    is_amount = problem.task == REGRESSION
    return {
        int(position): outcome_of(values[positions == position], is_amount)
        for position in np.unique(positions)
    }, rows.column("event_timestamp")[0].as_py()


def last_labels(build: Path, problem: Problem, until: datetime) -> pa.Table:
    """The labelled rows of the last cut-off up to an instant."""
    own = labels_of_build(build, problem)
    if own is None:
        check_same_problem(build, problem)
    with reading_labels(build, own.table if own else None) as (connection, labels):
        query = f"""
            select * from {labels} where event_timestamp = (
                select max(event_timestamp) from {labels} where event_timestamp <= $1
            )
        """
        return connection.execute(query, [until]).to_arrow_table()


def outcome_of(values: Floats, is_amount: bool) -> dict[str, float]:
    """The mean with its 95 % interval: Wilson's of a share, that of a mean of an amount."""
    mean, rows = float(values.mean()), len(values)
    if is_amount:
        half = Z * float(values.std(ddof=1)) / np.sqrt(rows) if rows > 1 else float("inf")
        low, high = mean - half, mean + half
    else:
        low, high = wilson(int(values.sum()), rows)
    return {"value": mean, "low": low, "high": high, "rows": rows}


def moves(
    segmentation: Segmentation, earlier: Mapping[str, int], later: Mapping[str, int]
) -> list[dict[str, int]]:
    """How many customers went from one segment to another, the most first."""
    counts: dict[tuple[int, int], int] = {}
    for customer, position in later.items():
        before = earlier.get(customer, position)
        if before != position:
            counts[before, position] = counts.get((before, position), 0) + 1
    ordered: Sequence[tuple[tuple[int, int], int]] = sorted(
        counts.items(), key=lambda item: (-item[1], item[0])
    )
    numbers = segmentation.numbers.tolist()
    return [{"from": numbers[old], "to": numbers[new], "customers": count} for (old, new), count in ordered]
