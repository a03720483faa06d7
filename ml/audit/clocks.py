"""Clocks: labels read no day that was not delivered, and no model reads attributes that have no clock.

When rows became known is asked of the raw tables once more; tables that end days apart, and orders that come
late, are notes.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import duckdb

from ml.audit.facts import check_there, one
from ml.audit.findings import Audit, Breach, Finding
from ml.audit.recount import MODEL, delivered_orders
from ml.audit.sample import database
from ml.common.errors import TidemarkError
from ml.common.instants import format_instant
from ml.features.labels import LABELS, parquet
from ml.featurestore.attributes import note, undated_features
from ml.home.layout import model_of
from ml.ingest.clocks import arrival_of_orders, notes_on_clocks, table_clocks

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
    check_there(audit)
    undated = undated_features(audit.build, audit.catalog)
    with database(audit) as connection:
        labels = one(connection, f"select count(*) from {parquet(audit.build / LABELS)}")
        delivered = delivered_orders(connection, audit)
        breaches = [*undelivered(audit, connection, delivered), *undated_inputs(audit, list(undated))]
        clocks = table_clocks(audit.load, connection)
        arrival = arrival_of_orders(audit.load, clocks["orders"], connection)
    notes = notes_on_clocks(clocks, audit.manifest["data_clock"], arrival, audit.problem.label_delay_days)
    notes += [note(undated).removeprefix("note: ")] if undated else []
    until = format_instant(delivered) if delivered else "never"
    finding = Finding(CHECK, compared=labels, what="labels", detail=f"orders were delivered until {until}")
    return replace(finding, breaches=tuple(breaches), notes=tuple(notes))


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
        ends = format_instant(cutoff + timedelta(days=gap))
        yield Breach(
            f"{MODEL} has {rows:,} labels at the cut-off {format_instant(cutoff)}, which read orders up to "
            f"{ends}, but {until}: build again, or deliver the missing orders",
            {"instant": format_instant(cutoff), "settled at": ends},
            rows,
        )


def undated_inputs(audit: Audit, undated: list[str]) -> Iterator[Breach]:
    """Inputs of the current model among the attributes that have no clock."""
    from ml.model.store import read_manifest

    try:
        model = model_of(audit.build)
        inputs = {each["name"] for each in read_manifest(model)["inputs"]}
    except TidemarkError:
        return
    if used := [name for name in undated if name in inputs]:
        yield Breach(
            f"{model.name} reads {', '.join(used)}, which may hold the end of history, for customers rows "
            "without updated_at: train again",
            {"model": model.name, "inputs": ", ".join(used)},
            len(used),
        )
