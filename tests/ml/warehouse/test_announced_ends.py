"""Ends that lie in the future of the ingest: announced, they count when they come and move no clock."""

from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.layout import Home
from ml.ingest import ingest, staging_database
from ml.warehouse import build, increment
from tests.ml.warehouse.same import differing
from tests.reference.worlds import write_world

pytestmark = pytest.mark.subjects("dbt_project", "ml/warehouse")

FIRST_INGEST, SECOND_INGEST = datetime(2024, 3, 1, 12), datetime(2024, 4, 1, 12)
CANCELLED, RESOLVED, DELETED = datetime(2024, 3, 20), datetime(2024, 3, 15), datetime(2024, 3, 25)


def order(order_id: str, customer_id: str, day: datetime, **more: object) -> dict[str, object]:
    return {
        "order_id": order_id,
        "customer_id": customer_id,
        "ordered_at": day,
        "total_amount": 10,
        "loaded_at": day,
        **more,
    }


FIRST = {
    "customers": [
        {"customer_id": "a", "registered_at": datetime(2024, 1, 1), "city": "Ulm"},
        {"customer_id": "b", "registered_at": datetime(2024, 1, 1), "city": "Köln", "deleted_at": DELETED},
    ],
    "orders": [
        order("a1", "a", datetime(2024, 1, 10)),
        order("a2", "a", datetime(2024, 2, 20), cancelled_at=CANCELLED),
        order("b1", "b", datetime(2024, 2, 29)),
    ],
    "support_tickets": [
        {
            "ticket_id": "t1",
            "customer_id": "a",
            "opened_at": datetime(2024, 2, 1),
            "resolved_at": RESOLVED,
        }
    ],
}
SECOND = {"orders": [order("b2", "b", datetime(2024, 3, 30))]}


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A build before the ends come, an increment after, and the same made anew."""
    folder = tmp_path_factory.mktemp("announced")
    home, found = Home.at(folder / "home"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(increment, "TOUCHED_SHARE_MAX", 1.0)
        for name, world, now in (("first", FIRST, FIRST_INGEST), ("second", SECOND, SECOND_INGEST)):
            patch.setattr(staging_database, "utc_now", lambda now=now: now)
            write_world(folder / name, world)
            record = ingest(str(folder / name), home=home, append=True, max_rejected=0.0)
            assert record["data_clock"] == build(home=home)["data_clock"]
            found.append(home.current_build())
        build(home=home, full_refresh=True)
    return [*found, home.current_build()]


def value(made: Path, customer_id: str, feature: str, at: datetime) -> object:
    rows = pa.table({"customer_id": [customer_id], "event_timestamp": pa.array([at], pa.timestamp("us"))})
    return point_in_time(made, rows, features=[feature]).to_pylist()[0][feature]


def churned(made: Path, customer_id: str, cutoff: datetime) -> list[tuple[int]]:
    labels = f"'{made}/labels/label_customer_churn/*.parquet'"
    query = f"select churned from {labels} where customer_id = $1 and event_timestamp = $2"
    return duckdb.execute(query, [customer_id, cutoff]).fetchall()


def clock_of(made: Path) -> datetime:
    return duckdb.sql(f"select data_clock from read_json('{made}/build.json')").fetchall()[0][0]


def test_an_announced_end_moves_no_clock(builds: list[Path]) -> None:
    first, second, whole = map(clock_of, builds)
    assert str(first).startswith("2024-02-29")
    assert str(second).startswith("2024-03-30")
    assert whole == second


def test_an_announced_end_counts_from_its_instant_on(builds: list[Path]) -> None:
    micro = datetime.resolution
    for made in builds:
        assert value(made, "a", "orders_lifetime", CANCELLED - micro) == 2
        assert value(made, "a", "orders_lifetime", CANCELLED) == 1
        assert value(made, "a", "cancelled_orders_365d", CANCELLED - micro) == 0
        assert value(made, "a", "cancelled_orders_365d", CANCELLED) == 1
        assert value(made, "a", "open_tickets", RESOLVED - micro) == 1
        assert value(made, "a", "open_tickets", RESOLVED) == 0
        assert value(made, "b", "city", DELETED - micro) == "Köln"
        assert value(made, "b", "city", DELETED) is None


def test_labels_wait_for_the_end(builds: list[Path]) -> None:
    """The order of 20 February is kept in the first build, and cancelled in the second."""
    cutoff = datetime(2024, 1, 29)
    assert [churned(made, "a", cutoff) for made in builds] == [[(0,)], [(1,)], [(1,)]]


def test_the_increment_equals_a_full_build(builds: list[Path]) -> None:
    assert differing(builds[1], builds[2]) == {}
