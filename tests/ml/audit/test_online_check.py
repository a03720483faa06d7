"""Online: a store that says what the build says passes; any cell changed by hand is named."""

import shutil
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ml.audit.all_checks import run_check
from ml.audit.online import check
from ml.common.paths import online_file
from ml.featurestore.repository import open_store
from ml.home.layout import Home
from ml.warehouse.materialize import materialize
from tests.ml.audit.audit_context import audit_context, breaches_of, copied
from tests.ml.featurestore.small_build import CLOCK, write_build
from tests.ml.featurestore.test_online_table_names import pushed_orders
from tests.online_servers import SERVERS, online_store

ANN = datetime(2024, 3, 1, 10, 11, 12, 987654)
# 3 customers in views of 3 and 6 features and their instants; 5 asked the public way about 9 + 3 features.
CELLS, ANSWERS = 3 * 4 + 3 * 7, 5 * 12


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("online")
    write_build(home)
    materialize(home=home)
    return home


@pytest.fixture
def home(filled: Path, tmp_path: Path) -> Path:
    return copied(filled, tmp_path / "home")


def changed(home: Path, *statements: str) -> None:
    connection = sqlite3.connect(online_file(Home.at(home).root))
    with connection:
        for statement in statements:
            assert connection.execute(statement).rowcount
    connection.close()


def test_a_true_store_passes(home: Path, tmp_path: Path) -> None:
    found = check(audit_context(home, tmp_path / "scratch"))
    assert (found.passed, found.compared, found.notes) == (True, CELLS + ANSWERS, ())
    assert (
        "33 cells of 2 views in the store, filled from build-000001 as of 2024-03-01T10:11:12.987654Z"
        in found.detail
    )


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_passes_and_a_changed_value_on_it_is_named(tmp_path: Path, kind: str) -> None:
    home = tmp_path / "home"
    write_build(home)
    with online_store(kind):
        assert "nothing is online" in str(check(audit_context(home, tmp_path / "scratch")).skipped)
        materialize(home=home)
        found = check(audit_context(home, tmp_path / "scratch"))
        assert (found.passed, found.compared, found.notes) == (True, CELLS + ANSWERS, ())

        open_store(home).write_to_online_store("feat_customer_orders", pushed_orders(["ann"]))
        found = check(audit_context(home, tmp_path / "scratch"))
        assert {breach for breach in breaches_of(found) if "orders_30d" in breach[0]} == {
            ("feat_customer_orders.orders_30d: 1 online values are not those offline", 1)
        }


def case(feature: str, offline: Any, online: Any) -> dict[str, Any]:
    return {"customer_id": "ann", "instant": CLOCK, "feature": feature, "offline": offline, "online": online}


@pytest.mark.parametrize(
    ("view", "value", "expected"),
    [
        ("orders", "orders_30d = 3", case("orders_30d", 2, 3)),
        ("orders", "orders_30d = null", case("orders_30d", 2, None)),
        (
            "orders",
            "spend_30d = 12345678901244.57",
            case("spend_30d", 12345678901244.5679, 12345678901244.57),
        ),
        (
            "orders",
            "last_order_at = '2024-03-01T10:11:12.987653'",
            case("last_order_at", "2024-03-01T10:11:12.987654", "2024-03-01T10:11:12.987653"),
        ),
        (
            "orders",
            "event_timestamp = '2024-03-01T10:11:12.123456'",
            case("event_timestamp", "2024-03-01T10:11:12.987654", "2024-03-01T10:11:12.123456"),
        ),
        ("profile", "city = 'Łódź'", case("city", None, "Łódź")),
        ("profile", "email_verified = 0", case("email_verified", None, 0)),
        ("profile", "birth_date = '1990-03-01'", case("birth_date", "1990-02-28", "1990-03-01")),
    ],
)
def test_a_changed_value_is_named(
    home: Path, tmp_path: Path, view: str, value: str, expected: dict[str, Any]
) -> None:
    changed(home, f"update feat_customer_{view} set {value} where customer_id = 'ann'")
    found = check(audit_context(home, tmp_path / "scratch"))
    feature = expected["feature"]
    assert breaches_of(found) == [
        (f"feat_customer_{view}.{feature}: 1 online values are not those offline", 1)
    ]
    assert found.breaches[0].example == expected
    assert found.notes == ("not checked: the public reader, because the store is wrong already",)


def test_a_lost_and_a_spare_customer_are_named(home: Path, tmp_path: Path) -> None:
    changed(home, "update feat_customer_profile set customer_id = 'zoe' where customer_id = 'old'")
    changed(home, "delete from feat_customer_orders where customer_id = 'nil'")
    assert breaches_of(check(audit_context(home, tmp_path / "scratch"))) == [
        ("feat_customer_orders: 1 customers of the build are not online, nil among them", 1),
        ("feat_customer_profile: 1 customers of the build are not online, old among them", 1),
        ("feat_customer_profile: 1 customers are online whom the build does not have, zoe among them", 1),
    ]


def test_a_value_of_another_type_is_named(home: Path, tmp_path: Path) -> None:
    changed(home, "update feat_customer_profile set big = 'many' where customer_id = 'old'")
    assert breaches_of(check(audit_context(home, tmp_path / "scratch"))) == [
        ("feat_customer_profile.big holds 'many' online, which is no value of its type", 1),
        ("feat_customer_profile.big: 1 online values are not those offline", 1),
    ]


def test_views_must_be_there_together(home: Path, tmp_path: Path) -> None:
    changed(home, "delete from materialized where view = 'feat_customer_profile'")
    assert breaches_of(check(audit_context(home, tmp_path / "scratch"))) == [
        ("feat_customer_profile is not online, though other views are", 1)
    ]


def test_views_must_be_of_one_instant(home: Path, tmp_path: Path) -> None:
    changed(
        home,
        "update materialized set until = '2024-03-31T00:00:00.000000' where view = 'feat_customer_profile'",
    )
    assert breaches_of(check(audit_context(home, tmp_path / "scratch"))) == [
        (
            "feat_customer_profile is online as of 2024-03-31T00:00:00Z, feat_customer_orders as of "
            "2024-03-01T10:11:12.987654Z",
            1,
        )
    ]


def test_a_column_that_is_gone_is_named(home: Path, tmp_path: Path) -> None:
    changed_shape = sqlite3.connect(online_file(Home.at(home).root))
    changed_shape.execute("alter table feat_customer_profile drop column share")
    changed_shape.close()
    assert breaches_of(check(audit_context(home, tmp_path / "scratch"))) == [
        ("feat_customer_profile has no column share online", 1)
    ]


def test_another_build_is_a_note(home: Path, tmp_path: Path) -> None:
    write_build(home, "build-000002", order_rows=[])
    found = check(audit_context(home, tmp_path / "scratch"))
    assert (found.passed, found.compared) == (True, CELLS + ANSWERS)
    assert found.notes == (
        "the store was filled from build-000001, but build-000002 is published: run 'churn materialize'",
    )


def test_what_the_store_was_filled_from_may_be_gone(home: Path, tmp_path: Path) -> None:
    (home / "builds" / "build-000001").rename(home / "builds" / "build-000002")
    (home / "builds" / "current").unlink()
    (home / "builds" / "current").symlink_to("build-000002")
    found = check(audit_context(home, tmp_path / "scratch"))
    assert found.skipped == "the store was filled from build-000001, which is gone: run 'churn materialize'"
    assert found.failed


def test_a_build_without_its_rows_is_a_fault(home: Path, tmp_path: Path) -> None:
    shutil.rmtree(home / "builds" / "build-000001" / "features" / "feat_customer_profile")
    found = run_check("online", audit_context(home, tmp_path / "scratch"))
    assert (found.passed, found.failed) == (False, True)
    assert found.skipped.endswith("feat_customer_profile is missing from the build: run 'churn build' again")


def test_nothing_online_is_not_checked_and_nothing_is_made(tmp_path: Path) -> None:
    write_build(tmp_path / "home")
    found = check(audit_context(tmp_path / "home", tmp_path / "scratch"))
    assert (found.passed, found.skipped) == (False, "nothing is online: run 'churn materialize' first")
    assert not found.failed
    assert not (tmp_path / "home" / "feast").exists()


def test_a_public_reader_that_tells_otherwise_is_named(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml.featurestore.online.read import OnlineReader

    ask = OnlineReader.features

    def a_day_late(self: Any, customers: Any, instant: Any) -> Any:
        return [row | {"tenure_days": row["tenure_days"] and 1.5} for row in ask(self, customers, instant)]

    monkeypatch.setattr(OnlineReader, "features", a_day_late)
    found = check(audit_context(home, tmp_path / "scratch"))
    assert breaches_of(found) == [
        ("tenure_days: the public reader tells 4 customers otherwise than offline retrieval", 4)
    ]
    assert found.breaches[0].example["online"] == 1.5
