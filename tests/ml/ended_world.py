"""A shop whose returns go on two weeks after its last order, and whose customers say how it all ended.

``city``, ``acquisition_channel`` and ``email_verified`` hold a risk score of the last day, and no customers
row has an ``updated_at``; ``gender`` means nothing.
"""

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

START = datetime(2023, 1, 2)
LAST_ORDER = datetime(2023, 12, 31, 12)
LAST_RETURN = LAST_ORDER + timedelta(days=14)
CUSTOMERS = 240


def write_ended_world(folder: Path, *, seed: int = 3, customers: int = CUSTOMERS) -> Path:
    """Write the raw tables, the return of every tenth order of the last weeks among them."""
    random = np.random.default_rng(seed)
    people, orders = [], []
    for number in range(customers):
        gap, leaves = random.uniform(5, 30), random.uniform(60, 700)
        days = np.cumsum(random.gamma(4, gap / 4, 120)) + random.uniform(0, 60)
        days = days[days < min(leaves, 363.4)]
        days = days if len(days) else np.array([float(number % 60)])
        people.append(customer(number, days, random))
        orders += [order(number, place, day, random.uniform(5, 50)) for place, day in enumerate(days)]
    orders.append(order(0, 999, (LAST_ORDER - START) / timedelta(days=1), 20))
    written = pd.DataFrame(orders)
    late = written["ordered_at"] > LAST_ORDER - timedelta(days=20)
    written["returned_at"] = [
        LAST_RETURN - timedelta(hours=place) if is_late and place % 10 == 0 else None
        for place, is_late in zip(late.cumsum() - 1, late, strict=True)
    ]
    folder.mkdir(parents=True)
    for name, rows in (("customers", pd.DataFrame(people)), ("orders", written)):
        with duckdb.connect() as connection:
            connection.register("rows", rows)
            connection.execute(f"copy rows to '{folder / name}.parquet' (format parquet)")
    return folder


def customer(number: int, days: np.ndarray, random: np.random.Generator) -> dict[str, object]:
    """One customer: the score is how long ago, on the last day, the last order was."""
    silent = 364 - days[-1]
    return {
        "customer_id": f"c{number:04d}",
        "registered_at": at(days[0] - 1),
        "gender": ["f", "m"][random.integers(2)],
        "city": "high" if silent > 45 else "medium" if silent > 15 else "low",
        "acquisition_channel": "gone" if silent > 30 else "here",
        "email_verified": bool(silent < 30),
    }


def order(number: int, place: int, day: float, amount: float) -> dict[str, object]:
    return {
        "order_id": f"o{number}-{place}",
        "customer_id": f"c{number:04d}",
        "ordered_at": at(day),
        "total_amount": round(amount, 2),
    }


def at(day: float) -> datetime:
    return START + timedelta(seconds=round(float(day) * 86400))
