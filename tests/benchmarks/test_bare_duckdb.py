"""The baseline of the benchmark; each run of ``benchmarks.run`` checks that it makes the build's tables."""

from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.bare_duckdb import TABLES, make_tables
from benchmarks.sums import differences, table_sums
from ml.home.layout import Home
from tests.worlds import Built


def test_tables_of_the_baseline_are_in_the_order_of_their_keys(shop: Built, tmp_path: Path) -> None:
    make_tables(Home.at(shop.home).current_load(), tmp_path / "bare", customers_per_slice=300)
    for table in TABLES:
        for file in (tmp_path / "bare" / table).glob("*.parquet"):
            keys = pq.read_table(file, columns=["customer_id", "event_timestamp"]).to_pylist()
            pairs = [(key["customer_id"], key["event_timestamp"]) for key in keys]
            assert pairs == sorted(set(pairs))


def test_a_changed_value_changes_the_checksum(shop: Built, tmp_path: Path) -> None:
    make_tables(Home.at(shop.home).current_load(), tmp_path / "bare")
    before = table_sums(tmp_path / "bare")
    (file,) = (tmp_path / "bare" / "feat_customer_support").glob("*.parquet")
    table = pq.read_table(file)
    counts = table.column("open_tickets").to_pylist()
    counts[5] += 1
    changed = table.set_column(table.schema.get_field_index("open_tickets"), "open_tickets", [counts])
    pq.write_table(changed, file)
    assert [line.split(":")[0] for line in differences(before, table_sums(tmp_path / "bare"))] == [
        "feat_customer_support"
    ]
