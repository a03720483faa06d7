"""Definitions of churn that fit how often people buy: from the gaps between a customer's orders.

Order instants come in; what the present definition and others would give comes out, and which of them is
proposed. Only orders that the training rows' labels have seen are read: later parts stay unseen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.common.instants import parse_instant
from ml.config.problem import Problem
from ml.explore.rows import Rows
from ml.features.labels import parquet
from ml.featurestore.catalog import Catalog

LAST_ORDER = "last_order_at"
HORIZONS = (7, 14, 30, 60, 90, 120, 180, 365)  # round numbers of days that a team can speak of
SPANS = (14, 30, 60, 90, 180, 365, 730)
QUANTILE = 0.8  # of the gaps: who is silent for longer is late by the measure of four gaps in five
TOO_MUCH, TOO_LITTLE = 0.6, 0.02  # shares of churners between which a definition tells people apart
DAY = 86_400.0
MOST_CUSTOMERS = 20_000  # drawn by a hash of the key: the shares need no more
Days = NDArray[np.float64]


@dataclass(frozen=True)
class Orders:
    """Each customer's orders in time.

    Parameters
    ----------
    customers : array of shape (orders,)
        A whole number for each customer, ascending.
    days : array of shape (orders,)
        Days since the first order of all, ascending within a customer.
    end : float
        Days until which orders are seen.
    weight : float
        How many customers each of these stands for, where only some were drawn.
    """

    customers: NDArray[np.int64]
    days: Days
    end: float
    weight: float = 1.0

    @property
    def gaps(self) -> Days:
        """Days between a customer's orders that follow each other."""
        return np.diff(self.days)[np.diff(self.customers) == 0]

    def returned_within(self, days: float) -> float | None:
        """The share of orders followed by another within so many days, of those seen for as long."""
        following = np.full(len(self.days), np.inf)
        same = np.diff(self.customers) == 0
        following[:-1][same] = np.diff(self.days)[same]
        seen = self.days + days <= self.end
        return float((following[seen] <= days).mean()) if seen.any() else None


def find_definitions(rows: Rows) -> dict[str, Any] | None:
    """What definitions of churn would give on the orders of a build; None where it has no order instants.

    Returns
    -------
    dict
        ``gaps`` (their number and the days of their quantiles), ``returned`` (share of orders followed by
        another within so many days), ``choices`` (horizon_days, active_within_days, cutoff_every_days,
        cutoffs, customers, churn_rate, is_present, is_proposed), ``sentence`` (None where the present one
        fits).
    """
    orders = read_orders(rows)
    return None if orders is None or not len(orders.gaps) else propose(orders, rows.problem)


def read_orders(rows: Rows) -> Orders | None:
    """The orders known by the end of the last training label."""
    view = view_of_orders(rows.catalog)
    if view is None or not rows.split.train:
        return None
    end = rows.split.train[-1] + rows.problem.gap
    end = min(end, parse_instant(rows.manifest["data_clock"]))
    query = f"""
        select distinct customer_id, {LAST_ORDER} as ordered_at from {parquet(rows.build / "features" / view)}
        where event_timestamp <= $end and {LAST_ORDER} <= $end and hash(customer_id) % $every = 0
        order by customer_id, ordered_at
    """
    every = (
        -(-int(rows.manifest["rows"]["int_customers"]) // MOST_CUSTOMERS) if "rows" in rows.manifest else 1
    )
    with duckdb.connect() as connection:
        table = connection.execute(query, {"end": end, "every": every}).to_arrow_table()
    return orders_of(table, end, float(every)) if len(table) else None


def view_of_orders(catalog: Catalog) -> str | None:
    """The feature table that has each customer's last order."""
    return next((feature.view for feature in catalog.stored if feature.name == LAST_ORDER), None)


def orders_of(table: pa.Table, end: datetime, weight: float = 1.0) -> Orders:
    """Rows of customer_id and ordered_at, in this order, as numbers."""
    customers = table["customer_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    instants = table["ordered_at"].to_numpy().astype("datetime64[us]").astype(np.int64) / 1e6 / DAY
    first = instants.min()
    ended = np.datetime64(end, "us").astype(np.int64) / 1e6 / DAY
    return Orders(customers.astype(np.int64), instants - first, float(ended - first), weight)


def propose(orders: Orders, problem: Problem) -> dict[str, Any]:
    """Every definition that the history has room for, and the one proposed."""
    present = (problem.horizon_days, problem.active_within_days, problem.cutoff_every_days)
    others = [(horizon, span_for(horizon), every_for(horizon)) for horizon in HORIZONS]
    asked = sorted({present, *others})
    choices = [choice(orders, *each) | {"is_present": each == present} for each in asked]
    choices = [each for each in choices if each["cutoffs"] or each["is_present"]]
    now = next(each for each in choices if each["is_present"])
    proposed = now if fits(now) else best_of(orders, choices, now)
    for each in choices:
        each["is_proposed"] = each is proposed
    quantiles = np.quantile(orders.gaps, (0.5, QUANTILE, 0.9)).tolist()
    named = dict(zip(("median", "of_80_percent", "of_90_percent"), quantiles, strict=True))
    return {
        "gaps": {"gaps": len(orders.gaps), **named},
        "returned": [{"days": days, "share": orders.returned_within(days)} for days in HORIZONS],
        "choices": choices,
        "sentence": None if fits(now) else sentence(now, proposed, named["median"]),
    }


def fits(found: dict[str, Any]) -> bool:
    """Whether a definition tells people apart."""
    rate = found["churn_rate"]
    return rate is not None and TOO_LITTLE <= rate <= TOO_MUCH


def best_of(orders: Orders, choices: Sequence[dict[str, Any]], now: dict[str, Any]) -> dict[str, Any]:
    """The shortest horizon that fits and spans long gaps, else the longest that fits, else the present."""
    aim = float(np.quantile(orders.gaps, QUANTILE))
    fitting = [each for each in choices if fits(each)]
    spanning = [each for each in fitting if each["horizon_days"] >= aim]
    return next(iter(spanning), fitting[-1] if fitting else now)


def span_for(horizon: int) -> int:
    """The smallest round span of at least twice the horizon: who bought within it is still a customer."""
    return next((span for span in SPANS if span >= 2 * horizon), SPANS[-1])


def every_for(horizon: int) -> int:
    """A week, or a quarter of a long horizon in whole weeks: neighbours share most of their label anyway."""
    return max(7, horizon // 4 // 7 * 7)


def choice(orders: Orders, horizon: int, active: int, every: int) -> dict[str, Any]:
    """What one definition gives: cut-offs, the median number of customers at one, and their churn rate."""
    last = orders.end - horizon
    cutoffs = np.arange(last, 0, -every)[::-1] if last > 0 else np.empty(0)
    asked = [at_cutoff(orders, cutoff, horizon, active) for cutoff in cutoffs]
    customers, churned = np.array(asked, dtype=np.int64).reshape(-1, 2).T
    return {
        "horizon_days": horizon,
        "active_within_days": active,
        "cutoff_every_days": every,
        "cutoffs": len(cutoffs),
        "customers": round(float(np.median(customers)) * orders.weight) if len(customers) else 0,
        "churn_rate": float(churned.sum() / customers.sum()) if customers.sum() else None,
    }


def at_cutoff(orders: Orders, cutoff: float, horizon: int, active: int) -> tuple[int, int]:
    """Customers with an order in ``(cutoff - active, cutoff]``, and those without one in the horizon."""
    before = orders.customers[(orders.days > cutoff - active) & (orders.days <= cutoff)]
    after = orders.customers[(orders.days > cutoff) & (orders.days <= cutoff + horizon)]
    population = np.unique(before)
    return len(population), int((~np.isin(population, after)).sum())


def sentence(now: dict[str, Any], proposed: dict[str, Any], median: float) -> str:
    """What is wrong with the present definition, and what would fit."""
    rate = now["churn_rate"]
    if rate is None:
        said = f"with horizon_days {now['horizon_days']} the history has no cut-off to ask at"
    else:
        said = f"{rate:.0%} churn within {now['horizon_days']} days, for people buy every {median:,.0f} days"
    if proposed is now:
        return f"{said} (median gap), and no other definition would tell people apart"
    return (
        f"{said} (median gap): horizon_days {proposed['horizon_days']}, active_within_days "
        f"{proposed['active_within_days']}, cutoff_every_days {proposed['cutoff_every_days']} would give "
        f"{proposed['churn_rate']:.0%} of {proposed['customers']:,} customers a cut-off"
    )
