"""Support tickets as the shop's systems record them: opened, then a version when resolved, one when rated.

A score comes with ``rated_at``; or, in the older tool, with the resolution and no instant of its own.
"""

import numpy as np
import pyarrow as pa

from ml.demos.columns import NONE, Array, identifiers, instants, integers, names_of_codes, numbered
from ml.demos.shop_process import NEVER, Block
from ml.demos.shop_tables import after, arrival, deliver, position_within

CATEGORIES = ("delivery", "product", "payment", "account", None)
CHANNELS = ("email", "chat", "phone", None)


def support_tickets(block: Block, as_of: int, rng: np.random.Generator) -> pa.Table:
    """One row per version of a ticket."""
    tickets = block.tickets
    count = len(tickets.at)
    ticket, stage, loaded_at = _versions(block, rng)
    score = np.where(tickets.bad, rng.integers(1, 3, count), rng.integers(3, 6, count))
    resolved = tickets.resolved_at[ticket] <= np.maximum(tickets.at[ticket], loaded_at)
    rated = stage == 2
    dated = rated & tickets.dated[ticket]
    category = rng.choice(len(CATEGORIES), count, p=[0.40, 0.25, 0.20, 0.12, 0.03])
    channel = rng.choice(len(CHANNELS), count, p=[0.45, 0.35, 0.18, 0.02])
    table = {
        "ticket_id": numbered(
            identifiers("T", block.first + tickets.customer), position_within(tickets.customer)
        ).take(pa.array(ticket)),
        "customer_id": identifiers("C", block.first + tickets.customer[ticket]),
        "opened_at": instants(tickets.at[ticket]),
        "category": names_of_codes(category[ticket], CATEGORIES),
        "channel": names_of_codes(channel[ticket], CHANNELS),
        "resolved_at": instants(np.where(resolved, tickets.resolved_at[ticket], NONE)),
        "satisfaction_score": integers(np.where(rated, score[ticket], NONE)),
        "rated_at": instants(np.where(dated, tickets.rated_at[ticket], NONE)),
        "loaded_at": instants(loaded_at),
    }
    return deliver(table, np.maximum(tickets.at[ticket], loaded_at), as_of, rng)


def _versions(block: Block, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Ticket, stage (0 opened, 1 resolved, 2 rated) and loaded_at of each version."""
    tickets = block.tickets
    indices = np.arange(len(tickets.at))
    first = arrival(tickets.at, rng)
    known = np.maximum(tickets.at, first)
    rated = tickets.rated_at < NEVER
    with_rating = rated & (tickets.rated_at == tickets.resolved_at)
    solved = np.flatnonzero((tickets.resolved_at < NEVER) & (tickets.resolved_at > known) & ~with_rating)
    solved_loaded = after(tickets.resolved_at[solved], rng)
    known[solved] = solved_loaded
    scored = np.flatnonzero(rated)
    scored_loaded = after(np.maximum(tickets.rated_at[scored], known[scored]), rng)
    stage = np.repeat([0, 1, 2], [len(indices), len(solved), len(scored)])
    return (
        np.concatenate([indices, solved, scored]),
        stage,
        np.concatenate([first, solved_loaded, scored_loaded]),
    )
