"""The subscriptions demo: two simulated years (2023 and 2024) of accounts, and the true probabilities.

    <folder>/{customers,subscriptions,payments,usage,support_tickets,ticket_messages}.parquet
    <folder>/../truth/true_probability.parquet

An announced end is a version of its own; a few subscriptions come from an older system, which delivers one
row as it is in the end, with the announcement and the end in it. Rows come minutes after they happened, some
days late; some are corrected, a few come twice. See ``subscription_process`` and ``subscription_truth``.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml.common.errors import UsageError
from ml.common.progress import SILENT, Progress
from ml.demos import subscription_process as process
from ml.demos.columns import (
    DAY,
    NONE,
    Array,
    decimals,
    identifiers,
    instants,
    integers,
    names_of_codes,
    numbered,
)
from ml.demos.shop_process import microseconds
from ml.demos.shop_tables import HOUR, MINUTE, deliver
from ml.demos.subscription_process import ANNOUNCED, ENDED_UNPAID, STARTED, History
from ml.demos.subscription_truth import true_probability

BLOCK = 5_000  # accounts in memory at once; changing it changes the data of a seed
START_US = microseconds(process.START)
LATE, CORRECTED, UNDATED, OLD_SYSTEM = 0.02, 0.01, 0.05, 0.05
COUNTRIES = ("DE", "FR", "NL", "ES", "SE", None)
CHANNELS = ("organic", "paid_search", "partner", "referral", None)
SUBJECTS = {
    "how-to": ("How do I export a report?", "Inviting a colleague", "Where is the setting for languages?"),
    "bug": ("Export fails with an error", "The page stays empty", "Numbers are wrong since yesterday"),
    "billing": ("Question about the last invoice", "Please change our address on invoices", "Charged twice?"),
    "cancellation": (
        "How do we cancel?",
        "We are leaving, how do we get our data",
        "Ending our subscription",
    ),
}
# What a ticket's owner writes depends on its topic alone: the words tell no more of the mood than that does.
MESSAGES = {
    "how-to": (
        "Could you tell me where I find it? Thank you!",
        "The help page is great but I cannot see this setting.",
        "It works well otherwise, we are happy with it.",
    ),
    "bug": (
        "There is an error each time, the page stays empty.",
        "The numbers are wrong again, this is the second problem in a month.",
        "It is slow and then it fails. Please help, it was so easy before.",
    ),
    "billing": (
        "We were charged twice for this month, please refund one payment.",
        "The invoice has the old address. Thanks for a new one.",
        "The price on the invoice is not what I expected.",
    ),
    "cancellation": (
        "We want to cancel at the end of the month.",
        "We are leaving for another tool, it became too expensive. How do we get our data?",
        "Please terminate our subscription. Thank you for your help.",
    ),
}
ANSWER = "Thank you for your message, we look into the problem."
ANSWERED = 0.9


def write_subscriptions(
    folder: Path,
    customers: int = 2_000,
    seed: int = 7,
    progress: Progress = SILENT,
    as_of: datetime | None = None,
) -> None:
    """Write the raw tables to ``folder``, and the true probabilities to ``truth/`` beside it.

    The same accounts and seed give the same rows. An extract as of T holds exactly the rows and versions of
    the whole that were known by T.

    Parameters
    ----------
    folder : Path
        The folder to write to; it is made if missing, and its tables are replaced.
    customers : int
        The number of accounts; each has about 200 days of use.
    seed : int
        Seed of all random numbers.
    progress : Progress
        Shows a bar with a step per block.
    as_of : datetime, optional
        An instant of 2023 or 2024, naive UTC; by default 2025-01-01, the end of the data.

    Raises
    ------
    UsageError
        The number of accounts, the seed or the instant is outside its range.
    """
    as_of = as_of or process.END
    if customers < 1 or seed < 0 or not process.START <= as_of <= process.END:
        raise UsageError(
            f"the demo has one account or more, a seed of 0 or more and data from {process.START:%Y-%m-%d} "
            f"to {process.END:%Y-%m-%d}, not {customers}, {seed} and {as_of}"
        )
    truth = folder.parent / "truth"
    parts: dict[str, list[pa.Table]] = {}
    with progress.bar("making the accounts", -(-customers // BLOCK)) as bar:
        for number, first in enumerate(range(0, customers, BLOCK)):
            rng = np.random.default_rng([seed, number])
            history = process.simulate(min(BLOCK, customers - first), rng)
            for name, table in tables(history, 1 + first, microseconds(as_of), rng).items():
                parts.setdefault(name, []).append(table)
            bar.step()
    for name, made in parts.items():
        path = (truth if name == "true_probability" else folder) / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.concat_tables(made), path, compression="zstd")


def tables(history: History, first: int, as_of: int, rng: np.random.Generator) -> dict[str, pa.Table]:
    """The tables of a block of accounts, and their true probabilities."""
    size = len(history.registered)
    # From midnight to six: renewals come before what the account does on a day.
    clock = rng.integers(MINUTE, 6 * HOUR, size)
    account, day, probability = true_probability(history)
    is_past = START_US + day * DAY <= as_of
    return {
        "customers": customers_table(history, first, clock, as_of, rng),
        "subscriptions": subscriptions_table(history, first, clock, as_of, rng),
        "payments": payments_table(history, first, clock, as_of, rng),
        "usage": usage_table(history, first, as_of, rng),
        **ticket_tables(history, first, as_of, rng),
        "true_probability": pa.table(
            {
                "customer_id": identifiers("A", first + account),
                "event_timestamp": instants(START_US + day * DAY),
                "true_probability": pa.array(probability),
            }
        ).filter(pa.array(is_past)),
    }


def loaded(occurred: Array, rng: np.random.Generator) -> Array:
    """When a row was recorded: minutes after it happened, some up to three days."""
    late = rng.random(len(occurred)) < LATE
    delay = np.where(
        late, rng.integers(HOUR, 3 * DAY, len(occurred)), rng.exponential(5 * MINUTE, len(occurred))
    )
    return occurred + 1_000_000 + delay.astype(np.int64)


def customers_table(
    history: History, first: int, clock: Array, as_of: int, rng: np.random.Generator
) -> pa.Table:
    size = len(history.registered)
    registered = START_US + history.registered * DAY + clock
    numbers = first + np.arange(size)
    columns = {
        "customer_id": identifiers("A", numbers),
        "registered_at": instants(registered),
        "country": names_of_codes(rng.choice(len(COUNTRIES), size), COUNTRIES),
        "email": pa.compute.binary_join_element_wise(identifiers("owner", numbers), "@accounts.example", ""),
        "acquisition_channel": names_of_codes(rng.choice(len(CHANNELS), size), CHANNELS),
        "updated_at": instants(registered),
    }
    return deliver(columns, registered, as_of, rng)


def subscriptions_table(
    history: History, first: int, clock: Array, as_of: int, rng: np.random.Generator
) -> pa.Table:
    """One row per version: started, renewed, announced to end, ended unpaid."""
    records = joined(history.records)
    account, number, kind = records["account"], records["number"], records["kind"]
    acts = rng.integers(8 * HOUR, 22 * HOUR, len(account))
    happened = START_US + records["day"] * DAY + np.where(kind == ANNOUNCED, acts, clock[account])
    _, subscription = np.unique(account * 1_000 + number, return_inverse=True)
    recorded = in_order(loaded(happened, rng), subscription)
    old_account = rng.random(len(clock)) < OLD_SYSTEM
    is_old, is_final = in_the_old_system(records, subscription, recorded, as_of, old_account)
    at_clock = {name: START_US + records[name] * DAY + clock[account] for name in ("renews_on", "ends_on")}
    columns = {
        "subscription_id": numbered(identifiers("A", first + account), number, width=2),
        "customer_id": identifiers("A", first + account),
        "started_at": instants(column_at_start(records, subscription, happened)),
        "plan": names_of_codes(records["plan"], process.PLANS),
        "price": decimals(records["price"]),
        "renews_at": instants(np.where(is_old, NONE, at_clock["renews_on"])),
        "cancelled_at": instants(announcements(records, subscription, happened)),
        "ended_at": instants(np.where(records["ends_on"] >= 0, at_clock["ends_on"], NONE)),
        "loaded_at": instants(np.where(is_old, NONE, recorded)),
    }
    return deliver(columns, np.where(is_old & ~is_final, process.NEVER, recorded), as_of, rng)


def in_the_old_system(
    records: dict[str, Array], subscription: Array, recorded: Array, as_of: int, old_account: Array
) -> tuple[Array, Array]:
    """Which versions are of subscriptions in an older system, and which of them is the row that it delivers.

    It overwrites its rows and does not say when: a row holds all that has happened, announced ends too.
    """
    number = subscription.max() + 1
    changed = np.zeros(number, dtype=bool)
    for column in (records["plan"], records["price"]):
        np.logical_or.at(changed, subscription, column != column_at_start(records, subscription, column))
    newest = np.full(number, NONE)
    known = recorded <= as_of
    np.maximum.at(newest, subscription[known], recorded[known])
    return old_account[records["account"]] & ~changed[subscription], recorded == newest[subscription]


def column_at_start(records: dict[str, Array], subscription: Array, column: Array) -> Array:
    """For each version, the value of a column when its subscription started."""
    starts = records["kind"] == STARTED
    values = np.empty(subscription.max() + 1, dtype=column.dtype)
    values[subscription[starts]] = column[starts]
    return values[subscription]


def announcements(records: dict[str, Array], subscription: Array, happened: Array) -> Array:
    """When the end of each version's subscription was announced, as far as the version says so.

    An announced end stands, if the subscription ends unpaid before it.
    """
    announced = np.full(subscription.max() + 1, NONE)
    is_announcement = records["kind"] == ANNOUNCED
    announced[subscription[is_announcement]] = happened[is_announcement]
    return np.where(is_announcement | (records["kind"] == ENDED_UNPAID), announced[subscription], NONE)


def in_order(recorded: Array, subscription: Array) -> Array:
    """Versions of one thing are recorded one after the other: none before the one that came first."""
    result = recorded.copy()
    ends = np.flatnonzero(np.diff(np.sort(subscription))) + 1
    for positions in np.split(np.argsort(subscription, kind="stable"), ends):
        result[positions] = np.maximum.accumulate(recorded[positions]) + np.arange(len(positions))
    return result


def payments_table(
    history: History, first: int, clock: Array, as_of: int, rng: np.random.Generator
) -> pa.Table:
    """One row per version: paid at once; or failed, and perhaps made up for."""
    payments = joined(history.payments)
    account, fails = payments["account"], payments["fails"]
    due = START_US + payments["day"] * DAY + clock[account]
    made_up = np.flatnonzero(fails & (payments["paid_on"] >= 0))
    failed_at = np.where(fails, due + rng.integers(MINUTE, HOUR, len(due)), NONE)
    at_once = due + rng.integers(MINUTE, HOUR, len(due))
    later = START_US + payments["paid_on"] * DAY + rng.integers(8 * HOUR, 22 * HOUR, len(due))
    row = np.concatenate([np.arange(len(due)), made_up])
    is_second = np.arange(len(row)) >= len(due)
    paid_at = np.where(is_second, later[row], np.where(fails[row], NONE, at_once[row]))
    recorded = loaded(np.where(paid_at != NONE, paid_at, failed_at[row]), rng)
    recorded[is_second] = np.maximum(recorded[is_second], recorded[made_up] + 1)
    sequence = np.argsort(np.argsort(payments["day"], kind="stable"), kind="stable")
    columns = {
        "payment_id": numbered(identifiers("A", first + account), sequence, width=6).take(pa.array(row)),
        "customer_id": identifiers("A", first + account[row]),
        "due_at": instants(due[row]),
        "amount": decimals(payments["amount"][row]),
        "failed_at": instants(failed_at[row]),
        "paid_at": instants(paid_at),
        "loaded_at": instants(recorded),
    }
    return deliver(columns, recorded, as_of, rng)


def usage_table(history: History, first: int, as_of: int, rng: np.random.Generator) -> pa.Table:
    """One row per account and day with use; some counts were too low at first."""
    day, account = np.nonzero(history.events > 0)
    events = history.events[day, account].astype(np.int64)
    midnight = START_US + day * DAY
    recorded = loaded(midnight + DAY + 3 * HOUR, rng)
    corrected = np.flatnonzero((rng.random(len(day)) < CORRECTED) & (events > 1))
    row = np.concatenate([np.arange(len(day)), corrected])
    is_correction = np.arange(len(row)) >= len(day)
    counts = events[row]
    counts[corrected] = events[corrected] // 2
    known = np.where(is_correction, recorded[row] + 2 * DAY, recorded[row])
    # Without loaded_at a day counts when it is over.
    undated = ~is_correction & (rng.random(len(row)) < UNDATED)
    undated[corrected] = False
    columns = {
        "customer_id": identifiers("A", first + account[row]),
        "used_on": instants(midnight[row]),
        "events": integers(counts),
        "loaded_at": instants(np.where(undated, NONE, known)),
    }
    return deliver(columns, known, as_of, rng)


def ticket_tables(history: History, first: int, as_of: int, rng: np.random.Generator) -> dict[str, pa.Table]:
    """Tickets, one row per version: opened, resolved; and their messages."""
    day, account = np.nonzero(history.topic >= 0)
    topic = history.topic[day, account]
    opened = START_US + day * DAY + rng.integers(8 * HOUR, 22 * HOUR, len(day))
    resolved_at = opened + rng.integers(HOUR, 6 * DAY, len(day))
    row = np.concatenate([np.arange(len(day)), np.arange(len(day))])
    is_resolved = np.arange(len(row)) >= len(day)
    recorded = loaded(np.where(is_resolved, resolved_at[row], opened[row]), rng)
    recorded[is_resolved] = np.maximum(recorded[is_resolved], recorded[: len(day)] + 1)
    subjects = [text for texts in SUBJECTS.values() for text in texts]
    subject = topic * len(SUBJECTS["bug"]) + rng.integers(0, len(SUBJECTS["bug"]), len(day))
    columns: dict[str, Any] = {
        "ticket_id": numbered(identifiers("A", first + account), day, width=4).take(pa.array(row)),
        "customer_id": identifiers("A", first + account[row]),
        "opened_at": instants(opened[row]),
        "category": names_of_codes(topic[row], process.TOPICS),
        "subject": names_of_codes(subject[row], subjects),
        "resolved_at": instants(np.where(is_resolved, resolved_at[row], NONE)),
        "loaded_at": instants(recorded),
    }
    ticket_ids = numbered(identifiers("A", first + account), day, width=4)
    # a generator of their own: what else the seed gives stays as it is
    messages = messages_table(ticket_ids, topic, opened, as_of, rng.spawn(1)[0])
    return {"support_tickets": deliver(columns, recorded, as_of, rng), "ticket_messages": messages}


def messages_table(
    ticket_ids: pa.Array, topic: Array, opened: Array, as_of: int, rng: np.random.Generator
) -> pa.Table:
    """The owner's message that opens each ticket, and most often an answer."""
    ticket = np.concatenate([np.arange(len(topic)), np.flatnonzero(rng.random(len(topic)) < ANSWERED)])
    is_answer = np.arange(len(ticket)) >= len(topic)
    texts = [text for of_topic in MESSAGES.values() for text in of_topic]
    choices = len(MESSAGES["bug"])
    text = topic[ticket] * choices + rng.integers(0, choices, len(ticket))
    written = opened[ticket] + np.where(is_answer, rng.integers(5 * MINUTE, DAY, len(ticket)), 0)
    recorded = loaded(written, rng)
    columns: dict[str, Any] = {
        "message_id": numbered(ticket_ids.take(pa.array(ticket)), is_answer + 1, width=1),
        "ticket_id": ticket_ids.take(pa.array(ticket)),
        "written_at": instants(written),
        "author": names_of_codes(is_answer.astype(np.int64), ("customer", "agent")),
        "body": names_of_codes(np.where(is_answer, len(texts), text), [*texts, ANSWER]),
        "loaded_at": instants(recorded),
    }
    return deliver(columns, recorded, as_of, rng)


def joined(records: list[dict[str, Array]]) -> dict[str, Array]:
    return {name: np.concatenate([record[name] for record in records]) for name in records[0]}
