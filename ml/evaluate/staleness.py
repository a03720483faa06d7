"""The price of staleness: the same labels predicted from features that are some days old.

Where customers are scored once a month, features are half a month old on the average day. Here all test rows
are scored with features as of the cut-off, and as of 1, 7 and 30 days before it.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.common.array_types import Floats
from ml.common.memory import memory_limit
from ml.evaluate.bootstrapped_rows import Rows
from ml.features.training_parts import Part
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.model.churn_model import ChurnModel

DAYS = (0, 1, 7, 30)  # the first is what the others are compared with
MEMORY_LIMIT = "1GB"


def staleness(
    build: Path, model: ChurnModel, part: Part, step: Callable[[str], None]
) -> list[dict[str, Any]]:
    """The metrics with features of each age; see ``ml.evaluate.evidence_schema``."""
    rows = Rows.of(part, model.problem)
    probabilities: dict[str, Floats] = {}
    unknown = {}
    for days in DAYS:
        step(f"features {days} days old")
        table = features_before(build, model, part, days)
        unknown[days] = count_unknown(table, model)
        probabilities[str(days)] = model.probability(model.frame(table))
    replicates = rows.replicate(probabilities)
    return [
        {
            "days": days,
            "rows": len(part.table),
            "unknown": unknown[days],
            "measures": replicates.measures(str(days)),
            "change": replicates.change(str(days), str(DAYS[0])),
            "profit": rows.decision_facts(model.decision(probabilities[str(days)]))["profit"],
        }
        for days in DAYS
    ]


def features_before(build: Path, model: ChurnModel, part: Part, days: int) -> pa.Table:
    """The inputs of the part's customers, ``days`` before each cut-off."""
    rows = part.table.select(["customer_id", "event_timestamp"])
    earlier = pc.subtract(rows.column("event_timestamp"), pa.scalar(timedelta(days=days), pa.duration("us")))
    rows = rows.set_column(1, "event_timestamp", earlier)
    names = [feature.name for feature in model.inputs]
    return point_in_time(build, rows, features=names, memory_limit=memory_limit(MEMORY_LIMIT))


def count_unknown(table: pa.Table, model: ChurnModel) -> int:
    """Rows of customers who were not known yet: all their inputs are null."""
    null = np.ones(len(table), dtype=bool)
    for feature in model.inputs:
        null &= table.column(feature.name).is_null().to_numpy()
    return int(null.sum())
