"""Deletions for random worlds: before a row is known, with it, later, and taken back by the next version.

Order lines get clocks of their own, versions and deletions.
"""

from datetime import timedelta
from decimal import Decimal
from random import Random

from tests.reference.random_facts import DAY, END, after, some_delay
from tests.reference.raw import VERSIONED
from tests.reference.worlds import World, random_world

KEYS = {"customers": ("customer_id", "registered_at", "updated_at")} | {
    table: (key, occurred, "loaded_at") for table, (key, occurred) in VERSIONED.items()
}


def withdrawn_world(seed: int, customers: int) -> World:
    """A random world with deletions, and with order lines that have a clock."""
    return clock_some_lines(withdraw_some(random_world(seed, customers), seed, share=0.2), seed, share=0.5)


def withdraw_some(world: World, seed: int, share: float) -> World:
    """Give some versions a ``deleted_at``; copies of one version get the same, the last session none."""
    for table, (key, occurred, version) in KEYS.items():
        for row in world[table]:
            version_at = row.get(version) or row[occurred]
            random = Random(f"{seed} {table} {row[key]} {version_at}")
            if random.random() < share and row[key] != "s-last":
                moved = random.choice((-1, 1, 1, 1)) * some_delay(random)
                row["deleted_at"] = min(version_at + moved + timedelta(0), END - DAY)
    return world


def clock_some_lines(world: World, seed: int, share: float) -> World:
    """Give some lines an instant of loading, before or after their order's, versions and deletions."""
    ordered_at = {row["order_id"]: row["ordered_at"] for row in world["orders"]}
    lines = {(row["order_id"], row["line_number"]): row for row in world["order_items"]}
    for (order, number), line in sorted(lines.items()):
        random = Random(f"{seed} line {order} {number}")
        if random.random() >= share:
            continue
        world["order_items"] = [row for row in world["order_items"] if row != line]
        around = ordered_at[order]
        first = random.choice((None, around - 5 * DAY, around, after(random, around)))
        versions = [{**line, "loaded_at": first}]
        while random.random() < 0.4:
            before = versions[-1]["loaded_at"] or around
            loaded_at = before + max(timedelta(microseconds=1), min(some_delay(random), 60 * DAY))
            changed = random.choice(({}, {"quantity": Decimal(7)}, {"category": "changed"}))
            versions.append({**line, **changed, "loaded_at": loaded_at})
        for row in versions:
            if random.random() < 0.3:
                row["deleted_at"] = random.choice((after(random, row["loaded_at"] or around), around - DAY))
        world["order_items"] += [row for row in versions if not row["loaded_at"] or row["loaded_at"] < END]
    return world
