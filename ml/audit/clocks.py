"""Clocks: labels read no day that was not delivered, and no model reads attributes that have no clock.

The clocks of tables are read from the raw tables again; tables that end days apart, and late orders, give
notes.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import duckdb

from ml.audit.check_database import database, single_value
from ml.audit.findings import Audit, Breach, Finding
from ml.audit.label_recount import MODEL, delivered_orders
from ml.audit.raw_facts import check_load
from ml.common.errors import TidemarkError
from ml.common.instants import format_instant
from ml.features.labels import LABELS, parquet
from ml.featurestore.attributes import note, undated_features
from ml.home.layout import model_of
from ml.ingest.table_clocks import describe_clocks

CHECK = "clocks"
UNDELIVERED = """
select event_timestamp, count(*)
from {labels}
where event_timestamp + to_days($gap) > $delivered or $delivered is null
group by event_timestamp
order by event_timestamp
"""


def check(audit: Audit) -> Finding:
    """Compare labels with the orders delivered, and the model's inputs with attributes that have no clock."""
    check_load(audit)
    undated = undated_features(audit.build, audit.catalog)
    with database(audit) as connection:
        labels: int = single_value(connection, f"select count(*) from {parquet(audit.build / LABELS)}")
        delivered = delivered_orders(connection, audit)
        breaches = [*undelivered(audit, connection, delivered), *undated_inputs(audit, undated)]
        data_clock, delay = audit.manifest["data_clock"], audit.problem.label_delay_days
        notes = describe_clocks(audit.load, data_clock, connection, delay)["notes"]
    notes += [note(undated).removeprefix("note: ")] if undated else []
    return Finding(
        CHECK,
        compared=labels,
        what="labels",
        detail=f"orders were delivered until {format_instant(delivered) if delivered else 'never'}",
        breaches=tuple(breaches),
        notes=tuple(notes),
    )


def undelivered(
    audit: Audit, connection: duckdb.DuckDBPyConnection, delivered: datetime | None
) -> Iterator[Breach]:
    """Cut-offs whose labels read days of which no order was delivered."""
    gap = audit.problem.gap_days
    until = (
        f"orders were delivered only until {format_instant(delivered)}" if delivered else "there is no order"
    )
    query = UNDELIVERED.format(labels=parquet(audit.build / LABELS))
    for cutoff, rows in connection.execute(query, {"gap": gap, "delivered": delivered}).fetchall():
        instant, ends = format_instant(cutoff), format_instant(cutoff + timedelta(days=gap))
        yield Breach(
            f"{MODEL} has {rows:,} labels at the cut-off {instant}, which read orders up to {ends}, but "
            f"{until}: build again, or deliver the missing orders",
            {"instant": instant, "settled at": ends},
            rows,
        )


def undated_inputs(audit: Audit, undated: Iterable[str]) -> Iterator[Breach]:
    """Inputs of the current model among the attributes that have no clock; none without a model."""
    from ml.model.model_files import read_manifest

    try:
        model = model_of(audit.build, audit.problem.name)
        inputs = {entry["name"] for entry in read_manifest(model)["inputs"]}
    except TidemarkError:
        return
    if used := [name for name in undated if name in inputs]:
        yield Breach(
            f"{model.name} reads {', '.join(used)}, which may hold the end of history, for customers rows "
            "without updated_at: train again",
            {"model": model.name, "inputs": ", ".join(used)},
            len(used),
        )
