"""The price of staleness: the same labels asked of features that are some days old.

A customer scored once a month is judged, on the average day, by features half a month old. Here all test rows
are scored with features as of the cut-off, and as of 1, 7 and 30 days before it.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.common.arrays import Floats
from ml.common.memory import memory_limit
from ml.evaluate.measured import Rows
from ml.features.parts import Part
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.model.churn_model import ChurnModel

DAYS = (0, 1, 7, 30)
MEMORY_LIMIT = "1GB"


def staleness(
    build: Path, model: ChurnModel, part: Part, step: Callable[[str], None]
) -> list[dict[str, Any]]:
    """What features of each age are worth; see ``ml.evaluate.evidence``."""
    rows = Rows.of(part, model.problem)
    probabilities: dict[str, Floats] = {}
    unknown = {}
    for days in DAYS:
        step(f"features {days} days old")
        table = as_of(build, model, part, days)
        unknown[days] = nobody_yet(table, model)
        probabilities[str(days)] = model.probability(model.frame(table))
    replicated = rows.replicated(probabilities)
    return [
        {
            "days": days,
            "rows": len(part.table),
            "unknown": unknown[days],
            "measures": replicated.measures(str(days)),
            "change": replicated.change(str(days), str(DAYS[0])),
            "profit": rows.list_facts(model.decision(probabilities[str(days)]))["profit"],
        }
        for days in DAYS
    ]


def as_of(build: Path, model: ChurnModel, part: Part, days: int) -> pa.Table:
    """The part's customers with the features of so many days before each cut-off."""
    asked = part.table.select(["customer_id", "event_timestamp"])
    earlier = pc.subtract(asked.column("event_timestamp"), pa.scalar(timedelta(days=days), pa.duration("us")))
    asked = asked.set_column(1, "event_timestamp", earlier)
    names = [each.name for each in model.inputs]
    return point_in_time(build, asked, features=names, memory_limit=memory_limit(MEMORY_LIMIT))


def nobody_yet(table: pa.Table, model: ChurnModel) -> int:
    """Rows of customers who were not known at that instant: all their features are null."""
    null = np.ones(len(table), dtype=bool)
    for each in model.inputs:
        null &= table.column(each.name).is_null().to_numpy()
    return int(null.sum())
