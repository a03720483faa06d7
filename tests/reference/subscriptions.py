"""Features of subscriptions, payments and use from the rule of time alone, and random rows to try them on.

Independent of the dbt project: raw rows in, values out, by loops over all rows.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa

from tests.reference.random_facts import END, START, some_delay, some_instant

Row = dict[str, Any]
World = dict[str, list[Row]]
WINDOWS = (7, 30, 90, 365)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
INSTANT = pa.timestamp("us")
SCHEMAS = {
    "subscriptions": pa.schema(
        {
            "subscription_id": pa.string(),
            "customer_id": pa.string(),
            "started_at": INSTANT,
            "plan": pa.string(),
            "price": pa.decimal128(18, 4),
            "renews_at": INSTANT,
            "cancelled_at": INSTANT,
            "ended_at": INSTANT,
            "loaded_at": INSTANT,
            "deleted_at": INSTANT,
        }
    ),
    "payments": pa.schema(
        {
            "payment_id": pa.string(),
            "customer_id": pa.string(),
            "due_at": INSTANT,
            "amount": pa.decimal128(18, 4),
            "failed_at": INSTANT,
            "paid_at": INSTANT,
            "loaded_at": INSTANT,
            "deleted_at": INSTANT,
        }
    ),
    "usage": pa.schema(
        {
            "customer_id": pa.string(),
            "used_on": INSTANT,
            "events": pa.int64(),
            "loaded_at": INSTANT,
            "deleted_at": INSTANT,
        }
    ),
}
OCCURRED = {"subscriptions": "started_at", "payments": "due_at", "usage": "used_on"}
KEYS = {
    "subscriptions": ("subscription_id",),
    "payments": ("payment_id",),
    "usage": ("customer_id", "used_on"),
}


def random_subscriptions(seed: int, customers: list[str], number: int = 110) -> World:
    """Rows that come late, are corrected, deleted, brought back, repeated; ends that are announced or not."""
    random = Random(seed)
    world: World = {"subscriptions": [], "payments": [], "usage": []}
    for index in range(number):
        started = some_instant(random)
        row: Row = {
            "subscription_id": f"s{index:04d}",
            "customer_id": random.choice(customers),
            "started_at": started,
            "plan": random.choice(["basic", "team", None]),
            "price": random_money(random),
            "renews_at": started + timedelta(days=30) if random.random() < 0.8 else None,
            "cancelled_at": None,
            "ended_at": None,
            "loaded_at": None,
            "deleted_at": None,
        }
        if random.random() < 0.6:
            row |= random_end(random, started)
        add_versions(world["subscriptions"], row, random, changed_subscription)
    for index in range(3 * number):
        due = some_instant(random)
        row = {
            "payment_id": f"p{index:04d}",
            "customer_id": random.choice(customers),
            "due_at": due,
            "amount": random_money(random),
            "failed_at": due + some_delay(random) if random.random() < 0.3 else None,
            "paid_at": due + some_delay(random) if random.random() < 0.6 else None,
            "loaded_at": None,
            "deleted_at": None,
        }
        add_versions(world["payments"], row, random, changed_payment)
    for customer in customers:
        first = some_instant(random).replace(hour=0, minute=0, second=0, microsecond=0)
        for day in range(60):
            row = {
                "customer_id": customer,
                "used_on": first + day * random.choice([1, 1, 2]) * DAY,
                "events": random.choice([0, 1, 2, 30]),
                "loaded_at": None,
                "deleted_at": None,
            }
            if all(
                row["used_on"] != other["used_on"]
                for other in world["usage"][-120:]
                if other["customer_id"] == customer
            ):
                add_versions(world["usage"], row, random, changed_usage)
    return {name: before_the_end(name, rows) for name, rows in world.items()}


def random_money(random: Random) -> Decimal:
    return Decimal(random.randrange(1, 9_000)) / 100


def random_end(random: Random, started: datetime) -> Row:
    """An end, announced before it, after it, or not at all."""
    ended = started + some_delay(random) + random.choice([0, 30, 300]) * DAY
    middle = started + (ended - started) / 2
    announced = random.choice([None, started, middle, middle, ended, ended + DAY])
    return {"ended_at": ended, "cancelled_at": announced}


def changed_subscription(random: Random, row: Row) -> Row:
    change = random.choice(["copy", "price", "plan", "end", "end", "no end", "renewal", "deletion"])
    if change == "price":
        return {"price": random_money(random)}
    if change == "plan":
        return {"plan": random.choice(["basic", "team", "business"])}
    if change == "end":
        return random_end(random, row["started_at"])
    if change == "no end":
        return {"ended_at": None, "cancelled_at": None}
    if change == "renewal" and row["renews_at"]:
        return {"renews_at": row["renews_at"] + 30 * DAY}
    return (
        {"deleted_at": random.choice([row["loaded_at"], row["started_at"]])} if change == "deletion" else {}
    )


def changed_payment(random: Random, row: Row) -> Row:
    change = random.choice(["copy", "amount", "failure", "payment", "deletion"])
    if change == "amount":
        return {"amount": random_money(random)}
    if change == "failure":
        return {"failed_at": row["due_at"] + some_delay(random)}
    if change == "payment":
        return {"paid_at": None if row["paid_at"] else row["due_at"] + some_delay(random)}
    return {"deleted_at": random.choice([row["loaded_at"], row["due_at"]])} if change == "deletion" else {}


def changed_usage(random: Random, row: Row) -> Row:
    change = random.choice(["copy", "events", "deletion"])
    if change == "events":
        return {"events": random.choice([0, 3, 50])}
    return {"deleted_at": random.choice([row["loaded_at"], row["used_on"]])} if change == "deletion" else {}


def add_versions(rows: list[Row], row: Row, random: Random, changed: Any) -> None:
    """A row, its later versions, and what they change; a version after a deletion brings the row back."""
    occurred = next(row[name] for name in OCCURRED.values() if name in row)
    if random.random() < 0.6:
        row["loaded_at"] = occurred + some_delay(random)
    rows.append(row)
    for _ in range(random.choice([0, 0, 1, 2, 3])):
        known = max(row["loaded_at"] or occurred + DAY, occurred) + some_delay(random) + TICK
        row = row | {"loaded_at": known, "deleted_at": None}
        row |= changed(random, row)
        rows.append(row)


def before_the_end(table: str, rows: list[Row]) -> list[Row]:
    """The rows of which nothing is recorded after END; ends may be announced for later."""
    later = {
        key_of(table, row)
        for row in rows
        for name in ("loaded_at", "deleted_at", OCCURRED[table], "failed_at", "paid_at", "cancelled_at")
        if row.get(name) and row[name] >= END
    }
    return [row for row in rows if key_of(table, row) not in later]


def key_of(table: str, row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEYS[table])


def known_at(table: str, row: Row) -> datetime:
    """A measurement of a day is known when the day is over, unless the row says when it was recorded."""
    occurred = row[OCCURRED[table]]
    undated = occurred + DAY - TICK if table == "usage" else occurred
    return max(occurred, row["loaded_at"] or undated)


def versions_at(world: World, table: str, customer: str, at: datetime) -> list[list[Row]]:
    """Of each thing of a customer, the versions that are known, in their order, copies left out."""
    things: dict[tuple[Any, ...], list[Row]] = {}
    for row in world[table]:
        if row["customer_id"] == customer and known_at(table, row) <= at:
            things.setdefault(key_of(table, row), []).append(row)
    return [distinct(table, rows) for rows in things.values()]


def distinct(table: str, rows: list[Row]) -> list[Row]:
    ordered = sorted(rows, key=lambda row: known_at(table, row))
    kept: list[Row] = []
    for row in ordered:
        if not kept or kept[-1] | {"loaded_at": None} != row | {"loaded_at": None}:
            kept.append(row)
    return kept


def withdrawn_at(table: str, versions: list[Row], index: int) -> datetime | None:
    """When the deletion that a version carries takes effect; None where the next version came before."""
    row = versions[index]
    if row["deleted_at"] is None:
        return None
    instant = max(row["deleted_at"], known_at(table, row))
    following = known_at(table, versions[index + 1]) if index + 1 < len(versions) else None
    return instant if following is None or instant < following else None


def present_versions(world: World, table: str, customer: str, at: datetime) -> list[Row]:
    """The version that holds of each thing that is not deleted."""
    rows = []
    for versions in versions_at(world, table, customer, at):
        gone = withdrawn_at(table, versions, len(versions) - 1)
        if gone is None or gone > at:
            rows.append(versions[-1])
    return rows


def features_at(world: World, customer: str, at: datetime) -> dict[str, Any]:
    """Every feature of subscriptions, payments and use of a customer at an instant."""
    return {
        **subscription_features(world, customer, at),
        **payment_features(world, customer, at),
        **usage_features(world, customer, at),
    }


def subscription_features(world: World, customer: str, at: datetime) -> dict[str, Any]:
    present = present_versions(world, "subscriptions", customer, at)
    active = [row for row in present if row["ended_at"] is None or row["ended_at"] > at]
    announced = [
        row for row in active if row["ended_at"] and row["cancelled_at"] and row["cancelled_at"] <= at
    ]
    latest = max(active, key=lambda row: (row["started_at"], row["subscription_id"]), default=None)
    year_ago = at - timedelta(days=365)
    return {
        "active_subscriptions": len(active),
        "price": sum((row["price"] for row in active), Decimal(0)),
        "plan": latest and latest["plan"],
        "subscribed_since": latest and latest["started_at"],
        "renews_at": latest and latest["renews_at"],
        "announced_ends": len(announced),
        "announced_end_at": min((row["ended_at"] for row in announced), default=None),
        "price_changes_365d": changes_at(world, customer, at, "price"),
        "plan_changes_365d": changes_at(world, customer, at, "plan"),
        "subscriptions_ended_365d": sum(
            row["ended_at"] is not None and year_ago < row["ended_at"] <= at for row in present
        ),
        "subscriptions_lifetime": len(present),
    }


def changes_at(world: World, customer: str, at: datetime, name: str) -> int:
    """Changes of a value in the last 365 days, those before a deletion left out."""
    count = 0
    for versions in versions_at(world, "subscriptions", customer, at):
        for index in range(1, len(versions)):
            before, after = versions[index - 1][name], versions[index][name]
            is_change = before is not None and after is not None and before != after
            recent = known_at("subscriptions", versions[index]) > at - timedelta(days=365)
            ends = [withdrawn_at("subscriptions", versions, later) for later in range(index, len(versions))]
            count += is_change and recent and not any(end is not None and end <= at for end in ends)
    return count


def payment_features(world: World, customer: str, at: datetime) -> dict[str, Any]:
    present = present_versions(world, "payments", customer, at)
    paid = [row for row in present if row["paid_at"] and row["paid_at"] <= at]
    failed = [row["failed_at"] for row in present if row["failed_at"] and row["failed_at"] <= at]
    values: dict[str, Any] = {"open_payments": len(present) - len(paid)}
    for days in WINDOWS:
        since = at - timedelta(days=days)
        recent = [row for row in paid if row["paid_at"] > since]
        values[f"payments_{days}d"] = len(recent)
        values[f"paid_{days}d"] = sum((row["amount"] for row in recent), Decimal(0))
        values[f"late_payments_{days}d"] = sum(row["paid_at"] > row["due_at"] + 3 * DAY for row in recent)
        values[f"failed_payments_{days}d"] = sum(instant > since for instant in failed)
    return values


def usage_features(world: World, customer: str, at: datetime) -> dict[str, Any]:
    present = present_versions(world, "usage", customer, at)
    active = [row for row in present if row["events"] > 0]
    last = max(active, key=lambda row: row["used_on"], default=None)
    values: dict[str, Any] = {
        "last_usage": last and last["events"],
        "last_used_on": last and last["used_on"],
    }
    for days in WINDOWS:
        since = at - timedelta(days=days)
        values[f"usage_{days}d"] = sum(row["events"] for row in present if row["used_on"] > since)
        values[f"active_days_{days}d"] = sum(row["used_on"] > since for row in active)
    return values


def edges(world: World, seed: int, most: int) -> list[tuple[str, datetime]]:
    """Customers at, just before and just after the instants at which something changes."""
    pairs = []
    for table, rows in world.items():
        for row in rows:
            instants = [value for name, value in row.items() if isinstance(value, datetime)] + [
                known_at(table, row)
            ]
            instants += [instant + timedelta(days=days) for instant in instants for days in WINDOWS]
            for instant in instants:
                pairs += [(row["customer_id"], instant + step * TICK) for step in (-1, 0, 1)]
    return Random(seed).sample([pair for pair in pairs if START < pair[1] < END], most)
