"""The figures of groups of rows: by tenure, value, city, gender and age of customers, and by month."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.evaluate.bootstrapped_rows import Rows
from ml.model.inputs import NUMBER, TEXT, column_values, kind_of

MOST_TEXTS = 8  # values with a group of their own
OTHERS = "(others)"
THIRDS = ("low", "middle", "high")
SEGMENTS: dict[str, tuple[str, ...]] = {
    "tenure": ("tenure_days", "days_since_first_order"),
    "value": ("spend_365d", "spend_90d", "spend_lifetime", "average_order_value_365d"),
    "city": ("city",),
    "gender": ("gender",),
    "age": ("age_years",),
}


@dataclass(frozen=True)
class Grouping:
    """One way to group rows: the code of each row, and the name and limits of each code."""

    codes: NDArray[np.intp]
    names: list[str]
    limits: list[tuple[float | None, float | None]]


def segments(
    rows: Rows,
    probability: Floats,
    threshold: float,
    tables: tuple[pa.Table, pa.Table],
    descriptions: Mapping[str, str],
) -> Iterator[dict[str, Any]]:
    """The groups of each segment that has a feature.

    Parameters
    ----------
    tables : (Table, Table)
        The training rows, which set the limits of numbers, and the rows that are measured.
    descriptions : mapping
        Feature to its description.
    """
    train, measured = tables
    for by, features in SEGMENTS.items():
        feature = next((name for name in features if name in measured.column_names), "")
        grouping = group_by(train[feature], measured[feature], feature) if feature else None
        if grouping is not None:
            yield {
                "by": by,
                "label": descriptions.get(feature, feature),
                "feature": feature,
                "groups": groups(rows, probability, threshold, grouping),
            }


def group_by(train: pa.ChunkedArray, measured: pa.ChunkedArray, name: str) -> Grouping | None:
    """The grouping of rows by a feature; None where it has one group."""
    kind = kind_of(measured.type)
    if kind not in (NUMBER, TEXT):
        return None
    values = column_values(measured, name, kind)
    grouping = by_text(values) if kind == TEXT else by_thirds(column_values(train, name, kind), values)
    return grouping if len(grouping.names) > 1 else None


def by_thirds(train: Floats, values: Floats) -> Grouping:
    """Low, middle and high by the thirds of the training rows, and a group of nulls."""
    known = train[~np.isnan(train)]
    limits = np.unique(np.quantile(known, (1 / 3, 2 / 3))) if len(known) else np.array([])
    codes = np.where(np.isnan(values), len(limits) + 1, np.searchsorted(limits, values, side="left"))
    names = list(THIRDS) if len(limits) == 2 else ["low", "high"][: len(limits) + 1]
    edges: list[float | None] = [None, *limits.tolist(), None]
    spans = list(pairwise(edges))
    return Grouping(codes, [*names, "not known"], [*spans, (None, None)])


def by_text(values: NDArray[np.object_]) -> Grouping:
    """The most frequent values, then all others together."""
    texts, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(len(texts), dtype=np.intp)
    rank[order] = np.arange(len(texts))
    names = [str(text) for text in texts[order][:MOST_TEXTS]]
    if len(texts) > MOST_TEXTS:
        names.append(OTHERS)
    return Grouping(np.minimum(rank, MOST_TEXTS)[codes], names, [(None, None)] * len(names))


def months(
    rows: Rows, probability: Floats, threshold: float, cutoffs: pa.ChunkedArray
) -> list[dict[str, Any]]:
    stamps, codes = np.unique(cutoffs.to_numpy().astype("datetime64[M]"), return_inverse=True)
    grouping = Grouping(codes, [str(month) for month in stamps], [(None, None)] * len(stamps))
    return groups(rows, probability, threshold, grouping)


def groups(rows: Rows, probability: Floats, threshold: float, grouping: Grouping) -> list[dict[str, Any]]:
    """GROUP of each code that has rows."""
    codes = grouping.codes
    return [
        {"name": name, "low": low, "high": high}
        | group(rows.take(codes == code), probability[codes == code], threshold)
        for code, (name, (low, high)) in enumerate(zip(grouping.names, grouping.limits, strict=True))
        if (codes == code).any()
    ]


def group(rows: Rows, probability: Floats, threshold: float) -> dict[str, Any]:
    flagged = probability >= threshold
    hits, churned = float(rows.churned[flagged].sum()), float(rows.churned.sum())
    return rows.facts | {
        "mean_probability": float(probability.mean()),
        "listed_share": float(flagged.mean()),
        "recall": hits / churned if churned else None,
        "precision": hits / float(flagged.sum()) if flagged.any() else None,
        "measures": rows.measures(probability) if rows.measurable else None,
    }
