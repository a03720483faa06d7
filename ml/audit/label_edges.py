"""Customers whose label turns on one microsecond, built by the same dbt graph and compared with the rule.

The user's own data may have no order exactly at a cut-off or at the end of its horizon; this small world has
one on each side of every edge. What each label must be is worked out here, order by order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from ml.audit.findings import Audit, Breach
from ml.audit.label_recount import FIRST_MONDAY, MODEL, gap_of
from ml.common.instants import format_instant
from ml.common.sql import literal, quoted
from ml.config.problem import Problem
from ml.features.labels import LABELS, parquet
from ml.home.build_manifest import label_terms_of
from ml.ingest.contract import Table
from ml.ingest.declaration import raw_tables
from ml.warehouse.dbt import run_dbt, variables

MICROSECOND, HALF_A_DAY = timedelta(microseconds=1), timedelta(hours=12)
WORLD_OFFSET = datetime(2024, 1, 1) - FIRST_MONDAY
DISTANCES = {"a microsecond before": -MICROSECOND, "at": timedelta(0), "a microsecond after": MICROSECOND}
Label = tuple[str, datetime]


@dataclass(frozen=True)
class Order:
    """An order in the raw data."""

    ordered_at: datetime
    loaded_at: datetime | None = None
    cancelled_at: datetime | None = None
    returned_at: datetime | None = None
    deleted_at: datetime | None = None

    def counts_at(self, instant: datetime) -> bool:
        """Whether it is known and kept at the instant."""
        known = max(self.ordered_at, self.loaded_at or self.ordered_at) <= instant
        ends = (self.cancelled_at, self.returned_at, self.deleted_at)
        return known and not any(end and end <= instant for end in ends)


World = dict[str, list[Order]]


def edge_world(problem: Problem) -> tuple[World, datetime, datetime]:
    """Customers named after their case, the cut-off that decides it, and the data clock."""
    step = timedelta(days=problem.cutoff_every_days)
    cutoff = FIRST_MONDAY + (WORLD_OFFSET // step) * step
    active, horizon = timedelta(days=problem.active_within_days), timedelta(days=problem.horizon_days)
    clock = cutoff + step + gap_of(problem)
    before = Order(cutoff - HALF_A_DAY)
    world: World = {"order and nothing after": [before]}
    for words, distance in DISTANCES.items():
        instant = cutoff + distance
        world[f"next order {words} the cut-off"] = [before, Order(instant)]
        world[f"next order {words} the end of the horizon"] = [before, Order(instant + horizon)]
        world[f"only order {words} the beginning of the activity span"] = [Order(instant - active)]
        world[f"only order {words} the cut-off"] = [Order(instant)]
        world[f"order known {words} the cut-off"] = [Order(before.ordered_at, loaded_at=instant)]
        world[f"order cancelled {words} the cut-off"] = [Order(before.ordered_at, cancelled_at=instant)]
        world[f"order returned {words} the cut-off"] = [Order(before.ordered_at, returned_at=instant)]
        world[f"order deleted {words} the cut-off"] = [Order(before.ordered_at, deleted_at=instant)]
    world["next order deleted in the end"] = [before, Order(cutoff + HALF_A_DAY, deleted_at=clock)]
    world["next order cancelled in the end"] = [before, Order(cutoff + HALF_A_DAY, cancelled_at=clock)]
    world["next order known in the end"] = [before, Order(cutoff + HALF_A_DAY, loaded_at=clock)]
    return world, cutoff, clock


def labels_of(world: World, cutoff: datetime, clock: datetime, problem: Problem) -> dict[Label, int]:
    """The expected labels: (customer, cut-off) -> churned, at every cut-off settled by the clock."""
    step, labels = timedelta(days=problem.cutoff_every_days), dict[Label, int]()
    active, horizon = timedelta(days=problem.active_within_days), timedelta(days=problem.horizon_days)
    for customer, orders in world.items():
        instant = cutoff - step * (active // step + 2)
        while instant + gap_of(problem) <= clock:
            if any(
                instant - active < order.ordered_at <= instant and order.counts_at(instant)
                for order in orders
            ):
                stays = any(
                    instant < order.ordered_at <= instant + horizon and order.counts_at(clock)
                    for order in orders
                )
                labels[customer, instant] = 0 if stays else 1
            instant += step
    return labels


def wrong_edges(audit: Audit) -> tuple[int, list[Breach]]:
    """Build the world with the audit's dbt project; return the number of labels, and breaches."""
    world, cutoff, clock = edge_world(audit.problem)
    expected, built = labels_of(world, cutoff, clock, audit.problem), built_labels(audit, world, clock)
    return len(expected), list(wrong_labels(expected, built))


def wrong_labels(expected: dict[Label, int], built: dict[Label, int]) -> Iterator[Breach]:
    """A breach for each customer of the world with a wrong label, the earliest one."""
    words = {None: "no row", 0: "churned = 0", 1: "churned = 1"}
    reported = set[str]()
    for customer, instant in sorted(expected.keys() | built.keys(), key=lambda label: (label[1], label[0])):
        rule, label = expected.get((customer, instant)), built.get((customer, instant))
        if rule != label and customer not in reported:
            reported.add(customer)
            yield Breach(
                f"{MODEL}: a customer with '{customer}' has {words[label]}, by the rule {words[rule]}",
                {"instant": format_instant(instant), "label": label, "by the rule": rule},
            )


def built_labels(audit: Audit, world: World, clock: datetime) -> dict[Label, int]:
    """The labels of the world, built by the dbt graph."""
    folder = audit.scratch / "edges"
    write_load(folder / "raw", world, clock)
    values = variables(label_terms_of(audit.manifest))
    run_dbt(folder, folder / "raw", folder / "build", values, project=audit.project, tests=False, docs=False)
    query = f"select (customer_id, event_timestamp), churned from {parquet(folder / 'build' / LABELS)}"
    with duckdb.connect() as connection:
        return dict(connection.execute(query).fetchall())


def write_load(folder: Path, world: World, clock: datetime) -> None:
    """Write the world as a load, with one session at the data clock."""
    registered = min(order.ordered_at for orders in world.values() for order in orders) - HALF_A_DAY
    rows: dict[str, list[dict[str, Any]]] = {
        "customers": [{"customer_id": name, "registered_at": registered} for name in world],
        "orders": [
            {"order_id": f"{name} {number}", "customer_id": name, "total_amount": 1, **vars(order)}
            for name, orders in world.items()
            for number, order in enumerate(orders)
        ],
        "sessions": [{"session_id": "last", "customer_id": next(iter(world)), "started_at": clock}],
    }
    with duckdb.connect() as connection:
        for table in raw_tables():
            write_table(connection, folder, table, rows.get(table.name, []))


def write_table(
    connection: duckdb.DuckDBPyConnection, folder: Path, table: Table, rows: list[dict[str, Any]]
) -> None:
    """One table of a load, with every column of the contract."""
    columns = ", ".join(f"{quoted(column.name)} {column.kind.sql_type}" for column in table.columns)
    connection.execute(f"create table {table.name} ({columns}, _file varchar, _row bigint)")
    for row in rows:
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        connection.execute(f"insert into {table.name} ({names}) values ({marks})", list(row.values()))
    (folder / table.name).mkdir(parents=True)
    target = literal(folder / table.name / "edges.parquet")
    connection.execute(f"copy {table.name} to {target} (format parquet)")
