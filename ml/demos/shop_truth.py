"""The true probability that a customer of the shop places no kept order in the next 30 days.

It conditions on what was observable by the cut-off: every order, session and ticket that *occurred*,
the cancellations, returns and ratings that happened, the acquisition channel, and the rates that
``shop_process`` states. It sees neither the hidden habit nor whether the customer has left: both are
filtered, exactly, by Bayes' rule:

    weight of habit k = its share * likelihood of the counts to the last event * chance of the silence since
    P(no kept order) = 1 - sum over k of P(still here, habit k) * P(kept order ahead | still here, habit k)

So it is calibrated, and no model can beat it but by chance. Rows loaded late are seen here when they
occurred, hence earlier than by any feature; cancellations after the end of the data count as cancellations.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa

from ml.demos import shop_process as process
from ml.demos.columns import DAY, Array, identifiers, instants
from ml.demos.shop_process import Block, Events

HORIZON_DAYS = 30
ACTIVE_DAYS = 90
WEEK = timedelta(days=7) // timedelta(microseconds=1)
FIRST_MONDAY = 4 * DAY
"""1970-01-05, from which cut-offs are counted in whole weeks."""


@dataclass(frozen=True)
class Counts:
    """The observed events of one stream at each entity row: their number, and the index of the latest."""

    count: Array
    last: Array

    def last_at(self, events: Events) -> Array:
        """Instant of the last event, or 0."""
        return np.where(self.count > 0, np.append(events.at, 0)[self.last], 0)


def true_probability(block: Block, as_of: int) -> pa.Table:
    """One row per customer with an order in the 90 days up to each weekly cut-off not after ``as_of``."""
    customer, cutoff = _rows(block, as_of)
    return pa.table(
        {
            "customer_id": identifiers("C", block.first + customer),
            "event_timestamp": instants(cutoff),
            "true_probability": pa.array(_probability(block, customer, cutoff)),
        }
    )


def cutoffs(as_of: int) -> Array:
    """Mondays 00:00 UTC from the start of the data to ``as_of``."""
    first = -(-(process.START_US - FIRST_MONDAY) // WEEK)
    return FIRST_MONDAY + WEEK * np.arange(first, (as_of - FIRST_MONDAY) // WEEK + 1)


def _rows(block: Block, as_of: int) -> tuple[Array, Array]:
    mondays = cutoffs(as_of)
    customer = np.repeat(np.arange(block.size), len(mondays))
    cutoff = np.tile(mondays, block.size)
    counts = _counts(block.orders, customer, cutoff)
    active = (counts.count > 0) & (counts.last_at(block.orders) > cutoff - ACTIVE_DAYS * DAY)
    return customer[active], cutoff[active]


def _counts(events: Events, customer: Array, cutoff: Array) -> Counts:
    span = process.END_US - process.START_US + DAY
    keys = events.customer * span + (events.at - process.START_US)
    upto = np.searchsorted(keys, customer * span + (cutoff - process.START_US), side="right")
    return Counts(upto - np.searchsorted(keys, customer * span), upto - 1)


def _probability(block: Block, customer: Array, cutoff: Array) -> Array:
    first_orders = np.flatnonzero(~block.orders.twin)
    orders = block.orders.take(first_orders)
    streams = (orders, block.sessions, block.tickets)
    counts = tuple(_counts(events, customer, cutoff) for events in streams)
    last_at = np.max([count.last_at(events) for count, events in zip(counts, streams, strict=True)], axis=0)
    may_have_left = _doubt_at_last_event(block, first_orders, counts, last_at, cutoff)
    leaving = process.LEAVING_A_DAY[block.channel[customer]][:, None]
    event_rate = process.ORDERS_A_DAY + process.SESSIONS_A_DAY + process.TICKETS_A_DAY
    days_lived = ((last_at - block.begins[customer]) / DAY)[:, None]
    silence = ((cutoff - last_at) / DAY)[:, None]
    stays_silent = np.exp(-(event_rate + leaving) * silence)
    is_here = (1 - may_have_left)[:, None] * stays_silent
    has_left = may_have_left[:, None] + (1 - may_have_left)[:, None] * leaving / (event_rate + leaving) * (
        1 - stays_silent
    )
    weight = _habit_weights(counts, days_lived, event_rate)
    total = (weight * (is_here + has_left)).sum(axis=1)
    return 1 - (weight * is_here * _kept_order_ahead(leaving)).sum(axis=1) / total


def _habit_weights(counts: tuple[Counts, ...], days_lived: Array, event_rate: Array) -> Array:
    """Share of each habit times the likelihood of the counts, up to a factor common to all habits."""
    rates = (process.ORDERS_A_DAY, process.SESSIONS_A_DAY, process.TICKETS_A_DAY)
    logs = np.log(process.HABIT_SHARE) - event_rate * days_lived
    for count, rate in zip(counts, rates, strict=True):
        logs = logs + count.count[:, None] * np.log(np.maximum(rate, 1e-300))
    return np.exp(logs - logs.max(axis=1, keepdims=True))


def _doubt_at_last_event(
    block: Block, first_orders: Array, counts: tuple[Counts, ...], last_at: Array, cutoff: Array
) -> Array:
    """Chance that the last event itself made the customer leave."""
    orders, tickets = block.orders, block.tickets
    row = np.append(first_orders, 0)[counts[0].last]
    order_probability = np.where(
        orders.ended_at[row] <= cutoff, 1.0, _still_to_go_wrong((cutoff - orders.at[row]) / DAY)
    )
    probability = np.where(
        orders.at[row] == last_at, order_probability * process.LEAVES_AFTER_WRONG_ORDER, 0.0
    )
    if len(tickets.at) == 0:
        return probability
    is_rated = tickets.rated_at[counts[2].last] <= cutoff
    bad = np.where(is_rated, tickets.bad[counts[2].last], process.TICKET_IS_BAD)
    is_last = (counts[2].count > 0) & (tickets.at[counts[2].last] == last_at)
    return np.where(is_last, bad * process.LEAVES_AFTER_BAD_TICKET, probability)


def _still_to_go_wrong(age: Array) -> Array:
    """Chance that an order of ``age`` days, fine so far, will be cancelled or returned."""
    cancelling = (1 - process.WRONG_IS_RETURN) * np.exp(-age / process.DAYS_TO_CANCEL)
    returning = process.WRONG_IS_RETURN * np.exp(-age / process.DAYS_TO_RETURN)
    wrong = process.ORDER_GOES_WRONG * (cancelling + returning)
    return wrong / (wrong + 1 - process.ORDER_GOES_WRONG)


def _kept_order_ahead(leaving: Array) -> Array:
    """Chance of a kept order within the horizon for one who is still here: kept order and leaving compete."""
    kept = process.ORDERS_A_DAY * (1 - process.ORDER_GOES_WRONG)
    wrong = process.ORDERS_A_DAY * process.ORDER_GOES_WRONG * process.LEAVES_AFTER_WRONG_ORDER
    bad = process.TICKETS_A_DAY * process.TICKET_IS_BAD * process.LEAVES_AFTER_BAD_TICKET
    either = kept + leaving + wrong + bad
    return kept / either * (1 - np.exp(-either * HORIZON_DAYS))
