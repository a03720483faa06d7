"""The true probability that the subscription of an account ends within the next 30 days.

It conditions on what was observable by the cut-off: plans, prices, renewals, announcements, payments, use and
tickets that *occurred* before it, and the rates that ``subscription_process`` states. The mood is filtered by
Bayes' rule, a hidden Markov model's forward pass over the days:

    weight of mood j tomorrow =
        sum over k of weight k * P(use, tickets | k) * P(no announcement | k) * P(k to j)

An end within the horizon is one already announced, one announced before the next renewal if that lies within
the horizon, or a payment, open or due within 16 days, that is never made up for. So it is calibrated, and no
model can beat it but by chance. Rows loaded late are seen here when they occurred, hence earlier than by any
feature.
"""

import numpy as np

from ml.demos import subscription_process as process
from ml.demos.columns import Array
from ml.demos.subscription_process import History

HORIZON_DAYS = 30
FIRST_MONDAY = 1  # 2023-01-02, in days since START


def true_probability(history: History) -> tuple[Array, Array, Array]:
    """Account, day and probability of every account with a subscription at each Monday."""
    accounts, days, probabilities = [], [], []
    weights = np.tile(process.FIRST_MOOD, (len(history.registered), 1))
    for day in range(process.DAYS):
        if day % 7 == FIRST_MONDAY and day > FIRST_MONDAY:
            active = np.flatnonzero(history.renews_on[day] >= 0)
            accounts.append(active)
            days.append(np.full(len(active), day))
            probabilities.append(probability(history, weights, day, active))
        weights = next_weights(history, weights, day)
    return np.concatenate(accounts), np.concatenate(days), np.concatenate(probabilities)


def next_weights(history: History, weights: Array, day: int) -> Array:
    """The weights of the moods after a day, from those before it and what the day showed."""
    plan = history.plan[day]
    is_active = plan >= 0
    is_new = is_active & (history.renews_on[day] < 0)
    weights = np.where(is_new[:, None], process.FIRST_MOOD, weights)
    unhappy = np.eye(len(process.FIRST_MOOD))[-1]
    raised = (1 - process.UNHAPPY_WITH_NEW_PRICE) * weights + process.UNHAPPY_WITH_NEW_PRICE * unhappy
    weights = np.where(history.repriced[day][:, None], raised, weights)
    likelihood = likelihood_of_use(history, day) * likelihood_of_ticket(history, day)
    # an announcement is the last thing that matters: what follows it is certain
    likelihood = likelihood * (1 - process.ANNOUNCES_A_DAY)
    weights = np.where(is_active[:, None], weights * likelihood, weights)
    weights = weights / weights.sum(axis=1, keepdims=True)
    return np.where(is_active[:, None], weights @ process.NEXT_MOOD, weights)


def likelihood_of_use(history: History, day: int) -> Array:
    """Of each mood, up to a factor common to all."""
    rate = process.use_rate(np.maximum(history.plan[day], 0), day)[:, None] * process.USE_OF_MOOD
    events = np.maximum(history.events[day], 0)[:, None]
    logs = events * np.log(rate) - rate
    return np.exp(logs - logs.max(axis=1, keepdims=True))


def likelihood_of_ticket(history: History, day: int) -> Array:
    topic = history.topic[day]
    written = process.TICKETS_A_DAY * process.TOPIC_SHARE.T[np.maximum(topic, 0)]
    return np.where((topic >= 0)[:, None], written, 1 - process.TICKETS_A_DAY)


def probability(history: History, weights: Array, day: int, accounts: Array) -> Array:
    """Of an end after the first instant of ``day``, at most HORIZON_DAYS later."""
    until_renewal = history.renews_on[day, accounts] - day
    ends_on = history.ends_on[day, accounts]
    within = until_renewal < HORIZON_DAYS
    announces = np.where(within, 1 - stays_undecided(weights[accounts], until_renewal), 0.0)
    announced = np.where(ends_on >= 0, ends_on - day < HORIZON_DAYS, announces)
    unpaid = still_unpaid(day - history.unpaid_since[day, accounts])
    unpaid = np.where(history.unpaid_since[day, accounts] >= 0, unpaid, 0.0)
    renews = (until_renewal < HORIZON_DAYS - process.ENDS_UNPAID_AFTER) & (ends_on < 0)
    next_unpaid = np.where(renews, process.PAYMENT_FAILS * (1 - process.IS_MADE_UP), 0.0)
    return 1 - (1 - announced) * (1 - unpaid) * (1 - next_unpaid)


def stays_undecided(weights: Array, days: Array) -> Array:
    """Chance of no announcement within so many days."""
    step = (1 - process.ANNOUNCES_A_DAY)[:, None] * process.NEXT_MOOD
    chance, result = weights, np.ones(len(days))
    for day in range(1, HORIZON_DAYS):
        chance = chance @ step
        result = np.where(days == day, chance.sum(axis=1), result)
    return result


def still_unpaid(age: Array) -> Array:
    """Chance that a payment that failed so many days ago, and was not made up for, never will be."""
    low, high = process.MADE_UP_AFTER
    to_come = np.clip((high - np.maximum(age, low) + 1) / (high - low + 1), 0, 1)
    never = 1 - process.IS_MADE_UP
    return never / (never + process.IS_MADE_UP * to_come)
