"""Tables of states, whose end may be announced, and of measurements of a day, as the demo declares them."""

import json
from pathlib import Path

import pytest

from ml.config.project import write_project
from ml.home.layout import Home
from ml.ingest import declaration, ingest
from tests.ml.ingest.worlds import read_rejected, read_table, write_folder

CUSTOMERS = "customer_id,registered_at\na,2024-01-01\n"
SUBSCRIPTIONS = "subscription_id,customer_id,started_at,renews_at,cancelled_at,ended_at,loaded_at\n"
USAGE = "customer_id,used_on,events,loaded_at\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path / "project", demo="subscriptions")
    monkeypatch.setattr(declaration, "ROOT", tmp_path / "project")


def load(tmp_path: Path, home: Home, **tables: str) -> dict:
    return ingest(
        write_folder(tmp_path / "raw", {"customers": CUSTOMERS, **tables}), home=home, max_rejected=0.9
    )


def test_an_announced_end_is_known_from_its_announcement_and_moves_no_clock(
    tmp_path: Path, home: Home
) -> None:
    rows = (
        "s1,a,2024-02-01,2124-03-01,,,\n"
        "s2,a,2024-02-02,,2024-02-10,2024-12-31,\n"
        "s3,a,2024-02-03,,,2024-02-09,\n"
    )
    result = load(tmp_path, home, subscriptions=SUBSCRIPTIONS + rows)
    assert result["tables"]["subscriptions"] == {"read": 3, "accepted": 3, "rejected": 0}
    assert result["data_clock"] == "2024-02-10T00:00:00Z"


def test_what_no_state_can_be_is_rejected(tmp_path: Path, home: Home) -> None:
    rows = (
        "s1,a,2024-02-01,,,2024-01-31,\n"
        "s2,a,2024-02-01,,2024-01-31,2024-03-01,\n"
        "s3,a,2124-02-01,,,,\n"
        "s4,a,2024-02-01,,,,\n"
    )
    load(tmp_path, home, subscriptions=SUBSCRIPTIONS + rows)
    assert read_rejected(home) == {
        ("subscriptions", 1, "ended_at is before started_at"),
        ("subscriptions", 2, "cancelled_at is before started_at"),
        ("subscriptions", 3, "started_at is later than this ingest"),
    }


def test_a_day_is_known_when_it_is_over(tmp_path: Path, home: Home) -> None:
    rows = "a,2024-02-01,5,\na,2024-02-02,6,2024-02-02T10:00:00\na,2024-02-03T08:00:00,7,\n"
    result = load(tmp_path, home, usage=USAGE + rows)
    assert read_table(home, "usage", "used_on::varchar, events, loaded_at::varchar") == [
        ("2024-02-01 00:00:00", 5, "2024-02-01 23:59:59.999999"),
        ("2024-02-02 00:00:00", 6, "2024-02-02 10:00:00"),
    ]
    assert read_rejected(home) == {("usage", 3, "used_on is not the start of a day")}
    assert not [note for note in result["notes"] if "at midnight" in note]


def test_the_clock_of_a_table_with_a_key_of_two_columns(tmp_path: Path, home: Home) -> None:
    """The newest row first known, not the newest customer."""
    rows = "a,2024-02-01,5,2024-02-02\na,2024-02-05,6,2024-02-06\n"
    load(tmp_path, home, usage=USAGE + rows)
    manifest = json.loads((home.raw / "current" / "load.json").read_text())
    assert manifest["clocks"]["usage"] == "2024-02-06T00:00:00Z"
