"""Orders and their items as the shop's systems record them: a first version, then one per later change.

A change is a price correction, a cancellation or a return. A first version that arrives after the end of an
order already carries it. Some orders without a change are delivered again with a later ``loaded_at``.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

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
# Rare, as in real exports, but enough for every test of versions and duplicates.
CORRECTED_SHARE, REDELIVERED_SHARE = 0.02, 0.004


@dataclass(frozen=True)
class Versions:
    """Rows of orders.parquet: the order, the instant of its load, and the state of the version."""

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
    indices = np.arange(len(orders.at))
    known = np.maximum(orders.at, first_loaded)
    at_once = orders.ended_at <= known
    first = Versions(indices, first_loaded, np.zeros(len(indices), bool), at_once)

    corrected = rng.random(len(indices)) < CORRECTED_SHARE
    noticed = orders.at + (rng.exponential(3.0, len(indices)) * DAY).astype(np.int64)
    correction = after(np.maximum(noticed, known), rng)
    rows = np.flatnonzero(corrected)
    second = Versions(rows, correction[rows], corrected[rows], at_once[rows])

    known = np.where(corrected, correction, known)
    rows = np.flatnonzero((orders.ended_at < NEVER) & ~at_once)
    ending = after(np.maximum(orders.ended_at[rows], known[rows]), rng)
    third = Versions(rows, ending, corrected[rows], np.ones(len(rows), bool))

    unchanged = ~corrected & (orders.ended_at == NEVER) & (first_loaded != NONE)
    rows = np.flatnonzero(unchanged & (rng.random(len(indices)) < REDELIVERED_SHARE))
    later = first_loaded[rows] + HOUR + (rng.random(len(rows)) * 10 * DAY).astype(np.int64)
    redelivered = Versions(rows, later, corrected[rows], at_once[rows])
    return first.plus(second).plus(third).plus(redelivered)


def _orders(block: Block, versions: Versions, items: Items, as_of: int, rng: np.random.Generator) -> pa.Table:
    orders, order = block.orders, versions.order
    count = len(orders.at)
    gross = np.bincount(items.order, items.quantity * items.price, count).astype(np.int64)
    discounted = rng.random(count) < 0.35
    discount = np.where(discounted, gross * rng.integers(5, 26, count) // 100, 0)
    goodwill = (gross - discount) * rng.integers(1, 31, count) // 100
    correction = np.where(versions.corrected, goodwill[order], 0)
    is_discount_missing = (rng.random(count) < 0.05) & ~discounted
    discount_amount = np.where(
        is_discount_missing[order] & ~versions.corrected, NONE, discount[order] + correction
    )
    ended_at = np.where(versions.ended, orders.ended_at[order], NONE)
    payment = rng.choice(len(PAYMENTS), count, p=[0.52, 0.24, 0.14, 0.08, 0.02])
    channel = rng.choice(len(CHANNELS), count, p=[0.55, 0.30, 0.13, 0.02])
    table = {
        "order_id": order_ids(block, order),
        "customer_id": identifiers("C", block.first + orders.customer[order]),
        "ordered_at": instants(orders.at[order]),
        "total_amount": decimals(gross[order] - discount[order] - correction),
        "discount_amount": decimals(discount_amount),
        "payment_method": names_of_codes(payment[order], PAYMENTS),
        "channel": names_of_codes(channel[order], CHANNELS),
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
        "category": names_of_codes(category, CATEGORIES),
        "quantity": integers(items.quantity),
        "unit_price": decimals(items.price),
    }
    return deliver(table, known, as_of, rng)
