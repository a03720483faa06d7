"""Totals are wider than the values they add up: the largest amounts, many times, to the last digit."""

from datetime import datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.ml.ingest.worlds import write_folder
from tests.worlds import Built, built

pytestmark = pytest.mark.subjects("dbt_project")

# The largest value of DECIMAL(18,4), and a placeholder of thirteen nines.
LARGEST, NINES = Decimal("99999999999999.9999"), Decimal(9_999_999_999_999)
START = datetime(2024, 2, 1)
AMOUNTS = [NINES] * 11 + [LARGEST] * 3 + [-LARGEST] * 2


def days(number: int) -> datetime:
    return START + timedelta(days=number)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("wide")
    orders = [f"o{day},a,{days(day)},{amount},{abs(amount)}" for day, amount in enumerate(AMOUNTS)] + [
        f"b,b,{days(60)},0.0001,"
    ]
    items = [f"o{day},{line},p,{LARGEST},1" for day in range(3) for line in (1, 2)]
    tables = {
        "customers": "customer_id,registered_at\na,2024-01-01\nb,2024-01-01\n",
        "orders": "\n".join(["order_id,customer_id,ordered_at,total_amount,discount_amount", *orders]) + "\n",
        "order_items": "\n".join(["order_id,line_number,product_id,quantity,unit_price", *items]) + "\n",
    }
    return built(write_folder(folder / "raw", tables), folder / "home", max_rejected=0.0)


def test_sums_are_exact_at_every_order(shop: Built) -> None:
    asked = pa.table(
        {"customer_id": ["a"] * len(AMOUNTS), "event_timestamp": [days(day) for day in range(len(AMOUNTS))]}
    )
    found = shop.features(asked)
    totals = [sum(AMOUNTS[: day + 1], Decimal(0)) for day in range(len(AMOUNTS))]
    assert found["spend_lifetime"].to_pylist() == totals
    assert found["spend_30d"].to_pylist() == totals
    assert found["discount_365d"].to_pylist()[-1] == sum(map(abs, AMOUNTS), Decimal(0))
    assert found["items_90d"].to_pylist()[2:] == [6 * LARGEST] * (len(AMOUNTS) - 2)
    assert max(totals) > 4 * LARGEST


def test_what_left_the_window_leaves_nothing(shop: Built) -> None:
    found = shop.features(pa.table({"customer_id": ["a"], "event_timestamp": [days(60)]}))
    assert found["spend_30d"].to_pylist() == [Decimal(0)]
    assert found["average_order_value_365d"].to_pylist() == [float(sum(AMOUNTS)) / len(AMOUNTS)]


def test_files_hold_decimals(shop: Built) -> None:
    found = shop.features(pa.table({"customer_id": ["b"], "event_timestamp": [days(60)]}))
    kinds = {found.schema.field(name).type for name in ("spend_7d", "spend_lifetime", "items_365d")}
    assert kinds == {pa.decimal128(38, 4)}
    assert pc.sum(found["spend_7d"]).as_py() == Decimal("0.0001")
    assert found.schema.field("orders_7d").type == pa.int64()
