"""The true probability that a customer of the shop places no kept order in the next 30 days.

It conditions on what anybody could see by the cut-off: every order, session and ticket that *occurred*,
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
class Seen:
    """What is seen of one stream at each entity row: how many events, and the index of the latest."""

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
    seen = _seen(block.orders, customer, cutoff)
    active = (seen.count > 0) & (seen.last_at(block.orders) > cutoff - ACTIVE_DAYS * DAY)
    return customer[active], cutoff[active]


def _seen(events: Events, customer: Array, cutoff: Array) -> Seen:
    span = process.END_US - process.START_US + DAY
    keys = events.customer * span + (events.at - process.START_US)
    upto = np.searchsorted(keys, customer * span + (cutoff - process.START_US), side="right")
    return Seen(upto - np.searchsorted(keys, customer * span), upto - 1)


def _probability(block: Block, customer: Array, cutoff: Array) -> Array:
    elder = np.flatnonzero(~block.orders.twin)
    orders = block.orders.take(elder)
    streams = (orders, block.sessions, block.tickets)
    seen = tuple(_seen(events, customer, cutoff) for events in streams)
    last_at = np.max([one.last_at(events) for one, events in zip(seen, streams, strict=True)], axis=0)
    doubt = _doubt_at_last_event(block, elder, seen, last_at, cutoff)
    leaving = process.LEAVING_A_DAY[block.channel[customer]][:, None]
    busy = process.ORDERS_A_DAY + process.SESSIONS_A_DAY + process.TICKETS_A_DAY
    lived = ((last_at - block.begins[customer]) / DAY)[:, None]
    silence = ((cutoff - last_at) / DAY)[:, None]
    quiet = np.exp(-(busy + leaving) * silence)
    here = (1 - doubt)[:, None] * quiet
    gone = doubt[:, None] + (1 - doubt)[:, None] * leaving / (busy + leaving) * (1 - quiet)
    weight = _habit_weights(seen, lived, busy)
    total = (weight * (here + gone)).sum(axis=1)
    return 1 - (weight * here * _kept_order_ahead(leaving)).sum(axis=1) / total


def _habit_weights(seen: tuple[Seen, ...], lived: Array, busy: Array) -> Array:
    """Share of each habit times the likelihood of the counts, up to a factor common to all habits."""
    rates = (process.ORDERS_A_DAY, process.SESSIONS_A_DAY, process.TICKETS_A_DAY)
    logs = np.log(process.HABIT_SHARE) - busy * lived
    for one, rate in zip(seen, rates, strict=True):
        logs = logs + one.count[:, None] * np.log(np.maximum(rate, 1e-300))
    return np.exp(logs - logs.max(axis=1, keepdims=True))


def _doubt_at_last_event(
    block: Block, elder: Array, seen: tuple[Seen, ...], last_at: Array, cutoff: Array
) -> Array:
    """Chance that the last event itself made the customer leave."""
    orders, tickets = block.orders, block.tickets
    row = np.append(elder, 0)[seen[0].last]
    order_doubt = np.where(
        orders.ended_at[row] <= cutoff, 1.0, _still_to_go_wrong((cutoff - orders.at[row]) / DAY)
    )
    doubt = np.where(orders.at[row] == last_at, order_doubt * process.LEAVES_AFTER_WRONG_ORDER, 0.0)
    if len(tickets.at) == 0:
        return doubt
    told = tickets.rated_at[seen[2].last] <= cutoff
    bad = np.where(told, tickets.bad[seen[2].last], process.TICKET_IS_BAD)
    is_last = (seen[2].count > 0) & (tickets.at[seen[2].last] == last_at)
    return np.where(is_last, bad * process.LEAVES_AFTER_BAD_TICKET, doubt)


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
