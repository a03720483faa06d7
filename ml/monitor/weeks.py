"""The weeks of the monitor: instants at equal distances up to the as-of instant, and who is scored at each.

A build and a model come in; rows of customer, week, features and prediction go out, sampled by customer. Past
features are exact at any instant, so no log is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from ml.common.array_types import Floats
from ml.common.progress import SILENT, Progress
from ml.common.sampling import key_hash_sql
from ml.config.problem import Problem
from ml.features.label_models import eligible_at
from ml.featurestore.catalog import Catalog
from ml.featurestore.retrieval.retrieve import point_in_time_stream
from ml.model.fitted_model import FittedModel
from ml.model.inputs import kind_of

WEEK = "week"
SEED = "monitor"


@dataclass(frozen=True)
class Weeks:
    """Instants, oldest first, each so many days after the one before; the last is the as-of instant."""

    instants: tuple[datetime, ...]
    days: int

    @classmethod
    def until(cls, as_of: datetime, first: datetime, days: int, most: int) -> "Weeks":
        """At most so many weeks that end at ``as_of``, none before ``first``; the last is always there."""
        count = min(most, max(0, (as_of - first) // timedelta(days=days)) + 1)
        return cls(tuple(as_of - timedelta(days=days) * back for back in reversed(range(count))), days)

    def __len__(self) -> int:
        return len(self.instants)

    @property
    def as_of(self) -> datetime:
        return self.instants[-1]

    def before(self, delay: timedelta) -> "Weeks":
        """The same weeks, each so much earlier."""
        return Weeks(tuple(instant - delay for instant in self.instants), self.days)

    def week_sql(self, instant: str) -> str:
        """The SQL of the position of the week ``(t - days, t]`` of an instant; negative before all."""
        micros = self.days * 86_400_000_000
        age = f"(epoch_us(timestamp '{self.as_of}') - epoch_us({instant}))"
        return f"({len(self) - 1} - ({age} // {micros}))"


@dataclass(frozen=True)
class ScoredRows:
    """Scored rows of all weeks.

    Parameters
    ----------
    rows : DataFrame
        By week, the oldest first: week, customer_id, then every feature that is a number, a flag or a text.
    prediction : array of shape (rows,)
        Churn probability, or amount.
    kinds : dict
        Feature to number, flag or text.
    """

    rows: pd.DataFrame
    prediction: Floats
    kinds: dict[str, str]


def population(build: Path, problem: Problem, weeks: Weeks, most: int) -> tuple[pa.Table, list[int]]:
    """Who is scored in each week, and how many there are before sampling.

    Returns
    -------
    rows : Table
        customer_id, event_timestamp and week.
    counts : list of int
    """
    tables, counts = [], []
    with duckdb.connect() as connection:
        for week, instant in enumerate(weeks.instants):
            everyone = eligible_at(build, problem, instant, connection)
            counts.append(len(everyone))
            tables.append(with_week(sampled(everyone, most), week))
    return pa.concat_tables(tables), counts


def with_week(rows: pa.Table, week: int) -> pa.Table:
    """Rows with the position of their week."""
    return rows.append_column(WEEK, pa.array(np.full(len(rows), week), pa.int64()))


def sampled(rows: pa.Table, most: int) -> pa.Table:
    """At most so many rows, those whose hashed customer is smallest: the same customers in every week."""
    if len(rows) <= most:
        return rows
    with duckdb.connect() as connection:
        connection.register("everyone", rows)
        query = f"""
            select * from everyone
            order by {key_hash_sql(f"'{SEED}'", "customer_id")}, customer_id
            limit {most}
        """
        return connection.execute(query).to_arrow_table()


def score_rows(
    build: Path, rows: pa.Table, model: FittedModel, catalog: Catalog, progress: Progress = SILENT
) -> ScoredRows:
    """Rows of customer_id, event_timestamp and week with their features and predictions.

    Rows go into the join sorted, and come out as they came in.
    """
    names = [name for name in catalog.feature_names if name not in rows.column_names]
    stream = point_in_time_stream(build, rows, features=names)
    kinds = {
        field.name: kind for field in stream.schema if field.name in names and (kind := kind_of(field.type))
    }
    frames, predictions = [], []
    with progress.bar("scoring past weeks", len(rows)) as bar:
        for batch in stream:
            table = pa.table(batch)
            predictions.append(model.prediction(model.frame(table)))
            frames.append(as_frame(table, kinds))
            bar.step(steps=len(batch))
    if not frames:
        empty = as_frame(stream.schema.empty_table(), kinds)
        return ScoredRows(empty, np.empty(0), kinds)
    return ScoredRows(pd.concat(frames, ignore_index=True), np.concatenate(predictions), kinds)


def as_frame(table: pa.Table, kinds: dict[str, str]) -> pd.DataFrame:
    """Numbers and flags as float64 with NaN for null, texts as they are."""
    columns = {WEEK: table.column(WEEK).to_numpy(), "customer_id": table.column("customer_id").to_pandas()}
    for name, kind in kinds.items():
        column = table.column(name)
        is_text = kind == "text"
        columns[name] = column.to_pandas() if is_text else column.cast(pa.float64(), safe=False).to_numpy()
    return pd.DataFrame(columns)


def labelled_rows_of_weeks(labels: pa.Table, weeks: Weeks, most: int) -> pa.Table:
    """Labelled rows with the position of the week their cut-off is in, at most so many a week.

    Parameters
    ----------
    labels : Table
        customer_id, event_timestamp and the label.
    weeks : Weeks
        Of ripe cut-offs: the last is so long ago that its labels are known.
    """
    with duckdb.connect() as connection:
        connection.register("labels", labels)
        order = key_hash_sql(f"'{SEED}'", "customer_id")
        query = f"""
            select customer_id, event_timestamp, {labels.column_names[2]}::double as label, {WEEK}
            from (select *, {weeks.week_sql("event_timestamp")} as {WEEK} from labels)
            where {WEEK} between 0 and {len(weeks) - 1}
            qualify
                row_number() over (partition by {WEEK} order by {order}, customer_id, event_timestamp)
                <= {most}
            order by {WEEK}, customer_id, event_timestamp
        """
        return connection.execute(query).to_arrow_table()


def series(values: Sequence[float | None]) -> Floats:
    """Values of weeks as an array, None as NaN."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
