"""After materializing at an instant, every online value is the offline value at that instant."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ml.warehouse.materialize import materialize
from tests.ml.featurestore.retrieve_rows import offline, online

PURCHASE = datetime(2024, 3, 1, 10, 11, 12, 123456)
CLOCK = datetime(2024, 3, 1, 10, 11, 12, 987654)
EVERYBODY = ["old", "ann", "nobody", "nil", "ann"]
MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize("instant", [PURCHASE - MICROSECOND, PURCHASE, CLOCK - MICROSECOND, CLOCK])
def test_every_value_at_the_edges(home: Path, instant: datetime) -> None:
    materialize(home=home, as_of=instant)

    assert online(home, EVERYBODY, instant) == offline(home, EVERYBODY, instant)


def test_values_worked_out_by_hand(home: Path) -> None:
    materialize(home=home)

    ann, old, nobody = online(home, ["ann", "old", "nobody"], CLOCK)
    assert ann == {
        "customer_id": "ann",
        "orders_30d": 2,
        "spend_30d": 12345678901244.5679,
        "last_order_at": "2024-03-01T10:11:12.987654",
        "city": None,
        "email_verified": None,
        "registered_at": "2024-01-01T00:00:00.000000",
        "birth_date": "1990-02-28",
        "big": None,
        "share": None,
        "days_since_last_order": 0.0,
        "average_order_value_30d": 12345678901244.5679 / 2,
        "tenure_days": 60 + (10 * 3600 + 11 * 60 + 12.987654) / 86400,
    }
    assert (old["city"], old["email_verified"], old["share"]) == ("Oslo", False, -1.5)
    assert old["last_order_at"] == "2015-06-06T06:06:06.000006"
    assert set(nobody.values()) == {"nobody", None}


def test_a_64_bit_integer_stays_exact_beside_a_null(home: Path) -> None:
    materialize(home=home, as_of=datetime(2024, 2, 1))

    assert [row["big"] for row in online(home, ["ann", "nil"], datetime(2024, 2, 1))] == [
        9007199254740993,
        None,
    ]
    assert [row["city"] for row in online(home, ["ann"], datetime(2024, 2, 1))] == ["Łódź"]


def test_offline_rows_come_back_as_asked(home: Path, store) -> None:
    rows = offline(home, ["nil", "ann", "nil", "old"], CLOCK)

    assert [row["customer_id"] for row in rows] == ["nil", "ann", "nil", "old"]
    assert rows[0] == rows[2]


def test_derived_features_can_be_asked_alone(home: Path) -> None:
    from ml.featurestore.repository import open_store

    materialize(home=home)
    row = {"customer_id": "ann", "event_timestamp": "2024-03-02T10:11:12.987654+01:00"}
    answer = open_store(home).get_online_features(["derived:days_since_last_order"], [row]).to_dict()

    assert answer == {"customer_id": ["ann"], "days_since_last_order": [23 / 24]}
