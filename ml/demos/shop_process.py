"""The shop's hidden process: when customers come, what they do, and when they leave for ever.

A customer has one of four habits, which fix the rates of three independent Poisson streams: orders,
sessions, tickets. All three run from ``begins`` and stop for ever when the customer leaves. One leaves at a
constant hazard that depends on the acquisition channel, or at the instant of a bad event: an order that will
be cancelled or returned, or a ticket that deserves a score of 1 or 2, each with its own probability. So given
the habit and "still here at t", what comes after t does not depend on the past, and ``shop_truth`` works out
exactly what is likely. Next: ``shop_truth``; ``shop_tables``, ``shop_orders``, ``shop_tickets``.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ml.demos.climate import STEADY, Climate
from ml.demos.columns import DAY, Array


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970 of a naive UTC instant."""
    return (instant - datetime(1970, 1, 1)) // timedelta(microseconds=1)


START = datetime(2023, 1, 1)
END = datetime(2025, 1, 1)
START_US, END_US = microseconds(START), microseconds(END)
SECOND_YEAR_US = microseconds(datetime(2024, 1, 1))
NEVER = np.iinfo(np.int64).max

# The habits: one order at most, rare, regular and frequent orders. The rates are chosen so that churn within
# 30 days is about a third, and that no feature separates the classes.
HABIT_SHARE = np.array([0.38, 0.15, 0.37, 0.10])
ORDERS_A_DAY = np.array([0.0, 0.006, 0.07, 0.15])
SESSIONS_A_DAY = 1.1 * ORDERS_A_DAY + np.array([0.01, 0.0, 0.0, 0.0])
TICKETS_A_DAY = 0.066 * ORDERS_A_DAY + 0.0001

CHANNELS = ("organic", "paid_search", "social", "referral", "email", None)
CHANNEL_SHARE = np.array([0.30, 0.22, 0.18, 0.14, 0.11, 0.05])
LEAVING_A_DAY = np.array([0.0022, 0.0044, 0.0071, 0.0016, 0.0027, 0.0038])

ORDER_GOES_WRONG, LEAVES_AFTER_WRONG_ORDER = 0.07, 0.10
WRONG_IS_RETURN, DAYS_TO_CANCEL, DAYS_TO_RETURN = 0.4, 1.0, 12.0
TICKET_IS_BAD, LEAVES_AFTER_BAD_TICKET = 0.30, 0.25
TICKET_IS_RESOLVED, TICKET_IS_RATED = 0.92, 0.60
TWIN_ORDER = 0.006


@dataclass(frozen=True)
class Events:
    """One stream, sorted by customer and instant.

    Parameters
    ----------
    customer : Array
        Index of the customer in the block.
    at : Array
        When it happened, in microseconds since 1970.
    bad : Array
        The order will be cancelled or returned; the ticket deserves a low score.
    """

    customer: Array
    at: Array
    bad: Array

    def take(self, rows: Array) -> "Events":
        return Events(self.customer[rows], self.at[rows], self.bad[rows])


@dataclass(frozen=True)
class Orders(Events):
    """Orders; a bad one is cancelled or returned at ``ended_at``, else NEVER; a ``twin`` repeats the last."""

    ended_at: Array
    returned: Array
    twin: Array


@dataclass(frozen=True)
class Tickets(Events):
    """Tickets; the score becomes a fact at ``rated_at``, which the tables tell only if ``dated``."""

    resolved_at: Array
    rated_at: Array
    dated: Array


@dataclass(frozen=True)
class Block:
    """A block of customers and all their events until ``END``; arrays are per customer, streams per event."""

    first: int
    registered: Array
    begins: Array
    channel: Array
    orders: Orders
    sessions: Events
    tickets: Tickets

    @property
    def size(self) -> int:
        return len(self.registered)


def simulate(first: int, size: int, rng: np.random.Generator, climate: Climate = STEADY) -> Block:
    """``size`` customers, numbered from ``first``, and all their events."""
    registered = _registrations(size, rng)
    begins = np.maximum(registered, START_US)
    channel = rng.choice(len(CHANNELS), size, p=CHANNEL_SHARE)
    habit = rng.choice(len(HABIT_SHARE), size, p=HABIT_SHARE)
    patience = rng.exponential(1 / LEAVING_A_DAY[channel]) * DAY
    if climate != STEADY:
        patience = climate.lifetime(patience, SECOND_YEAR_US - begins)
    until = np.minimum(begins + patience, END_US).astype(np.int64)
    orders = _stream(ORDERS_A_DAY[habit], begins, until, ORDER_GOES_WRONG, rng, climate)
    sessions = _stream(SESSIONS_A_DAY[habit], begins, until, 0.0, rng, climate)
    tickets = _stream(TICKETS_A_DAY[habit], begins, until, TICKET_IS_BAD, rng, climate)
    leaves = np.full(size, NEVER)
    for events, probability in ((orders, LEAVES_AFTER_WRONG_ORDER), (tickets, LEAVES_AFTER_BAD_TICKET)):
        fatal = events.bad & (rng.random(len(events.at)) < probability)
        np.minimum.at(leaves, events.customer[fatal], events.at[fatal])
    orders, sessions, tickets = (
        events.take(events.at <= leaves[events.customer]) for events in (orders, sessions, tickets)
    )
    return Block(
        first, registered, begins, channel, _with_endings(orders, rng), sessions, _with_service(tickets, rng)
    )


def _registrations(size: int, rng: np.random.Generator) -> Array:
    """A quarter come at the start or in the 60 days before it, the others evenly over the two years."""
    group, share = rng.random(size), rng.random(size)
    before = START_US - share * 60 * DAY
    during = START_US + share * (END_US - START_US)
    drawn = np.where(group < 0.05, START_US, np.where(group < 0.25, before, during))
    return drawn.astype(np.int64)


def _stream(
    a_day: Array, begins: Array, until: Array, bad: float, rng: np.random.Generator, climate: Climate = STEADY
) -> Events:
    """A Poisson stream per customer on ``(begins, until]``; a climate thins one of its highest rate."""
    most = climate.most(END_US - START_US)
    count = rng.poisson(a_day * most * (until - begins) / DAY)
    customer = np.repeat(np.arange(len(count)), count)
    span = (until - begins)[customer]
    at = until[customer] - np.floor(rng.random(len(customer)) * span).astype(np.int64)
    order = np.lexsort((at, customer))
    events = Events(customer, at[order], rng.random(len(customer)) < bad)
    if climate == STEADY:
        return events
    return events.take(rng.random(len(customer)) * most < climate.pace(events.at - START_US))


def _with_endings(events: Events, rng: np.random.Generator) -> Orders:
    """Cancellations and returns; now and then an order is split in two at the same instant."""
    count = len(events.at)
    returned = events.bad & (rng.random(count) < WRONG_IS_RETURN)
    delay = rng.exponential(np.where(returned, DAYS_TO_RETURN, DAYS_TO_CANCEL)) * DAY
    ended_at = np.where(events.bad, events.at + 1 + delay.astype(np.int64), NEVER)
    rows = np.repeat(np.arange(count), 1 + (rng.random(count) < TWIN_ORDER))
    twin = np.append(False, rows[1:] == rows[:-1])[: len(rows)]
    return Orders(
        events.customer[rows], events.at[rows], events.bad[rows], ended_at[rows], returned[rows], twin
    )


def _with_service(events: Events, rng: np.random.Generator) -> Tickets:
    """Resolution and rating, whose delays tell nothing about the score."""
    count = len(events.at)
    solving = (rng.lognormal(np.log(0.8), 1.1, count) * DAY).astype(np.int64)
    resolved_at = np.where(rng.random(count) < TICKET_IS_RESOLVED, events.at + 1 + solving, NEVER)
    answering = (rng.exponential(1.5, count) * DAY).astype(np.int64)
    dated = rng.random(count) < 0.85
    rating = np.where(
        dated, events.at + 1 + solving + answering, np.minimum(resolved_at, events.at + 1 + solving)
    )
    rated_at = np.where(rng.random(count) < TICKET_IS_RATED, rating, NEVER)
    return Tickets(events.customer, events.at, events.bad, resolved_at, rated_at, dated)
