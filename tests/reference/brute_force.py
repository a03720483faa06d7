"""Every feature at every as-of instant, straight from the raw rows known at that instant.

No deltas, no running totals: each entity row looks at all raw rows of its customer again.
"""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from tests.reference.engagement import create_engagement_features
from tests.reference.merges import Merges, create_owned_keys
from tests.reference.on_demand import on_demand_expressions
from tests.reference.orders import create_order_features
from tests.reference.profile import create_profile_features
from tests.reference.raw import open_raw
from tests.reference.support import create_support_features

WINDOWS = (7, 30, 90, 365)
KEYS = ("asked_row", "customer_id", "event_timestamp")


def reference_features(
    raw_folder: Path, asked: pa.Table | duckdb.DuckDBPyRelation, windows: tuple[int, ...] = WINDOWS
) -> pa.Table:
    """Return `asked_row` (from 0), `customer_id`, `event_timestamp`, then every stored and on-demand feature.

    Parameters
    ----------
    raw_folder : Path
        Folder with `<table>.parquet` or `<table>/*.parquet` for any of the raw tables.
    asked : pyarrow.Table or duckdb relation
        Rows with `customer_id` and `event_timestamp`; other columns are not returned.
    windows : tuple of int
        Days of the windowed families; must hold 30, 90 and 365, which some on-demand features read.

    Returns
    -------
    pyarrow.Table
        One row per entity row, in the asked order. Everything is null where the customer does not exist yet.
    """
    if not {30, 90, 365} <= set(windows):
        raise ValueError("windows must hold 30, 90 and 365 days")
    connection = open_raw(Path(raw_folder))
    _create_asked(connection, asked)
    create_order_features(connection, windows)
    create_support_features(connection, windows)
    create_engagement_features(connection, windows)
    create_profile_features(connection)
    connection.execute(f"create view stored as {STORED_SQL}")
    on_demand = [f"{formula} as {name}" for name, formula in on_demand_expressions(windows).items()]
    query = f"select *, {', '.join(on_demand)} from stored order by asked_row"
    return connection.execute(query).to_arrow_table()


def _create_asked(connection: duckdb.DuckDBPyConnection, asked: pa.Table | duckdb.DuckDBPyRelation) -> None:
    rows = asked if isinstance(asked, pa.Table) else asked.to_arrow_table()
    rows = rows.select(["customer_id", "event_timestamp"])
    connection.register("asked_rows", rows.append_column("asked_row", pa.array(np.arange(len(rows)))))
    connection.execute(ASKED_SQL)
    connection.execute(EXISTING_SQL)
    create_owned_keys(connection, Merges(connection))


ASKED_SQL = """
create table asked as
select
    asked_row,
    cast(customer_id as varchar) as customer_id,
    cast(event_timestamp as timestamp) as event_timestamp
from asked_rows
"""

EXISTING_SQL = """
create table existing as
select asked_row, customer_id, event_timestamp as t
from asked
inner join first_known using (customer_id)
where first_known_at <= event_timestamp
"""

STORED_SQL = """
from asked
left join order_features using (asked_row)
left join support_features using (asked_row)
left join engagement_features using (asked_row)
left join profile_features using (asked_row)
"""
