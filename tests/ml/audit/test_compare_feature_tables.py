"""The comparison of two sets of feature tables: what counts as moved, how it is named, what is counted."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml.audit.compare_feature_tables import Comparison, Table, compare

TABLE = Table("feat_x", ("n", "seen_at"))
Rows = list[tuple[str, str, Any, str | None]]
PAST: Rows = [
    ("a", "2024-01-01", 1, "2024-01-01"),
    ("a", "2024-01-05", 2, None),
    ("b", "2024-01-02", None, None),
]
LIMITS = [("a", "2024-01-05"), ("b", "2024-01-05")]


def written(folder: Path, rows: Rows, name: str = "rows") -> Path:
    """A build's feature folder with one table."""
    (folder / TABLE.model).mkdir(parents=True, exist_ok=True)
    file = folder / TABLE.model / f"{name}.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "create table t (customer_id varchar, event_timestamp timestamp, n bigint, seen_at timestamp)"
        )
        connection.executemany("insert into t values (?, ?, ?, ?)", rows)
        connection.execute(f"copy t to '{file}' (format parquet)")
    return folder


def compared(before: Path, after: Path) -> Comparison:
    with duckdb.connect() as connection:
        connection.execute("create table limits (customer_id varchar, until timestamp)")
        connection.executemany("insert into limits values (?, ?)", LIMITS)
        return compare(connection, [TABLE], before, after)


def found(tmp_path: Path, after: Rows) -> Comparison:
    return compared(written(tmp_path / "before", PAST), written(tmp_path / "after", after))


def test_equal_rows_are_counted_by_the_cell(tmp_path: Path) -> None:
    same = found(tmp_path, PAST[::-1])
    assert (same.cells, same.moved, same.customers) == (6, [], set())


def test_rows_after_the_limit_do_not_count(tmp_path: Path) -> None:
    later = found(tmp_path, [*PAST, ("a", "2024-01-05 00:00:00.000001", 99, None)])
    assert (later.cells, later.moved) == (6, [])


def test_customers_without_a_limit_do_not_count(tmp_path: Path) -> None:
    assert found(tmp_path, [*PAST, ("c", "2024-01-01", 5, None)]).moved == []


@pytest.mark.parametrize(("value", "shown"), [(3, "3"), (None, None)])
def test_a_cell_that_moved_is_named(tmp_path: Path, value: int | None, shown: str | None) -> None:
    (moved,) = found(tmp_path, [PAST[0], ("a", "2024-01-05", value, None), PAST[2]]).moved
    assert (moved.model, moved.column, moved.cells, moved.customers) == ("feat_x", "n", 1, 1)
    assert moved.example == {
        "customer_id": "a",
        "instant": datetime(2024, 1, 5),
        "before": "2",
        "after": shown,
    }


def test_a_row_that_changes_no_value_is_idle(tmp_path: Path) -> None:
    more = found(tmp_path, [*PAST, ("a", "2024-01-03", 1, "2024-01-01")])
    assert more.moved == []
    (idle,) = more.idle
    assert (idle.column, idle.cells, idle.example["instant"]) == ("", 1, datetime(2024, 1, 3))


def test_a_row_more_moves_only_the_columns_that_it_changes(tmp_path: Path) -> None:
    moved = found(tmp_path, [*PAST, ("a", "2024-01-03", 7, "2024-01-01")]).moved
    assert [one.column for one in moved] == ["n"]


def test_a_customer_who_is_not_there_is_named(tmp_path: Path) -> None:
    lost = found(tmp_path, [PAST[2]]).moved
    assert [(one.column, one.example["customer_id"]) for one in lost] == [
        ("n", "a"),
        ("seen_at", "a"),
        ("", "a"),
    ]


def test_files_that_both_share_are_not_read(tmp_path: Path) -> None:
    before = written(written(tmp_path / "before", PAST[:1], "past"), PAST[1:])
    after = written(tmp_path / "after", PAST[1:])
    os.link(before / "feat_x" / "past.parquet", after / "feat_x" / "renamed.parquet")
    same = compared(before, after)
    assert (same.cells, same.shared, same.moved) == (6, 2, [])


def test_a_difference_beside_shared_files_is_found(tmp_path: Path) -> None:
    before = written(written(tmp_path / "before", PAST[:1], "past"), PAST[1:])
    after = written(tmp_path / "after", [("a", "2024-01-05", 8, None), PAST[2]])
    os.link(before / "feat_x" / "past.parquet", after / "feat_x" / "past.parquet")
    assert [(one.column, one.cells) for one in compared(before, after).moved] == [("n", 1)]
