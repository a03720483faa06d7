"""The subscriptions demo: the same again, an extract is a part of the whole, and the truth is true."""

from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from ml.common.errors import UsageError
from ml.demos.subscriptions import write_subscriptions

TABLES = ("customers", "subscriptions", "payments", "usage", "support_tickets", "ticket_messages")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("subscriptions") / "raw"
    write_subscriptions(folder, customers=3_000, seed=5)
    return folder


def test_the_same_seed_gives_the_same_rows(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_subscriptions(tmp_path / name / "raw", customers=60, seed=3)
    for table in TABLES:
        one, two = (pq.read_table(tmp_path / name / "raw" / f"{table}.parquet") for name in ("one", "two"))
        assert one.equals(two)
        assert len(one) > 20


def test_an_extract_knows_nothing_later(tmp_path: Path) -> None:
    """Nothing of an extract became known after it, and the older system's rows say no end before its time."""
    at = datetime(2024, 4, 1)
    write_subscriptions(tmp_path / "raw", customers=1_500, seed=3, as_of=at)
    for table in TABLES:
        names = pq.read_schema(tmp_path / "raw" / f"{table}.parquet").names
        loaded = "updated_at" if table == "customers" else "loaded_at"
        assert loaded in names
        query = f"select max({loaded}) from '{tmp_path}/raw/{table}.parquet'"
        assert duckdb.sql(query).fetchall()[0][0] <= at
    undated = f"""
        select count(*), count(*) filter (least(ended_at, cancelled_at) > timestamp '{at}')
        from '{tmp_path}/raw/subscriptions.parquet' where loaded_at is null
    """
    rows, too_early = duckdb.sql(undated).fetchall()[0]
    assert rows > 5
    assert too_early == 0


def test_the_truth_is_calibrated(raw: Path) -> None:
    """In each band of probabilities as many subscriptions end as it says, within four standard errors."""
    probability, ended = outcomes(raw)
    assert len(probability) > 15_000
    bands = np.digitize(probability, [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.999])
    for band in np.unique(bands):
        inside = bands == band
        expected, share, count = probability[inside].mean(), ended[inside].mean(), inside.sum()
        error = np.sqrt(max(expected * (1 - expected), 1e-4) / count)
        assert abs(share - expected) < 4 * error, (band, expected, share, count)


def outcomes(raw: Path) -> tuple[np.ndarray, np.ndarray]:
    """The truth at every fifth cut-off, which share no horizon, and whether an end came within 30 days."""
    query = f"""
        with subscriptions as (
            select
                customer_id,
                min(started_at) as started_at,
                arg_max(ended_at, coalesce(loaded_at, started_at)) as ended_at
            from '{raw}/subscriptions.parquet' group by subscription_id, customer_id
        )
        select true_probability, ended_at is not null and ended_at <= event_timestamp + interval 30 day
        from '{raw.parent}/truth/true_probability.parquet' as truth
        inner join subscriptions
            on truth.customer_id = subscriptions.customer_id
            and started_at <= event_timestamp and (ended_at is null or ended_at > event_timestamp)
        where event_timestamp <= timestamp '2024-12-01'
            and date_diff('day', date '1970-01-05', event_timestamp) % 35 = 0
    """
    columns = list(duckdb.sql(query).fetchnumpy().values())
    return columns[0], columns[1]


@pytest.mark.parametrize("options", [{"customers": 0}, {"seed": -1}, {"as_of": datetime(2026, 1, 1)}])
def test_sizes_that_make_no_sense(tmp_path: Path, options: dict) -> None:
    with pytest.raises(UsageError, match="the demo has one account or more"):
        write_subscriptions(tmp_path / "raw", **options)
