"""Features as one asks for them, of two builds, at each customer's instant: on-demand ones among them."""

from pathlib import Path

import duckdb

from ml.audit.compare import Comparison, Moved
from ml.common.sql import quoted
from ml.featurestore.retrieval.retrieve import point_in_time

ON_DEMAND = "on demand"
DIFFERING = """
select
    count(*), count(distinct before.customer_id),
    arg_min({{
        'customer_id': before.customer_id, 'instant': before.event_timestamp,
        'before': before.{name}::varchar, 'after': after.{name}::varchar
    }}, (before.event_timestamp, before.customer_id))
from before
inner join after using (customer_id)
where before.{name} is distinct from after.{name}
having count(*) > 0
"""


def compare_lookups(
    connection: duckdb.DuckDBPyConnection,
    names: list[str],
    before: Path,
    after: Path,
    found: Comparison,
) -> None:
    """Ask two builds for the features ``names`` of each customer of ``limits``, and compare the answers."""
    asked = connection.execute(
        "select customer_id, until as event_timestamp from limits order by customer_id"
    ).to_arrow_table()
    for side, build in (("before", before), ("after", after)):
        connection.register(side, point_in_time(build, asked, features=names))
    for name in names:
        rows = connection.execute(DIFFERING.format(name=quoted(name))).fetchall()
        found.moved += [Moved(ON_DEMAND, name, *row) for row in rows]
    found.cells += len(names) * len(asked)
    for side in ("before", "after"):
        connection.unregister(side)
