"""Labels that are known by the as-of instant: their rate by week, and their rows for realised performance."""

from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ml.common.array_types import Floats
from ml.config.problem import Problem
from ml.features.label_models import every_label, up_to
from ml.features.own_labels import LABELS_FILE, is_model
from ml.home.layout import Home
from ml.model.fitted_model import FittedModel
from ml.monitor.weeks import Weeks, series


def outcomes(home: Home, build: Path, problem: Problem, model: FittedModel, ripe_until: datetime) -> pa.Table:
    """The labelled rows of cut-offs up to an instant: customer_id, event_timestamp and label.

    They are those of the problem's label model, or the file of one's own that the model learned from.
    """
    if "labels" in model.facts and not is_model(model.facts["labels"]):
        return up_to(pq.read_table(home.models / model.version / LABELS_FILE), ripe_until)
    return every_label(build, problem, ripe_until)


def first_cutoff(labels: pa.Table) -> datetime | None:
    """The first cut-off with labels."""
    return labels.column("event_timestamp")[0].as_py() if len(labels) else None


def label_rates(labels: pa.Table, weeks: Weeks) -> tuple[Floats, list[int]]:
    """The mean label of the cut-offs in each week, NaN for a week without, and the rows behind it."""
    with duckdb.connect() as connection:
        connection.register("labels", labels)
        query = f"""
            select
                {weeks.week_sql("event_timestamp")} as week,
                avg({labels.column_names[2]}::double),
                count(*)
            from labels group by all
        """
        found = {week: (mean, rows) for week, mean, rows in connection.execute(query).fetchall()}
    means = series([found.get(week, (None, 0))[0] for week in range(len(weeks))])
    return means, [found.get(week, (None, 0))[1] for week in range(len(weeks))]
