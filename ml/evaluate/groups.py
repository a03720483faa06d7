"""The same figures for parts of the customers: by tenure, value, city, gender, age, month of the cut-off."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.common.arrays import Floats
from ml.evaluate.measured import Rows
from ml.model.inputs import NUMBER, TEXT, column_values, kind_of

MOST_TEXTS = 8
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
class Cut:
    """One way to tell customers apart: the code of each row, and the name and limits of each code."""

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
    """The groups of each segment that the features can tell.

    Parameters
    ----------
    tables : (Table, Table)
        The training rows, which set the limits of numbers, and the rows that are measured.
    descriptions : mapping
        What each feature means.
    """
    train, asked = tables
    for by, features in SEGMENTS.items():
        feature = next((name for name in features if name in asked.column_names), None)
        cut = None if feature is None else cut_of(train.column(feature), asked.column(feature), feature)
        if cut is not None:
            yield {
                "by": by,
                "label": descriptions.get(str(feature), str(feature)),
                "feature": feature,
                "groups": groups(rows, probability, threshold, cut),
            }


def cut_of(train: pa.ChunkedArray, asked: pa.ChunkedArray, name: str) -> Cut | None:
    """How a feature tells rows apart; None where it cannot."""
    kind = kind_of(asked.type)
    if kind not in (NUMBER, TEXT):
        return None
    values = column_values(asked, name, kind)
    cut = by_text(values) if kind == TEXT else by_thirds(column_values(train, name, kind), values)
    return cut if len(cut.names) > 1 else None


def by_thirds(train: Floats, values: Floats) -> Cut:
    """Low, middle and high by the thirds of the training rows; what is not known apart."""
    known = train[~np.isnan(train)]
    limits = np.unique(np.quantile(known, (1 / 3, 2 / 3))) if len(known) else np.array([])
    codes = np.where(np.isnan(values), len(limits) + 1, np.searchsorted(limits, values, side="left"))
    names = list(THIRDS) if len(limits) == 2 else ["low", "high"][: len(limits) + 1]
    edges: list[float | None] = [None, *limits.tolist(), None]
    spans = list(pairwise(edges))
    return Cut(codes, [*names, "not known"], [*spans, (None, None)])


def by_text(values: NDArray[np.object_]) -> Cut:
    """The most frequent values, then all others together."""
    names, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    place = np.empty(len(names), dtype=np.intp)
    place[order] = np.arange(len(names))
    kept = [str(name) for name in names[order][:MOST_TEXTS]]
    cut = np.minimum(place, MOST_TEXTS)[codes]
    told = [*kept, OTHERS] if len(names) > MOST_TEXTS else kept
    return Cut(cut, told, [(None, None)] * len(told))


def months(
    rows: Rows, probability: Floats, threshold: float, cutoffs: pa.ChunkedArray
) -> list[dict[str, Any]]:
    """The groups of each calendar month."""
    stamps = cutoffs.to_numpy().astype("datetime64[M]")
    found, codes = np.unique(stamps, return_inverse=True)
    cut = Cut(codes, [str(month) for month in found], [(None, None)] * len(found))
    return groups(rows, probability, threshold, cut)


def groups(rows: Rows, probability: Floats, threshold: float, cut: Cut) -> list[dict[str, Any]]:
    """GROUP of each code that has rows."""
    return [
        {"name": name, "low": low, "high": high}
        | group(rows.only(cut.codes == code), probability[cut.codes == code], threshold)
        for code, (name, (low, high)) in enumerate(zip(cut.names, cut.limits, strict=True))
        if (cut.codes == code).any()
    ]


def group(rows: Rows, probability: Floats, threshold: float) -> dict[str, Any]:
    """The figures of one group."""
    listed = probability >= threshold
    hits, churned = float(rows.churned[listed].sum()), float(rows.churned.sum())
    return rows.facts | {
        "mean_probability": float(probability.mean()),
        "listed_share": float(listed.mean()),
        "recall": hits / churned if churned else None,
        "precision": hits / float(listed.sum()) if listed.any() else None,
        "measures": rows.measures(probability) if rows.measurable else None,
    }
