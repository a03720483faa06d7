"""Labels of two builds compared: who has one, and where it is settled, which."""

from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from ml.audit.compare_builds import compare_labels
from ml.audit.compare_feature_tables import Comparison

CUTOFF, KNOWN = datetime(2024, 1, 1), datetime(2024, 1, 31)
LABELS = {"label_customer_churn": ("bigint", 1, 0), "label_customer_value": ("decimal(38,4)", 12.5, 12.51)}


def write(build: Path, changes: dict[str, object], gone: str = "") -> Path:
    """One row of each shipped label of ann, except ``gone``."""
    for name, (kind, usual, _) in LABELS.items():
        folder = build / "labels" / name
        folder.mkdir(parents=True)
        duckdb.sql(
            f"copy (select 'ann' as customer_id, timestamp '{CUTOFF}' as event_timestamp, "
            f"{changes.get(name, usual)}::{kind} as label, timestamp '{KNOWN}' as label_known_at "
            f"where '{name}' <> '{gone}') to '{folder}/rows.parquet' (format parquet)"
        )
    return build


def moved(before: Path, after: Path, until: datetime, settled: str = "true") -> list[str]:
    with duckdb.connect() as connection:
        connection.execute(
            f"create table limits as select 'ann' as customer_id, timestamp '{until}' as until"
        )
        comparison = Comparison()
        compare_labels(connection, before, after, comparison, settled)
    return [each.model for each in comparison.moved]


@pytest.mark.parametrize("name", LABELS)
def test_another_label_and_a_lost_one_are_found(name: str, tmp_path: Path) -> None:
    before, same = write(tmp_path / "before", {}), write(tmp_path / "same", {})
    other = write(tmp_path / "other", {name: LABELS[name][2]})
    lost = write(tmp_path / "lost", {}, gone=name)
    assert moved(before, same, KNOWN) == []
    assert moved(before, other, KNOWN) == [name]
    assert moved(before, lost, KNOWN, "false") == [name]
    assert moved(before, other, KNOWN, "false") == []  # not settled: only who has one
    assert moved(before, other, datetime(2024, 1, 30)) == []  # not known yet
