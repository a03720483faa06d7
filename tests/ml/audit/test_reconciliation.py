"""Ledger: true counts pass; a row, a customer or an answer that got lost is named with its file or model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.audit import reconciliation
from ml.audit.reconciliation import ENTITY_ROWS, check, unbalanced_counts, wrong_file_counts
from ml.home.layout import Home
from ml.ingest import ingest
from ml.ingest.manifest import read_load_manifest, write_load_manifest
from tests.ml.audit.audit_context import audit_context, copied, rewrite
from tests.reference.by_hand import customer, day, order, world
from tests.reference.worlds import write_world
from tests.worlds import Built


@pytest.fixture
def load(tmp_path: Path) -> Path:
    """Two ingests: 2 orders of which one is rejected, then one more."""
    first = world(order(), order(2, customer_id="nobody"))
    ingest(str(write_world(tmp_path / "first", first)), home=tmp_path / "home", max_rejected=0.5)
    more = write_world(tmp_path / "more", world(customer(updated_at=day(3)), order(3)))
    ingest(str(more), home=tmp_path / "home", append=True)
    return Home.at(tmp_path / "home").current_load()


def counted(load: Path) -> list[str]:
    return [breach.what for breach in wrong_file_counts(load, read_load_manifest(load))]


def added_up(load: Path) -> list[str]:
    return [breach.what for breach in unbalanced_counts(read_load_manifest(load))]


def test_a_true_load_adds_up(load: Path) -> None:
    assert read_load_manifest(load)["tables"]["orders"] == {"read": 3, "accepted": 2, "rejected": 1}
    assert (counted(load), added_up(load)) == ([], [])


def test_a_lost_raw_row_is_named(load: Path) -> None:
    file = load / "orders" / "load-000002.parquet"
    pq.write_table(pq.read_table(file).slice(1), file)
    assert counted(load) == ["orders/load-000002.parquet holds 0 rows, but load.json says 1 were accepted"]


def test_a_lost_file_is_named(load: Path) -> None:
    (load / "orders" / "load-000001.parquet").unlink()
    assert counted(load) == ["orders/load-000001.parquet holds 0 rows, but load.json says 1 were accepted"]


def test_a_spare_file_is_named(load: Path) -> None:
    file = load / "orders" / "load-000001.parquet"
    pq.write_table(pq.read_table(file), file.with_name("copy.parquet"))
    assert counted(load) == ["orders/copy.parquet is no file of an ingest in load.json"]


def test_a_lost_rejected_row_is_named(load: Path) -> None:
    file = load / "rejected_rows" / "load-000001.parquet"
    pq.write_table(pq.read_table(file).slice(1), file)
    assert counted(load) == [
        "rejected_rows/load-000001.parquet, orders, holds 0 rows, but load.json says 1 were rejected"
    ]


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            lambda record: record["tables"]["orders"].update(read=4),
            [
                "load.json, orders, all ingests together: 4 rows read are not 2 accepted and 1 rejected",
                "load.json, orders: 4 rows read in all, but 3 over its ingests",
            ],
        ),
        (
            lambda record: record["ingests"][0]["tables"]["orders"].update(accepted=2, rejected=0),
            [
                "load.json, orders: 2 rows accepted in all, but 3 over its ingests",
                "load.json, orders: 1 rows rejected in all, but 0 over its ingests",
            ],
        ),
        (
            lambda record: record["ingests"][1]["tables"]["orders"].update(rejected=1),
            [
                "load.json, orders, load-000002: 1 rows read are not 1 accepted and 1 rejected",
                "load.json, orders: 1 rows rejected in all, but 2 over its ingests",
            ],
        ),
    ],
)
def test_a_record_that_does_not_add_up_is_named(
    load: Path, spoil: Callable[[dict[str, Any]], None], expected: list[str]
) -> None:
    record = read_load_manifest(load)
    spoil(record)
    write_load_manifest(load, record)
    assert added_up(load) == expected


def test_a_true_build_passes(shop: Built, tmp_path: Path) -> None:
    audit = audit_context(shop.home, tmp_path / "scratch")
    read = sum(counts["read"] for counts in read_load_manifest(audit.load)["tables"].values())
    found = check(audit)
    assert (found.breaches, found.notes, found.compared) == ((), (), read + ENTITY_ROWS)
    assert (
        f"{read:,} rows read, 0 of them rejected; 800 customers in each of 4 feature tables" in found.detail
    )


def test_late_and_corrected_facts_pass(world: Built, tmp_path: Path) -> None:
    assert check(audit_context(world.home, tmp_path / "scratch")).breaches == ()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """Fewer entity rows, for speed."""
    monkeypatch.setattr(reconciliation, "ENTITY_ROWS", 1_100)
    return 1_100


@pytest.fixture
def home(shop: Built, tmp_path: Path, few: int) -> Path:
    return copied(shop.home, tmp_path / "home")


def spoiled(home: Path, tmp_path: Path, model: str, select: str) -> list[str]:
    """What is said once the rows of a feature model are those of ``select``."""
    rewrite(Home.at(home).current_build() / "features" / model, select)
    return [breach.what for breach in check(audit_context(home, tmp_path / "scratch")).breaches]


def test_a_lost_customer_is_named(home: Path, tmp_path: Path) -> None:
    profile = audit_context(home, tmp_path / "scratch").build / "features" / "feat_customer_profile"
    customers = pq.read_table(profile, columns=["customer_id"])["customer_id"].to_pylist()
    lost, rows = min(customers), len(customers)
    said = spoiled(home, tmp_path, profile.name, f"from rows where customer_id <> '{lost}'")
    assert said == [
        f"feat_customer_profile lacks 1 customers of the raw tables, {lost} among them",
        f"feat_customer_profile holds {rows - customers.count(lost):,} rows, but build.json says {rows:,}",
    ]


def test_a_customer_under_another_name_is_named(home: Path, tmp_path: Path) -> None:
    renamed = "if(customer_id = (select min(customer_id) from rows), 'A', customer_id) as customer_id"
    said = spoiled(home, tmp_path, "feat_customer_support", f"select * replace ({renamed}) from rows")
    assert said[0].startswith("feat_customer_support lacks 1 customers of the raw tables, ")
    assert said[1:] == [
        "feat_customer_support has 1 customers that the raw tables do not know by the data clock, "
        "A among them"
    ]


def test_a_customer_who_begins_late_is_named(home: Path, tmp_path: Path) -> None:
    first = "event_timestamp = (select min(event_timestamp) from rows)"
    moved = f"if({first}, event_timestamp + interval 1 microsecond, event_timestamp) as event_timestamp"
    (said,) = spoiled(home, tmp_path, "feat_customer_orders", f"select * replace ({moved}) from rows")
    assert said.startswith(
        "feat_customer_orders begins at another instant than the first known fact for 1 customers, "
    )


Answer = Callable[[pa.Table], pa.Table]


def answering(monkeypatch: pytest.MonkeyPatch, change: Answer) -> None:
    """Let ``churn features`` answer otherwise."""
    truly = reconciliation.features

    def features(rows: Path, out: Path, **options: Any) -> None:
        truly(rows, out, **options)
        pq.write_table(change(pq.read_table(out)), out)

    monkeypatch.setattr(reconciliation, "features", features)


def swapped(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table.slice(1, 1), table.slice(0, 1), table.slice(2)])


def numbered(table: pa.Table) -> pa.Table:
    """A feature that is another in each row, for strangers too."""
    place = table.column_names.index("orders_7d")
    return table.set_column(place, "orders_7d", pa.array(range(len(table)), pa.int64()))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda table: table.slice(2), ["1,100 entity rows went in, but 1,098 came back"]),
        (swapped, ["2 entity rows come back with another entity_row"]),
        (
            numbered,
            [
                "orders_7d has a value in ",
                "entity rows that are there twice come back with different features",
            ],
        ),
    ],
)
def test_an_answer_that_is_not_what_was_asked_is_named(
    shop: Built,
    few: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Answer,
    expected: list[str],
) -> None:
    answering(monkeypatch, change)
    said = [breach.what for breach in check(audit_context(shop.home, tmp_path / "scratch")).breaches]
    for part in expected:
        assert any(part in sentence for sentence in said)


def test_a_load_that_is_gone_is_said(shop: Built, tmp_path: Path) -> None:
    from ml.common.errors import NotReadyError

    audit = audit_context(shop.home, tmp_path / "scratch", load=tmp_path / "load-000009")
    with pytest.raises(NotReadyError, match="load-000009, from which build-000001 was made, is gone"):
        check(audit)
