"""Labels end where orders were delivered, whatever other tables hold; history stands still all the same."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd

from ml.features.labels import LABELS, read_cutoffs
from ml.home.build_manifest import read_build_manifest, score_instant
from ml.home.layout import Home
from ml.ingest import ingest
from ml.warehouse import build
from tests.dbt_project.hand_run import Hand
from tests.ml.ended_world import LAST_ORDER, LAST_RETURN
from tests.worlds import Built

LAST_SETTLED = datetime(2023, 11, 27)
DELIVERED = datetime(2024, 1, 1)
Labels = list[tuple[str, datetime, int]]


def labels_of(folder: Path, until: datetime | None = None) -> Labels:
    with duckdb.connect() as connection:
        return connection.execute(
            f"select customer_id, event_timestamp, churned from '{folder}/*.parquet' "
            "where $1 is null or event_timestamp <= $1 order by all",
            [until],
        ).fetchall()


def test_no_label_reads_days_that_were_not_delivered(ended: Built) -> None:
    assert read_cutoffs(ended.build)[-1] == LAST_SETTLED
    rates = {
        cutoff: [one for _, at, one in labels_of(ended.build / LABELS) if at == cutoff]
        for cutoff in read_cutoffs(ended.build)[-4:]
    }
    shares = [sum(rows) / len(rows) for rows in rates.values()]
    assert max(shares) - min(shares) < 0.05
    to_come = {at for _, at, _ in labels_of(ended.build / "labels" / "label_pending")}
    assert min(to_come) == LAST_SETTLED + timedelta(days=7)


def test_the_manifest_says_where_each_table_ends(ended: Built) -> None:
    manifest = read_build_manifest(ended.build)
    assert manifest["clocks"]["orders"] == "2023-12-31T12:00:00Z"
    assert (manifest["clocks"]["support_tickets"], manifest["clocks"]["sessions"]) == (None, None)
    assert (manifest["data_clock"], manifest["orders_delivered_until"]) == (
        "2024-01-14T12:00:00Z",
        "2024-01-01T00:00:00Z",
    )
    assert manifest["notes"][-1] == (
        "orders end 14.0 days before the data clock 2024-01-14T12:00:00Z: their last row became known at "
        "2023-12-31T12:00:00Z; labels and scores stop there: deliver the missing orders"
    )
    from ml.cli.build import summary

    assert "\nnote: orders end 14.0 days before" in summary(manifest)
    assert "\ntables end: customers 2023-" in summary(manifest)


def test_scores_are_as_of_the_last_orders(ended: Built, shop: Built) -> None:
    instant, why = score_instant(ended.build)
    assert (instant, why.split(":")[0]) == (DELIVERED, "orders end at 2023-12-31T12")
    clock = datetime.fromisoformat(read_build_manifest(shop.build)["data_clock"]).replace(tzinfo=None)
    assert score_instant(shop.build) == (clock, "")


def test_dbt_by_hand_gives_the_same_labels(ended: Built, tmp_path: Path) -> None:
    hand = Hand(tmp_path)
    ingest(ended.raw, home=hand.home)
    run = hand.dbt("build", "--exclude-resource-type", "unit_test")
    assert run.returncode == 0, run.stdout
    assert labels_of(hand.output / LABELS) == labels_of(ended.build / LABELS)


def test_an_earlier_build_is_delivered_where_later_orders_are_there(ended: Built, tmp_path: Path) -> None:
    home = shutil.copytree(ended.home, tmp_path / "home", symlinks=True)
    manifest = build(home=home, as_of=datetime(2023, 12, 20, 6))
    assert manifest["orders_delivered_until"] == manifest["data_clock"] == "2023-12-20T06:00:00Z"
    assert read_cutoffs(Home.at(home).current_build())[-1] == datetime(2023, 11, 20)


def test_later_orders_settle_labels_and_change_none(ended: Built, tmp_path: Path) -> None:
    home = shutil.copytree(ended.home, tmp_path / "home", symlinks=True)
    orders = [
        {
            "order_id": f"later{number}",
            "customer_id": f"c{number:04d}",
            "ordered_at": LAST_ORDER + (LAST_RETURN - LAST_ORDER) * (number / 60),
            "total_amount": 12,
        }
        for number in range(1, 61)
    ]
    (tmp_path / "more").mkdir()
    pd.DataFrame(orders).to_parquet(tmp_path / "more" / "orders.parquet")
    ingest(tmp_path / "more", home=home, append=True)
    assert build(home=home)["kind"] == "incremental"
    increment = labels_of(Home.at(home).current_build() / LABELS)
    assert labels_of(Home.at(home).current_build() / LABELS, LAST_SETTLED) == labels_of(ended.build / LABELS)
    assert {at for _, at, _ in increment if at > LAST_SETTLED} == {
        datetime(2023, 12, 4),
        datetime(2023, 12, 11),
    }
    build(home=home, full_refresh=True)
    assert labels_of(Home.at(home).current_build() / LABELS) == increment
