"""The README's picture of a frozen window, from the published build: run after 'make demo'.

    .venv/bin/python docs/pictures.py

For the busiest customer who then stays away longest it draws orders of the last 30 days as they are, and as a
rolling total on the rows where orders happened, joined as-of later, would have them.
"""

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import matplotlib.pyplot as plt

from ml.home.build_manifest import data_clock
from ml.home.layout import Home

FILE = Path(__file__).parent / "frozen-window.png"
SILENT = """
    with last_seen as (
        select customer_id, max(last_order_at) as last_order_at, max(orders_30d) as busiest
        from read_parquet($files) where event_timestamp <= $clock group by customer_id
    )
    select customer_id, last_order_at from last_seen
    where last_order_at between $clock - interval 120 day and $clock - interval 60 day
    order by busiest desc, customer_id limit 1
"""
STATES = """
    select event_timestamp, orders_30d, last_order_at from read_parquet($files)
    where customer_id = $customer and event_timestamp between $start and $end order by event_timestamp
"""


def main() -> None:
    build = Home.at(None).current_build()
    files, clock = str(build / "features" / "feat_customer_orders" / "*.parquet"), data_clock(build)
    customer, last_order = duckdb.execute(SILENT, {"files": files, "clock": clock}).fetchone()  # type: ignore[misc]
    start = last_order - timedelta(days=75)
    asked = {"files": files, "customer": customer, "start": start, "end": clock}
    draw(duckdb.execute(STATES, asked).fetchall(), customer, clock)
    print(FILE)


def draw(states: list[tuple[datetime, int, datetime]], customer: str, clock: datetime) -> None:
    """Steps as they are, and frozen at the last order."""
    times = [state[0] for state in states]
    counts = [state[1] for state in states]
    orders = [at for at, _, last in states if at == last]
    figure, axis = plt.subplots(figsize=(9, 3.6), layout="constrained")
    frozen = counts[times.index(orders[-1])]
    axis.hlines(
        frozen,
        orders[-1],
        clock,
        color="#c27c2c",
        linestyle="--",
        label="frozen at the last order (the trap)",
    )
    axis.step(
        [*times, clock], [*counts, counts[-1]], where="post", color="#1b5e8c", label="orders_30d as it is"
    )
    axis.plot(orders, [0] * len(orders), "|", color="black", markersize=14, label="an order")
    axis.set_title(
        f"Customer {customer} stops buying: a window must decay to the microsecond, orders or none"
    )
    axis.set_ylabel("orders in the last 30 days")
    axis.set_ylim(bottom=-0.6)
    axis.legend(loc="upper right")
    axis.grid(alpha=0.2)
    figure.autofmt_xdate(rotation=0, ha="center")
    figure.savefig(FILE, dpi=110)


if __name__ == "__main__":
    main()
