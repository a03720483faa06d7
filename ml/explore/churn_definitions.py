"""Definitions of churn that are usable for the gaps between a customer's orders, and the one proposed.

Only orders that the labels of the training rows depend on are read, none of later parts.
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
from ml.config.problem import CHURN, Problem
from ml.explore.exploration_rows import Rows
from ml.features.labels import parquet

LAST_ORDER = "last_order_at"
HORIZONS = (7, 14, 30, 60, 90, 120, 180, 365)  # round numbers of days
SPANS = (14, 30, 60, 90, 180, 365, 730)
QUANTILE = 0.8  # of the gaps: a longer silence is longer than four gaps in five
TOO_MUCH, TOO_LITTLE = 0.6, 0.02  # churn rates between which a definition is usable
DAY = 86_400.0
MOST_CUSTOMERS = 20_000  # drawn by a hash of the key, enough for shares
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
        Days until which orders are known.
    weight : float
        Number of customers that each drawn customer represents.
    """

    customers: NDArray[np.int64]
    days: Days
    end: float
    weight: float = 1.0

    @property
    def gaps(self) -> Days:
        """Days between consecutive orders of a customer."""
        return np.diff(self.days)[np.diff(self.customers) == 0]

    def returned_within(self, days: float) -> float | None:
        """The share of orders followed by another within so many days, of those at least so old."""
        following = np.full(len(self.days), np.inf)
        same = np.diff(self.customers) == 0
        following[:-1][same] = np.diff(self.days)[same]
        old_enough = self.days + days <= self.end
        return float((following[old_enough] <= days).mean()) if old_enough.any() else None


def find_definitions(rows: Rows) -> dict[str, Any] | None:
    """Results of several definitions of churn by orders; None for another label, or without order instants.

    Returns
    -------
    dict
        ``gaps`` (their number and the days of their quantiles), ``returned`` (share of orders followed by
        another within so many days), ``choices`` (horizon_days, active_within_days, cutoff_every_days,
        cutoffs, customers, churn_rate, is_present, is_proposed), ``sentence`` (None where the present one
        is usable).
    """
    orders = read_orders(rows) if rows.problem.label == CHURN else None
    return None if orders is None or not len(orders.gaps) else propose(orders, rows.problem)


def read_orders(rows: Rows) -> Orders | None:
    """The orders known by the end of the last training label."""
    # The feature table that has each customer's last order.
    view = next((feature.view for feature in rows.catalog.stored if feature.name == LAST_ORDER), None)
    if view is None or not rows.split.train:
        return None
    end = rows.split.train[-1] + rows.problem.gap
    end = min(end, parse_instant(rows.manifest["data_clock"]))
    query = f"""
        select distinct customer_id, {LAST_ORDER} as ordered_at from {parquet(rows.build / "features" / view)}
        where event_timestamp <= $end and {LAST_ORDER} <= $end and hash(customer_id) % $every = 0
        order by customer_id, ordered_at
    """
    customers = int(rows.manifest["rows"]["int_customers"]) if "rows" in rows.manifest else 1
    every = -(-customers // MOST_CUSTOMERS)
    with duckdb.connect() as connection:
        table = connection.execute(query, {"end": end, "every": every}).to_arrow_table()
    return orders_of(table, end, float(every)) if len(table) else None


def orders_of(table: pa.Table, end: datetime, weight: float = 1.0) -> Orders:
    """Orders from rows of customer_id and ordered_at, sorted by both."""
    customers = table["customer_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    instants = table["ordered_at"].to_numpy().astype("datetime64[us]").astype(np.int64) / 1e6 / DAY
    first = instants.min()
    last = np.datetime64(end, "us").astype(np.int64) / 1e6 / DAY
    return Orders(customers.astype(np.int64), instants - first, float(last - first), weight)


def propose(orders: Orders, problem: Problem) -> dict[str, Any]:
    """Every definition for which the history is long enough, and the one proposed."""
    present = (problem.horizon_days, problem.active_within_days, problem.cutoff_every_days)
    others = [(horizon, span_for(horizon), cadence_for(horizon)) for horizon in HORIZONS]
    definitions = sorted({present, *others})
    choices = [
        choice(orders, *definition) | {"is_present": definition == present} for definition in definitions
    ]
    choices = [option for option in choices if option["cutoffs"] or option["is_present"]]
    now = next(option for option in choices if option["is_present"])
    proposed = now if is_usable(now) else best_of(orders, choices, now)
    for option in choices:
        option["is_proposed"] = option is proposed
    quantiles = np.quantile(orders.gaps, (0.5, QUANTILE, 0.9)).tolist()
    by_name = dict(zip(("median", "of_80_percent", "of_90_percent"), quantiles, strict=True))
    return {
        "gaps": {"gaps": len(orders.gaps), **by_name},
        "returned": [{"days": days, "share": orders.returned_within(days)} for days in HORIZONS],
        "choices": choices,
        "sentence": None if is_usable(now) else sentence(now, proposed, by_name["median"]),
    }


def is_usable(option: dict[str, Any]) -> bool:
    """Whether the churn rate of a definition is neither too small nor too great."""
    rate = option["churn_rate"]
    return rate is not None and TOO_LITTLE <= rate <= TOO_MUCH


def best_of(orders: Orders, choices: Sequence[dict[str, Any]], now: dict[str, Any]) -> dict[str, Any]:
    """The usable one with the shortest horizon that spans long gaps, else with the longest, else ``now``."""
    long_gap = float(np.quantile(orders.gaps, QUANTILE))
    usable = [option for option in choices if is_usable(option)]
    spanning = [option for option in usable if option["horizon_days"] >= long_gap]
    return next(iter(spanning), usable[-1] if usable else now)


def span_for(horizon: int) -> int:
    """The smallest round activity span of at least twice the horizon."""
    return next((span for span in SPANS if span >= 2 * horizon), SPANS[-1])


def cadence_for(horizon: int) -> int:
    """A week, or a quarter of a long horizon in whole weeks, as neighbouring labels are mostly equal."""
    return max(7, horizon // 4 // 7 * 7)


def choice(orders: Orders, horizon: int, active: int, every: int) -> dict[str, Any]:
    """One definition with its cut-offs, the median number of customers at one, and their churn rate."""
    last = orders.end - horizon
    cutoffs = np.arange(last, 0, -every)[::-1] if last > 0 else np.empty(0)
    counts = [at_cutoff(orders, cutoff, horizon, active) for cutoff in cutoffs]
    customers, churned = np.array(counts, dtype=np.int64).reshape(-1, 2).T
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
    """What is wrong with the present definition, and which one is proposed."""
    rate = now["churn_rate"]
    if rate is None:
        fault = f"with horizon_days {now['horizon_days']} the history has no cut-off to ask at"
    else:
        fault = f"{rate:.0%} churn within {now['horizon_days']} days, for people buy every {median:,.0f} days"
    if proposed is now:
        return f"{fault} (median gap), and no other definition would tell people apart"
    return (
        f"{fault} (median gap): horizon_days {proposed['horizon_days']}, active_within_days "
        f"{proposed['active_within_days']}, cutoff_every_days {proposed['cutoff_every_days']} would give "
        f"{proposed['churn_rate']:.0%} of {proposed['customers']:,} customers a cut-off"
    )
