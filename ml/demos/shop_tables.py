"""The shop's records of a block of customers: customers with their versions, and sessions.

``shop_orders`` and ``shop_tickets`` use ``arrival`` and ``deliver`` too: a row is in the extract as of T if
it was known by T, and it has no instant later than the one at which it was known.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from ml.demos.columns import (
    DAY,
    NONE,
    Array,
    dates,
    decimals,
    identifiers,
    instants,
    integers,
    names_of_codes,
    numbered,
)
from ml.demos.shop_process import CHANNELS, Block

HOUR = DAY // 24
MINUTE = HOUR // 60
GENDERS = ("female", "male", "other", None)
COUNTRIES = ("DE", "FR", "NL", "ES", "IT", "PL", "AT", "SE")
CITIES = (
    *("Berlin", "Hamburg", "Paris", "Lyon", "Amsterdam", "Utrecht", "Madrid", "Valencia"),
    *("Milan", "Turin", "Warsaw", "Krakow", "Vienna", "Graz", "Stockholm", "Uppsala"),
)
EXACT_COPY = 0.004  # the share of rows delivered twice


def customers(block: Block, as_of: int, rng: np.random.Generator) -> pa.Table:
    """One row per version of a customer: as registered, then up to two changes of city or verification."""
    size = block.size
    undated = rng.random(size) < 0.04
    changes = np.where(undated, 0, rng.choice(3, size, p=[0.62, 0.28, 0.10]))
    customer = np.repeat(np.arange(size), 1 + changes)
    version = position_within(customer)
    wait = MINUTE + (rng.exponential(110.0, len(customer)) * DAY).astype(np.int64)
    known = block.registered[customer] + running_total(np.where(version > 0, wait, 0), version)
    city = rng.integers(len(CITIES), size=size)[customer]
    moved = np.where(rng.random(len(customer)) < 0.5, rng.integers(len(CITIES), size=len(customer)), city)
    city = np.where(version > 0, moved, city)
    verified = rng.random((2, size))[:, customer] < np.array([[0.55], [0.35]]) + 0.25 * version
    born_days_before = rng.integers(18 * 365, 80 * 365, size)
    born = np.where(rng.random(size) < 0.05, NONE, block.registered // DAY - born_days_before)
    gender = rng.choice(len(GENDERS), size, p=[0.46, 0.42, 0.03, 0.09])
    identifier = identifiers("C", block.first + customer)
    table = {
        "customer_id": identifier,
        "registered_at": instants(block.registered[customer]),
        "birth_date": dates(born[customer]),
        "gender": names_of_codes(gender[customer], GENDERS),
        "city": names_of_codes(city, CITIES),
        "country": names_of_codes(city // 2, COUNTRIES),
        "email": emails(block, customer, rng),
        "acquisition_channel": names_of_codes(block.channel[customer], CHANNELS),
        "email_verified": pa.array(verified[0]),
        "phone_verified": pa.array(verified[1]),
        "updated_at": instants(np.where(undated[customer], NONE, known)),
    }
    return deliver(table, known, as_of, rng)


def emails(block: Block, customer: Array, rng: np.random.Generator) -> Any:
    """Addresses of a reserved domain; a few customers have none."""
    silent = rng.random(block.size) < 0.03
    names = identifiers("customer", block.first + customer)
    return pa.compute.if_else(
        pa.array(silent[customer]), None, pa.compute.binary_join_element_wise(names, "@shop.example", "")
    )


def sessions(block: Block, as_of: int, rng: np.random.Generator) -> pa.Table:
    """One row per session."""
    events = block.sessions
    count = len(events.at)
    seconds = (rng.lognormal(np.log(180_000), 0.9, count)).astype(np.int64)
    loaded_at = arrival(events.at, rng)
    customer_id = identifiers("C", block.first + events.customer)
    table = {
        "session_id": numbered(
            identifiers("S", block.first + events.customer), position_within(events.customer)
        ),
        "customer_id": customer_id,
        "started_at": instants(events.at),
        "duration_seconds": decimals(np.where(rng.random(count) < 0.03, NONE, seconds), scale=3),
        "page_views": integers(np.where(rng.random(count) < 0.02, NONE, 1 + rng.poisson(5.0, count))),
        "loaded_at": instants(loaded_at),
    }
    return deliver(table, np.maximum(events.at, loaded_at), as_of, rng)


def arrival(occurred: Array, rng: np.random.Generator) -> Array:
    """When a first version was loaded: mostly within the hour, sometimes up to 40 days late; or null."""
    count = len(occurred)
    kind = rng.choice(5, count, p=[0.10, 0.02, 0.835, 0.04, 0.005])
    share = rng.random(count)
    delay = np.select(
        [kind == 1, kind == 2, kind == 3],
        [np.zeros(count), -20 * MINUTE * np.log1p(-share), HOUR + share * 3 * DAY],
        3 * DAY + share * 37 * DAY,
    )
    return np.where(kind == 0, NONE, occurred + delay.astype(np.int64))


def after(earlier: Array, rng: np.random.Generator) -> Array:
    """When a change made at ``earlier`` at the latest is loaded: at least a second, mostly minutes later."""
    return earlier + 1_000_000 + (rng.exponential(15.0, len(earlier)) * MINUTE).astype(np.int64)


def deliver(columns: dict[str, Any], known: Array, as_of: int, rng: np.random.Generator) -> pa.Table:
    """The rows known by ``as_of`` in order of arrival, a few of them twice."""
    copies = np.flatnonzero(rng.random(len(known)) < EXACT_COPY)
    rows = np.concatenate([np.arange(len(known)), copies])
    rows = rows[known[rows] <= as_of]
    return pa.table(columns).take(pa.array(rows[np.argsort(known[rows], kind="stable")]))


def position_within(groups: Array) -> Array:
    """0, 1, 2, ... within each run of equal values."""
    starts = np.flatnonzero(np.append(True, groups[1:] != groups[:-1])[: len(groups)])
    return np.arange(len(groups)) - np.repeat(starts, np.diff(np.append(starts, len(groups))))


def running_total(values: Array, position: Array) -> Array:
    """Cumulative sum that starts anew where ``position`` is 0."""
    total = np.cumsum(values)
    starts = np.flatnonzero(position == 0)
    before = (total - values)[starts]
    return total - np.repeat(before, np.diff(np.append(starts, len(values))))
