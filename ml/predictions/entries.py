"""One entry of the prediction log, and its hash over itself and the entry before."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from ml.common.instants import format_instant

GENESIS = "0" * 64  # stands before the first entry
SCORE, DROPPED = "score", "dropped"
# An entry emptied because its customer was erased, and the entry that says which ones were.
ERASED, ERASURE = "erased", "erasure"


@dataclass(frozen=True)
class Entry:
    """A score that left, the number of those that could not be logged, or what an erasure left or did.

    Parameters
    ----------
    kind : str
        ``score``, ``dropped``, ``erased`` or ``erasure``.
    logged_at : str
        Wall clock of the answer, ISO 8601 UTC.
    source : str
        ``http`` or ``batch``.
    request_id, customer_id : str
    event_timestamp : str
        The instant the features hold for.
    features : str
        The feature vector, as JSON text; of an erasure the numbers of the entries it emptied.
    prediction : float
        The churn probability, or the amount of a regression.
    decision : bool or None
    band : str or None
    model_version, build_id : str
    latency_ms : float
    count : int
        1, or the number of scores dropped, or of entries erased.
    """

    kind: str
    logged_at: str
    source: str
    request_id: str = ""
    customer_id: str = ""
    event_timestamp: str = ""
    features: str = ""
    prediction: float | None = None
    decision: bool | None = None
    band: str | None = None
    model_version: str = ""
    build_id: str = ""
    latency_ms: float | None = None
    count: int = 1

    def hash_after(self, previous: str) -> str:
        """The entry's link of the chain: SHA-256 of the link before and of its own content."""
        content = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(f"{previous}\n{content}".encode()).hexdigest()


NAMES = tuple(Entry.__dataclass_fields__)
# All that is left of an erased entry, beside its number and its links of the chain.
TOMBSTONE = Entry(kind=ERASED, logged_at="", source="")
# As the log has them: each with its number and its links of the chain.
COLUMNS = ("sequence", *NAMES, "previous_hash", "hash")


def batch_entries(
    scores: pa.Table, features: pa.Table, request_id: str, logged_at: datetime, latency_ms: float
) -> list[Entry]:
    """An entry for each row of ``churn score``.

    Parameters
    ----------
    scores : Table
        From ``ml.score.score``.
    features : Table
        The feature columns of the same rows, in the same order.
    latency_ms : float
        Of one row.
    """
    vectors = [feature_text(row) for row in features.to_pylist()]
    rows = zip(scores.to_pylist(), vectors, strict=True)
    return [
        Entry(
            kind=SCORE,
            logged_at=format_instant(logged_at),
            source="batch",
            request_id=request_id,
            customer_id=row["customer_id"],
            event_timestamp=format_instant(row["event_timestamp"]),
            features=vector,
            prediction=row.get("churn_probability", row.get("predicted_value")),
            decision=row.get("churn_decision"),
            band=row.get("risk_band"),
            model_version=row["model_version"],
            build_id=row["build_id"],
            latency_ms=latency_ms,
        )
        for row, vector in rows
    ]


def feature_text(row: dict[str, Any]) -> str:
    """A feature vector as JSON text; decimals and instants as text, so that no digit is lost."""
    return json.dumps(row, default=plain, ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> str:
    """A value that JSON lacks, as text."""
    return format_instant(value) if isinstance(value, datetime) else str(value)
