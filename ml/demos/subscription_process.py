"""The hidden process of the subscriptions demo: accounts day by day, and what their owner can see of them.

An account has a mood that nobody sees: content, cooling or unhappy. Each day it shows in how much the account
is used and in the tickets it opens; then the account may announce that its subscription ends with the paid
period, and then the mood may change. A new price makes some unhappy. Payments fail whatever the mood; one
that is not made up for ends the subscription two weeks after it was due, without announcement. So given the
mood at an instant, what comes does not depend on the past, and ``subscription_truth`` works out exactly what
is likely.

Days count from START. What happens within a day happens in this order: renewal, price, payment; use and
tickets; announcement; change of mood. Next: ``subscription_truth``, ``subscriptions``.
"""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from ml.demos.columns import Array

START, END = datetime(2023, 1, 1), datetime(2025, 1, 1)
DAYS = (END - START).days

# The moods: content, cooling, unhappy. With these rates a tenth of the subscriptions end within 30 days.
FIRST_MOOD = np.array([0.75, 0.20, 0.05])
NEXT_MOOD = np.array([[0.995, 0.005, 0.0], [0.012, 0.982, 0.006], [0.0, 0.015, 0.985]])
USE_OF_MOOD = np.array([1.0, 0.5, 0.15])
TICKETS_A_DAY = np.array([0.006, 0.010, 0.025])
TOPICS = ("how-to", "bug", "billing", "cancellation")
TOPIC_SHARE = np.array([[0.60, 0.25, 0.14, 0.01], [0.35, 0.40, 0.20, 0.05], [0.15, 0.40, 0.25, 0.20]])
ANNOUNCES_A_DAY = np.array([0.0003, 0.003, 0.02])

PLANS = ("basic", "team", "business")
PLAN_SHARE = np.array([0.5, 0.35, 0.15])
PRICES = np.array([1900, 4900, 14900])  # cents in 30 days
EVENTS_A_DAY = np.array([1.5, 4.0, 10.0])
USE_OF_WEEKDAY = np.array([1.15, 1.2, 1.2, 1.15, 1.0, 0.6, 0.5])  # from Monday on
PERIODS = np.array([30, 365])
IS_ANNUAL = 0.2
CHANGES_PLAN = 0.02  # at a renewal

# From this day on renewals cost more, once for each subscription.
NEW_PRICE_FROM, NEW_PRICE = (datetime(2024, 3, 1) - START).days, 1.15
UNHAPPY_WITH_NEW_PRICE = 0.08

PAYMENT_FAILS, IS_MADE_UP = 0.05, 0.8
MADE_UP_AFTER = (3, 9)  # days, both included
ENDS_UNPAID_AFTER = 14
COMES_BACK_A_DAY = 0.002

NEVER = np.iinfo(np.int64).max
# kinds of record
STARTED, RENEWED, ANNOUNCED, ENDED_UNPAID = range(4)


@dataclass
class History:
    """What happened to a block of accounts.

    Parameters
    ----------
    registered : Array
        The day on which each account registered.
    plan : Array of days and accounts
        The plan on that day, -1 without a subscription.
    events, topic : Array of days and accounts
        Use, and the topic of a ticket, -1 without one.
    renews_on, ends_on : Array of days and accounts
        The day of the next renewal, and of an announced end (-1 for none), as known when the day begins.
    repriced : Array of days and accounts
        The price rose on that day.
    unpaid_since : Array of days and accounts
        The day a failed payment that is not made up for was due, -1 for none, when the day begins.
    records, payments : list of dict of Array
        Versions of subscriptions, and payments, in order of time.
    """

    registered: Array
    plan: Array
    events: Array
    topic: Array
    renews_on: Array
    ends_on: Array
    repriced: Array
    unpaid_since: Array
    records: list[dict[str, Array]] = field(default_factory=list)
    payments: list[dict[str, Array]] = field(default_factory=list)


@dataclass
class State:
    """The accounts on a day: one number each."""

    mood: Array
    plan: Array
    price: Array
    period: Array
    number: Array
    has_new_price: Array
    renews_on: Array
    ends_on: Array
    due_on: Array
    made_up_on: Array

    @property
    def is_active(self) -> Array:
        return self.plan >= 0


def simulate(size: int, rng: np.random.Generator) -> History:
    """The two years of ``size`` accounts."""

    def grid() -> Array:
        return np.full((DAYS, size), -1, dtype=np.int16)

    def unset() -> Array:
        return np.full(size, -1)

    history = History(
        registered=rng.integers(0, DAYS - 60, size),
        plan=grid(),
        events=grid(),
        topic=grid(),
        renews_on=grid(),
        ends_on=grid(),
        unpaid_since=grid(),
        repriced=np.zeros((DAYS, size), dtype=bool),
    )
    state = State(
        mood=np.zeros(size, dtype=int),
        plan=unset(),
        price=unset(),
        period=unset(),
        number=np.zeros(size, dtype=int),
        has_new_price=np.zeros(size, dtype=bool),
        renews_on=unset(),
        ends_on=unset(),
        due_on=unset(),
        made_up_on=unset(),
    )
    for day in range(DAYS):
        history.renews_on[day], history.ends_on[day] = state.renews_on, state.ends_on
        history.unpaid_since[day] = state.due_on
        end_subscriptions(state, history, day)
        begin_subscriptions(state, history, day, rng)
        renew_subscriptions(state, history, day, rng)
        history.plan[day] = state.plan
        show_mood(state, history, day, rng)
        announce_ends(state, history, day, rng)
        change_moods(state, rng)
    return history


def end_subscriptions(state: State, history: History, day: int) -> None:
    """Announced ends come on the day of the renewal; unpaid ones, which nobody announced, two weeks after."""
    unpaid = (state.due_on >= 0) & (state.made_up_on < 0) & (day - state.due_on >= ENDS_UNPAID_AFTER)
    record(history, state, np.flatnonzero(unpaid & state.is_active), day, ENDED_UNPAID)
    over = state.is_active & (unpaid | ((state.ends_on >= 0) & (state.ends_on <= day)))
    made_up = (state.made_up_on >= 0) & (state.made_up_on <= day)
    state.due_on[over | made_up] = state.made_up_on[over | made_up] = -1
    state.plan[over] = state.renews_on[over] = state.ends_on[over] = -1


def begin_subscriptions(state: State, history: History, day: int, rng: np.random.Generator) -> None:
    """The first on the day of registration; some who left come back."""
    left = (state.number > 0) & ~state.is_active & (history.plan[day - 1] < 0)
    comes_back = left & (rng.random(len(state.plan)) < COMES_BACK_A_DAY)
    new = np.flatnonzero((history.registered == day) | comes_back)
    state.mood[new] = rng.choice(len(FIRST_MOOD), len(new), p=FIRST_MOOD)
    state.plan[new] = rng.choice(len(PLANS), len(new), p=PLAN_SHARE)
    state.has_new_price[new] = day >= NEW_PRICE_FROM
    state.price[new] = price_of(state, new)
    state.period[new] = PERIODS[(rng.random(len(new)) < IS_ANNUAL).astype(int)]
    state.number[new] += 1
    state.renews_on[new] = day + state.period[new]
    record(history, state, new, day, STARTED)
    take_payments(state, history, new, day, rng)


def renew_subscriptions(state: State, history: History, day: int, rng: np.random.Generator) -> None:
    """The next period, perhaps on another plan or at the new price, which makes some unhappy."""
    due = np.flatnonzero(state.is_active & (state.renews_on == day))
    changes = due[rng.random(len(due)) < CHANGES_PLAN]
    state.plan[changes] = rng.choice(len(PLANS), len(changes), p=PLAN_SHARE)
    dearer = due[~state.has_new_price[due] & (day >= NEW_PRICE_FROM)]
    state.has_new_price[dearer] = True
    history.repriced[day, dearer] = True
    state.mood[dearer[rng.random(len(dearer)) < UNHAPPY_WITH_NEW_PRICE]] = len(FIRST_MOOD) - 1
    state.price[due] = price_of(state, due)
    state.renews_on[due] = day + state.period[due]
    record(history, state, due, day, RENEWED)
    take_payments(state, history, due, day, rng)


def price_of(state: State, accounts: Array) -> Array:
    raised = np.where(state.has_new_price[accounts], NEW_PRICE, 1.0)
    return np.rint(PRICES[state.plan[accounts]] * raised).astype(np.int64)


def take_payments(
    state: State, history: History, accounts: Array, day: int, rng: np.random.Generator
) -> None:
    """Most are paid at once; of those that fail most are made up for days later."""
    fails = rng.random(len(accounts)) < PAYMENT_FAILS
    made_up = fails & (rng.random(len(accounts)) < IS_MADE_UP)
    low, high = MADE_UP_AFTER
    paid_on = np.where(made_up, day + rng.integers(low, high + 1, len(accounts)), np.where(fails, -1, day))
    state.due_on[accounts] = np.where(fails, day, -1)
    state.made_up_on[accounts] = np.where(fails, paid_on, -1)
    history.payments.append(
        {
            "account": accounts,
            "number": state.number[accounts],
            "day": np.full(len(accounts), day),
            "amount": state.price[accounts] * state.period[accounts] // PERIODS[0],
            "fails": fails,
            "paid_on": paid_on,
        }
    )


def show_mood(state: State, history: History, day: int, rng: np.random.Generator) -> None:
    """Use and tickets of the day."""
    active = np.flatnonzero(state.is_active)
    mood = state.mood[active]
    history.events[day, active] = rng.poisson(use_rate(state.plan[active], day) * USE_OF_MOOD[mood])
    writes = rng.random(len(active)) < TICKETS_A_DAY[mood]
    share = np.cumsum(TOPIC_SHARE, axis=1)[mood]
    topic = (rng.random(len(active))[:, None] > share).sum(axis=1)
    history.topic[day, active[writes]] = np.minimum(topic, len(TOPICS) - 1)[writes]


def use_rate(plan: Array, day: int) -> Array:
    """Events a day of a content account; START was a Sunday."""
    return EVENTS_A_DAY[plan] * USE_OF_WEEKDAY[(day + START.weekday()) % 7]


def announce_ends(state: State, history: History, day: int, rng: np.random.Generator) -> None:
    undecided = state.is_active & (state.ends_on < 0)
    announces = np.flatnonzero(undecided & (rng.random(len(state.plan)) < ANNOUNCES_A_DAY[state.mood]))
    state.ends_on[announces] = state.renews_on[announces]
    record(history, state, announces, day, ANNOUNCED)


def change_moods(state: State, rng: np.random.Generator) -> None:
    share = np.cumsum(NEXT_MOOD, axis=1)[state.mood]
    state.mood = np.minimum((rng.random(len(state.mood))[:, None] > share).sum(axis=1), len(FIRST_MOOD) - 1)


def record(history: History, state: State, accounts: Array, day: int, kind: int) -> None:
    history.records.append(
        {
            "account": accounts,
            "number": state.number[accounts],
            "day": np.full(len(accounts), day),
            "kind": np.full(len(accounts), kind),
            "plan": state.plan[accounts],
            "price": state.price[accounts],
            "renews_on": state.renews_on[accounts],
            "ends_on": np.where(kind == ENDED_UNPAID, day, state.ends_on[accounts]),
        }
    )
