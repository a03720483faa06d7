"""A small published build with known habits: customers who order in a rhythm until one day they stop.

Feature rows are the states at weekly cut-offs; labels and population follow from the same orders.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

START = datetime(2023, 1, 2)
WEEKS = 50
CUSTOMERS = 400
CLOCK = START + timedelta(weeks=WEEKS)
LABEL_TERMS = {"horizon_days": 30, "active_within_days": 90, "cutoff_every_days": 7, "label_delay_days": 0}
CITIES = ("Bergen", "Lyon", "Turin")
STORED = {
    "feat_customer_orders": {
        "orders_90d": "BIGINT",
        "spend_90d": "DECIMAL(18,4)",
        "orders_placed_lifetime": "BIGINT",
        "first_order_at": "TIMESTAMP",
        "last_order_at": "TIMESTAMP",
    },
    "feat_customer_engagement": {"sessions_90d": "BIGINT", "last_session_at": "TIMESTAMP"},
    "feat_customer_profile": {
        "city": "VARCHAR",
        "email_verified": "BOOLEAN",
        "never_filled": "DOUBLE",
        "registered_at": "TIMESTAMP",
    },
}
ON_DEMAND = {
    "days_since_last_order": "days(last_order_at, asked_at)",
    "days_since_first_order": "days(first_order_at, asked_at)",
    "days_since_last_session": "days(last_session_at, asked_at)",
    "tenure_days": "days(registered_at, asked_at)",
    "average_days_between_orders": "days(first_order_at, last_order_at) / (orders_placed_lifetime - 1)",
    "overdue_ratio": "days_since_last_order / average_days_between_orders",
}


def write_build(home: Path, *, customers: int = CUSTOMERS, seed: int = 1, **changes: Any) -> Path:
    """Write and publish a build; ``changes`` are SQL expressions that replace a stored feature."""
    build = home / "builds" / "build-000001"
    orders = simulate_orders(customers, seed)
    states, labels, population = observe(orders)
    with duckdb.connect() as connection:
        connection.register("states", states)
        for view, columns in STORED.items():
            chosen = [f"({changes.get(name, name)})::{kind} as {name}" for name, kind in columns.items()]
            write(
                connection,
                build / "features" / view,
                f"select customer_id, event_timestamp, {', '.join(chosen)} from states",
            )
        connection.register("labels", labels)
        write(connection, build / "labels" / "label_customer_churn", "from labels order by all")
        connection.register("population", population)
        write(connection, build / "labels" / "population_customers", "from population order by all")
    write_cards(build)
    link = home / "builds" / "current"
    link.unlink(missing_ok=True)
    link.symlink_to(build.name)
    return build


def relabel(build: Path, churned: str, where: str = "true") -> None:
    """Replace the labels of a build by what an expression says, and keep only some rows."""
    file = next((build / "labels" / "label_customer_churn").glob("*.parquet"))
    with duckdb.connect() as connection:
        connection.execute(f"create table rows as from '{file}'")
        connection.execute(
            f"""
            copy (
                select customer_id, event_timestamp, ({churned})::bigint as churned from rows where {where}
            ) to '{file}' (format parquet)
            """
        )


def simulate_orders(customers: int, seed: int) -> dict[str, np.ndarray]:
    """Days of order since START, by customer: a rhythm of their own, until they leave."""
    random = np.random.default_rng(seed)
    orders = {}
    for number in range(customers):
        gap, leaves = random.uniform(5, 40), random.exponential(260) + 20
        days = np.cumsum(random.gamma(4, gap / 4, 200)) + random.uniform(0, 120)
        kept = days[(days < min(leaves + 60, WEEKS * 7))]
        orders[f"c{number:04d}"] = kept if len(kept) else days[:1]
    return orders


def observe(orders: dict[str, np.ndarray]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """States, labels and active stretches."""
    states, labels, population = [], [], []
    for number, (customer, days) in enumerate(orders.items()):
        for week in range(WEEKS + 1):
            states.append(
                {"customer_id": customer, "event_timestamp": at(week * 7)} | state(number, days, week * 7)
            )
            if states[-1]["orders_90d"] and week * 7 + 30 <= WEEKS * 7:
                churned = int(not ((days > week * 7) & (days <= week * 7 + 30)).any())
                labels.append((customer, at(week * 7), churned))
        population += [(customer, at(day), at(day + 90)) for day in days]
    return (
        pd.DataFrame(states),
        pd.DataFrame(labels, columns=["customer_id", "event_timestamp", "churned"]),
        pd.DataFrame(population, columns=["customer_id", "active_from", "active_until"]),
    )


def state(number: int, days: np.ndarray, now: int) -> dict[str, Any]:
    """What is known of one customer on one day."""
    past = days[days <= now]
    recent = int((past > now - 90).sum())
    visits = np.concatenate([days - 0.5, days[::2] + 3])
    visits = visits[visits <= now]
    return {
        "orders_90d": recent,
        "spend_90d": recent * (10 + number % 7),
        "orders_placed_lifetime": len(past),
        "first_order_at": at(past[0]) if len(past) else None,
        "last_order_at": at(past[-1]) if len(past) else None,
        "sessions_90d": int((visits > now - 90).sum()),
        "last_session_at": at(visits.max()) if len(visits) else None,
        "city": CITIES[number % 3] if number % 5 else None,
        "email_verified": None if number % 11 == 0 else number % 2 == 0,
        "never_filled": None,
        "registered_at": at(days[0] - number % 40 - 1),
    }


def at(day: float) -> datetime:
    return START + timedelta(days=float(day))


def write(connection: duckdb.DuckDBPyConnection, folder: Path, query: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    connection.execute(f"copy ({query}) to '{folder}/slice-0001.parquet' (format parquet)")


def write_cards(build: Path) -> None:
    """build.json, manifest.json and catalog.json, as a real build has them."""
    nodes, catalog = {}, {}
    for view, columns in STORED.items():
        key = f"model.tidemark.{view}"
        meta = {"feature_view": True, "subject": view.split("_")[-1]}
        if view == "feat_customer_orders":
            meta["on_demand"] = [
                {"name": name, "formula": formula, "description": f"The {name}."}
                for name, formula in ON_DEMAND.items()
            ]
        names = ("customer_id", "event_timestamp", *columns)
        types = ("VARCHAR", "TIMESTAMP", *columns.values())
        nodes[key] = {
            "unique_id": key,
            "resource_type": "model",
            "name": view,
            "config": {"meta": meta},
            "columns": {
                name: {"name": name, "description": f"The {name}.", "config": {"meta": {}}} for name in names
            },
        }
        placed = enumerate(zip(names, types, strict=True), start=1)
        catalog[key] = {
            "columns": {
                name: {"name": name, "type": type_, "index": index} for index, (name, type_) in placed
            }
        }
    manifest = {
        "build_id": build.name,
        "load_id": "load-000001",
        "data_clock": CLOCK.isoformat(),
        "problem": LABEL_TERMS,
    }
    for file, content in (
        ("build", manifest),
        ("manifest", {"nodes": nodes}),
        ("catalog", {"nodes": catalog}),
    ):
        (build / f"{file}.json").write_text(json.dumps(content))
