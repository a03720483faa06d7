"""The clock of each table: when its newest row first became known; how completely the last day is in."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml.ingest import ingest
from ml.ingest.table_clocks import delivered_until, notes_on_arrival, notes_on_clocks
from tests.reference.by_hand import customer, day, order, session, ticket, world
from tests.reference.worlds import write_world


def ingested(folder: Path, *rows: dict[str, Any]) -> dict[str, Any]:
    return ingest(write_world(folder / "raw", world(*rows)), home=folder / "home")


def test_what_happens_later_moves_no_clock(tmp_path: Path) -> None:
    result = ingested(
        tmp_path,
        customer(updated_at=day(3)),
        customer(updated_at=day(90), city="Ulm"),
        order(1, 10, returned_at=day(70)),
        order(2, 30, loaded_at=day(31)),
        order(2, 30, loaded_at=day(80), total_amount=7),
        ticket(1, 20, resolved_at=day(60)),
        session(1, 40),
    )
    assert result["clocks"] == {
        "customers": "2023-01-04T00:00:00Z",
        "orders": "2023-02-01T00:00:00Z",
        "support_tickets": "2023-01-21T00:00:00Z",
        "sessions": "2023-02-10T00:00:00Z",
    }
    assert result["data_clock"] == "2023-04-01T00:00:00Z"
    assert result["orders_arrive"] is None
    assert [note.split(" days before")[0] for note in result["notes"]] == [
        "customers end 87.0",
        "orders end 59.0",
        "support_tickets end 70.0",
        "sessions end 50.0",
    ]


def test_an_append_goes_on_from_the_rows_there_are(tmp_path: Path) -> None:
    ingested(tmp_path, customer(), order(1, 10), order(2, 20))
    more = write_world(tmp_path / "more", world(customer(customer_id="b"), order(1, 10, loaded_at=day(50))))
    result = ingest(more, home=tmp_path / "home", append=True)
    assert result["clocks"]["orders"] == "2023-01-21T00:00:00Z"


@pytest.mark.parametrize(
    ("clock", "data_clock", "expected"),
    [
        (day(10, 1), day(24), day(11)),
        (day(10.5), day(10.75), day(10.75)),
        (day(10, -1), day(10.5), day(10)),
        (day(10), day(10), day(10)),
        (day(30), day(20), day(20)),
    ],
)
def test_a_table_is_delivered_to_the_end_of_its_last_day(
    clock: datetime, data_clock: datetime, expected: datetime
) -> None:
    assert delivered_until(clock, data_clock) == expected
    with duckdb.connect() as connection:
        rule = "least(?::timestamp, date_trunc('day', ?::timestamp) + interval '1' day)"
        assert connection.execute(f"select {rule}", [data_clock, clock]).fetchall() == [(expected,)]


def test_tables_within_a_day_of_the_data_clock_need_no_note() -> None:
    clocks = {"orders": "2023-01-10T00:00:01Z", "sessions": None}
    assert notes_on_clocks(clocks, "2023-01-11T00:00:00Z", None) == []
    assert len(notes_on_clocks(clocks, "2023-01-11T00:00:01Z", None)) == 1


def test_late_orders_make_the_last_day_incomplete(tmp_path: Path) -> None:
    """Nine of ten orders come at once, one after three days; of the last day's orders 90 % are in."""
    rows = [
        order(number, number / 4, loaded_at=day(number / 4 + (3 if number % 10 == 0 and number < 300 else 0)))
        for number in range(400)
    ]
    result = ingested(tmp_path, customer(), *rows)
    assert result["orders_arrive"] == {"last_day_share": 0.9, "days_until_99_percent": 3.0}
    advice = (
        "by earlier delays 90.0% of the last day's orders are in, and 99 % only after 3.0 days: set "
        "label_delay_days to 3 in problem.yml, else the last labels say churned of some who ordered"
    )
    assert advice in result["notes"]
    assert notes_on_arrival(result["orders_arrive"], 2) == [advice]
    assert notes_on_arrival(result["orders_arrive"], 3) == []


def test_half_a_day_of_delay_halves_the_last_day(tmp_path: Path) -> None:
    late = timedelta(hours=12)
    rows = [order(number, number / 4, loaded_at=day(number / 4) + late) for number in range(400)]
    assert ingested(tmp_path, customer(), *rows)["orders_arrive"]["last_day_share"] == 0.5
