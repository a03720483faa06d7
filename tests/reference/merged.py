"""Merges for random worlds: chains in any order of time, before and after what their customers do."""

from datetime import datetime, timedelta
from random import Random

from tests.reference.random_facts import DAY, END, MICRO, START, some_instant
from tests.reference.withdrawn import withdrawn_world
from tests.reference.worlds import World


def merged_world(seed: int, customers: int, share: float = 0.5) -> World:
    """A random world with deletions and clocks of lines, in which a share of the customers merge."""
    return merge_some(withdrawn_world(seed, customers), seed, share)


def merge_some(world: World, seed: int, share: float) -> World:
    """Merge some customers into others, so that chains and stars come about; some merges come twice."""
    random = Random(f"{seed} merges")
    ids = sorted({row["customer_id"] for row in world["customers"]})
    shuffled = random.sample(ids, len(ids))
    # Each into one that comes later in a random order: no circle, and chains as long as chance makes them.
    for number, old in enumerate(shuffled[:-1]):
        if random.random() < share:
            new = random.choice(shuffled[number + 1 : number + 4])
            merge = {
                "old_customer_id": old,
                "new_customer_id": new,
                "recorded_at": instant_of(random, world, old),
            }
            world["customer_merges"] += [merge] * random.choice((1, 1, 1, 2))
    random.shuffle(world["customer_merges"])
    return world


def instant_of(random: Random, world: World, old: str) -> datetime:
    """When a merge was recorded: often at, just before or just after something of the old customer's."""
    own = [
        value
        for table in ("customers", "orders", "support_tickets", "sessions")
        for row in world[table]
        if row["customer_id"] == old
        for value in row.values()
        if type(value) is datetime
    ]
    others = [merge["recorded_at"] for merge in world["customer_merges"]]
    around = random.choice(own) + random.choice((-MICRO, timedelta(0), timedelta(0), MICRO, 30 * DAY))
    instant = random.choice((around, around, some_instant(random), random.choice([around, *others[-2:]])))
    return min(max(instant, START - 400 * DAY), END - DAY)
