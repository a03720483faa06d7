"""Orders and their items as the shop's systems hold them: a first version, then one per later change.

A change is a price correction, a cancellation or a return. A first version that arrives after the end of an
order already carries it. Some orders without a change are delivered again with a later ``loaded_at``.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ml.demos.columns import DAY, NONE, Array, decimals, identifiers, instants, integers, numbered, words
from ml.demos.shop_process import NEVER, Block
from ml.demos.shop_tables import HOUR, after, arrival, deliver, position_within

PAYMENTS = ("card", "paypal", "invoice", "wallet", None)
CHANNELS = ("web", "app", "store", None)
CATEGORIES = (
    *(
        "audio",
        "bags",
        "beauty",
        "books",
        "garden",
        "grocery",
        "home",
        "office",
        "outdoor",
        "pets",
        "sports",
        "toys",
    ),
    None,
)
PRODUCTS = 1200
CORRECTED, REDELIVERED = 0.02, 0.004


@dataclass(frozen=True)
class Versions:
    """Rows of orders.parquet: which order, when loaded, and what the version carries."""

    order: Array
    loaded_at: Array
    corrected: Array
    ended: Array

    def plus(self, other: "Versions") -> "Versions":
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Versions(*(np.concatenate(pair) for pair in pairs))


@dataclass(frozen=True)
class Items:
    """Rows of order_items.parquet, money in cents."""

    order: Array
    product: Array
    quantity: Array
    price: Array


def orders_and_items(block: Block, as_of: int, rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """One row per version of an order, and one row per item of the orders known by ``as_of``."""
    first_loaded = arrival(block.orders.at, rng)
    items = _items(len(block.orders.at), rng)
    versions = _versions(block, first_loaded, rng)
    orders = _orders(block, versions, items, as_of, rng)
    known = np.maximum(block.orders.at, first_loaded)[items.order]
    return orders, _item_table(block, items, known, as_of, rng)


def _versions(block: Block, first_loaded: Array, rng: np.random.Generator) -> Versions:
    orders = block.orders
    every = np.arange(len(orders.at))
    known = np.maximum(orders.at, first_loaded)
    at_once = orders.ended_at <= known
    first = Versions(every, first_loaded, np.zeros(len(every), bool), at_once)

    corrected = rng.random(len(every)) < CORRECTED
    noticed = orders.at + (rng.exponential(3.0, len(every)) * DAY).astype(np.int64)
    correction = after(np.maximum(noticed, known), rng)
    some = np.flatnonzero(corrected)
    second = Versions(some, correction[some], corrected[some], at_once[some])

    known = np.where(corrected, correction, known)
    some = np.flatnonzero((orders.ended_at < NEVER) & ~at_once)
    ending = after(np.maximum(orders.ended_at[some], known[some]), rng)
    third = Versions(some, ending, corrected[some], np.ones(len(some), bool))

    unchanged = ~corrected & (orders.ended_at == NEVER) & (first_loaded != NONE)
    some = np.flatnonzero(unchanged & (rng.random(len(every)) < REDELIVERED))
    later = first_loaded[some] + HOUR + (rng.random(len(some)) * 10 * DAY).astype(np.int64)
    again = Versions(some, later, corrected[some], at_once[some])
    return first.plus(second).plus(third).plus(again)


def _orders(block: Block, versions: Versions, items: Items, as_of: int, rng: np.random.Generator) -> pa.Table:
    orders, order = block.orders, versions.order
    count = len(orders.at)
    gross = np.bincount(items.order, items.quantity * items.price, count).astype(np.int64)
    discounted = rng.random(count) < 0.35
    discount = np.where(discounted, gross * rng.integers(5, 26, count) // 100, 0)
    goodwill = (gross - discount) * rng.integers(1, 31, count) // 100
    correction = np.where(versions.corrected, goodwill[order], 0)
    untold = (rng.random(count) < 0.05) & ~discounted
    told = np.where(untold[order] & ~versions.corrected, NONE, discount[order] + correction)
    ended_at = np.where(versions.ended, orders.ended_at[order], NONE)
    payment = rng.choice(len(PAYMENTS), count, p=[0.52, 0.24, 0.14, 0.08, 0.02])
    channel = rng.choice(len(CHANNELS), count, p=[0.55, 0.30, 0.13, 0.02])
    table = {
        "order_id": order_ids(block, order),
        "customer_id": identifiers("C", block.first + orders.customer[order]),
        "ordered_at": instants(orders.at[order]),
        "total_amount": decimals(gross[order] - discount[order] - correction),
        "discount_amount": decimals(told),
        "payment_method": words(payment[order], PAYMENTS),
        "channel": words(channel[order], CHANNELS),
        "cancelled_at": instants(np.where(orders.returned[order], NONE, ended_at)),
        "returned_at": instants(np.where(orders.returned[order], ended_at, NONE)),
        "loaded_at": instants(versions.loaded_at),
    }
    return deliver(table, np.maximum(orders.at[order], versions.loaded_at), as_of, rng)


def order_ids(block: Block, order: Array) -> pa.Array:
    """The customer's number and the order's rank, so that an identifier is the same in every extract."""
    customer = block.orders.customer
    return numbered(identifiers("O", block.first + customer), position_within(customer)).take(pa.array(order))


def _items(orders: int, rng: np.random.Generator) -> Items:
    order = np.repeat(np.arange(orders), 1 + rng.poisson(1.5, orders))
    product = (PRODUCTS * rng.random(len(order)) ** 2).astype(np.int64)
    quantity = rng.choice([1, 2, 3, 4], len(order), p=[0.75, 0.16, 0.06, 0.03])
    shelf = np.random.default_rng(PRODUCTS)
    price = 99 + 100 * (shelf.lognormal(np.log(18), 0.8, PRODUCTS)).astype(np.int64)
    return Items(order, product, quantity, price[product])


def _item_table(block: Block, items: Items, known: Array, as_of: int, rng: np.random.Generator) -> pa.Table:
    category = np.where(items.product % 97 == 0, len(CATEGORIES) - 1, items.product % 12)
    table = {
        "order_id": order_ids(block, items.order),
        "line_number": integers(1 + position_within(items.order)),
        "product_id": identifiers("P", items.product, width=4),
        "category": words(category, CATEGORIES),
        "quantity": integers(items.quantity),
        "unit_price": decimals(items.price),
    }
    return deliver(table, known, as_of, rng)
