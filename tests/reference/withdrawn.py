"""Deletions for random worlds: before a row is known, with it, later, and taken back by the next version."""

from datetime import timedelta
from random import Random

from tests.reference.random_facts import DAY, END, some_delay
from tests.reference.raw import VERSIONED
from tests.reference.worlds import World

KEYS = {"customers": ("customer_id", "registered_at", "updated_at")} | {
    table: (key, occurred, "loaded_at") for table, (key, occurred) in VERSIONED.items()
}


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
