"""The labelled rows: columns, parts, gaps, and the same rows in every format."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ml.common.errors import NotReadyError, UsageError
from ml.common.row_files import read_rows
from ml.config.problem import Problem
from ml.features.dataset import dataset
from ml.featurestore.catalog import read_catalog
from ml.home.layout import Home
from tests.ml.conftest import Workshop
from tests.ml.synthetic_build import CUSTOMERS, START, simulate_orders

KEYS = ["customer_id", "event_timestamp", "churned", "split"]


def test_every_labelled_row_outside_the_gaps_with_every_feature(workshop: Workshop, tmp_path: Path) -> None:
    said = dataset(tmp_path / "rows.parquet", home=workshop.home, problem=Problem())
    table = pq.read_table(tmp_path / "rows.parquet")
    names = read_catalog(Home.at(workshop.home).current_build()).feature_names
    assert table.column_names == [*KEYS, *names]
    for part in ("train", "validation", "test"):
        assert pc.sum(pc.equal(table.column("split"), part)).as_py() == said["rows"][part]
    assert said["split"]["left_out"]["cutoffs"] == 8
    assert len(table) + said["rows"]["left_out"] == labelled(workshop)


def labelled(workshop: Workshop) -> int:
    folder = Home.at(workshop.home).current_build() / "labels" / "label_customer_churn"
    return pq.read_table(folder).num_rows


def test_labels_are_those_of_the_orders(workshop: Workshop, tmp_path: Path) -> None:
    dataset(tmp_path / "rows.parquet", home=workshop.home, problem=Problem())
    orders = simulate_orders(CUSTOMERS, 1)
    for row in pq.read_table(tmp_path / "rows.parquet", columns=KEYS).to_pylist()[::97]:
        now = (row["event_timestamp"] - START) / timedelta(days=1)
        days = orders[row["customer_id"]]
        assert row["churned"] == int(not ((days > now) & (days <= now + 30)).any())


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_other_formats_hold_the_same_rows(workshop: Workshop, tmp_path: Path, ending: str) -> None:
    dataset(tmp_path / "rows.parquet", home=workshop.home, problem=Problem())
    dataset(tmp_path / f"rows.{ending}", home=workshop.home, problem=Problem())
    exact, other = pq.read_table(tmp_path / "rows.parquet"), read_rows(tmp_path / f"rows.{ending}").read_all()
    assert other.column_names == exact.column_names
    for name in ("customer_id", "split", "city"):
        assert other.column(name).to_pylist() == exact.column(name).to_pylist()


def test_refusals(workshop: Workshop, tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    with pytest.raises(NotReadyError, match="active_within_days 90, the problem says 60"):
        dataset(out, home=workshop.home, problem=replace(Problem(), active_within_days=60))
    with pytest.raises(UsageError):
        dataset(tmp_path / "rows.xlsx", home=workshop.home, problem=Problem())
    with pytest.raises(NotReadyError, match="run 'churn ingest PATH', then 'churn build'"):
        dataset(out, home=tmp_path, problem=Problem())
    assert not out.exists()
