"""Features as if every fact had been known when it happened, and labels as they were known at an instant.

Both are made for some customers in memory, by the build's own SQL over their raw rows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from ml.common.sql import literal
from ml.ingest.batch import rows_of
from ml.ingest.contract import Table
from ml.ingest.declaration import merges_table, raw_tables
from ml.score.customer_build import build_of_customers
from ml.warehouse.compiled_models import read_models
from ml.warehouse.customer_tables import CustomerTables

# The last version of each fact, from when it happened: its other instants are its own.
KNOWN_AT_ONCE = """
create or replace table raw_rows.{name} as
select * replace (null::timestamp as {version})
from raw_rows.{name}
where {known_at} <= timestamp {clock}
qualify row_number() over (partition by {key} order by {order} desc, _load desc, _file, _row) = 1
"""
STAYED = """
select
    asked.customer_id, asked.event_timestamp,
    cast(not coalesce(bool_or(
        facts.known_at <= asked.known_by
        and (facts.superseded_at is null or facts.superseded_at > asked.known_by)
        and (facts.lost_at is null or facts.lost_at > asked.known_by)
    ), false) as bigint) as churned
from asked
left join {customers} as customers using (customer_id)
left join {facts} as facts
    on facts.customer_number = customers.customer_number
    and facts.ordered_at > asked.event_timestamp
    and facts.ordered_at <= asked.event_timestamp + interval {horizon} day
group by all
order by asked.event_timestamp, asked.customer_id
"""


@contextmanager
def build_in_hindsight(build: Path, load: Path, customers: Sequence[str], clock: datetime) -> Iterator[Path]:
    """A build of some customers to which every fact was known as it happened, until the end of the block.

    What describes a customer, or a state that holds, changes when it changes: that is no delay.
    """

    def change(tables: CustomerTables) -> None:
        for table in raw_tables():
            tables.raw(table.name)
        for table in filter(can_be_late, raw_tables()):
            tables.rows(
                KNOWN_AT_ONCE.format(
                    name=table.name,
                    version=table.version,
                    known_at=table.known_at,
                    clock=literal(clock),
                    key=", ".join(table.key),
                    order=table.version_order,
                )
            )

    with build_of_customers(build, load, customers, clock, change=change) as made:
        yield made


def can_be_late(table: Table) -> bool:
    """Whether rows of a table are facts that happen, and are recorded later."""
    return not (table.is_of_customers or table.merges or table.ends_at)


def without_merged(load: Path, customers: Sequence[str]) -> list[str]:
    """The customers whom no merge joins to others: of those, an order's owner is the same at any time."""
    table = merges_table()
    if table is None or table.merges is None or not any((load / table.name).glob("*.parquet")):
        return list(customers)
    rows, merges = rows_of(table, load / table.name), table.merges
    with duckdb.connect() as connection:
        query = f"select {merges.old} from {rows} union select {merges.new} from {rows}"
        merged = {name for (name,) in connection.execute(query).fetchall()}
    return [customer for customer in customers if customer not in merged]


def labels_known_by(
    build: Path, load: Path, rows: pa.Table, known_by: Sequence[datetime], horizon: timedelta
) -> list[int]:
    """Who churned, by what was known at an instant of each row.

    Parameters
    ----------
    rows : Table
        customer_id and event_timestamp, ordered by event_timestamp and customer_id.
    known_by : sequence of datetime
        One for each row.
    """
    customers = sorted({*rows.column("customer_id").to_pylist()})
    asked = rows.select(["customer_id", "event_timestamp"]).append_column(
        "known_by", pa.array(known_by, pa.timestamp("us"))
    )
    with CustomerTables(read_models(build), load, customers, with_items=False) as tables:
        facts, known = tables.model("int_order_facts"), tables.model("int_customers")
        tables.connection.register("asked", asked)
        sql = STAYED.format(customers=known, facts=facts, horizon=horizon.days)
        return [row["churned"] for row in tables.rows(sql)]
