"""The logged feature vectors, and where they differ from what the published build says of them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from ml.common.instants import parse_instant
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.monitor.replay_causes import is_same
from ml.predictions.entries import SCORE, feature_text

ROWS_AT_ONCE = 20_000
ABSENT = object()  # a feature that the vector does not have
KEYS = ("customer_id", "event_timestamp")
Values = dict[str, Any]


@dataclass(frozen=True)
class Vector:
    """One logged vector, and how often it was logged.

    Parameters
    ----------
    customer_id : str
    instant : datetime
        What it holds for.
    features : str
        As the log has it.
    prediction : float, optional
    build_id, model_version, source, request_id : str
    logged_at : datetime
    sequence : int
        The number of its first entry.
    """

    customer_id: str
    instant: datetime
    features: str
    prediction: float | None
    build_id: str
    model_version: str
    source: str
    request_id: str = field(compare=False)
    logged_at: datetime = field(compare=False)
    sequence: int = field(compare=False)

    @property
    def values(self) -> Values:
        content: Values = json.loads(self.features)
        return content


@dataclass
class Changed:
    """A vector, how often it was logged, what it is now, and the features that differ."""

    vector: Vector
    times: int
    now: Values
    features: tuple[str, ...]


def vectors_of(rows: Iterable[dict[str, Any]]) -> Iterator[dict[Vector, int]]:
    """The vectors of the log's entries, part by part, each with how often it was logged."""
    scores = (row for row in rows if row["kind"] == SCORE and row["features"])
    while part := list(islice(scores, ROWS_AT_ONCE)):
        counts: dict[Vector, int] = {}
        for row in part:
            vector = vector_of(row)
            counts[vector] = counts.get(vector, 0) + 1
        yield counts


def vector_of(row: dict[str, Any]) -> Vector:
    return Vector(
        customer_id=row["customer_id"],
        instant=parse_instant(row["event_timestamp"]),
        features=row["features"],
        prediction=row["prediction"],
        build_id=row["build_id"],
        model_version=row["model_version"],
        source=row["source"],
        request_id=row["request_id"],
        logged_at=parse_instant(row["logged_at"]),
        sequence=row["sequence"],
    )


def rows_of(vectors: Sequence[Vector]) -> pa.Table:
    """The vectors' customers and instants, as retrieval takes them."""
    stamps = pa.array([vector.instant for vector in vectors], pa.timestamp("us"))
    customers = pa.array([vector.customer_id for vector in vectors], pa.string())
    return pa.table(dict(zip(KEYS, (customers, stamps), strict=True)))


def values_at(build: Path, vectors: Sequence[Vector]) -> tuple[pa.Table, list[Values]]:
    """What a build says of the vectors' instants: the features as a table, and as the log would have them."""
    features = point_in_time(build, rows_of(vectors)).drop_columns(list(KEYS))
    return features, [json.loads(feature_text(row)) for row in features.to_pylist()]


def differing(logged: Values, now: Values) -> tuple[str, ...]:
    """The features whose values differ, or that only one of the vectors has."""
    names = dict.fromkeys((*logged, *now))
    return tuple(name for name in names if not is_same(logged.get(name, ABSENT), now.get(name, ABSENT)))
