"""Online: every value of every customer in the online store is the offline value at the materialized instant.

The store's rows are laid beside the build's and compared as sets; then some customers are looked up through
the public reader, on-demand features among the answers.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ml.audit.check_database import database, differing_columns, first_case, single_value
from ml.audit.findings import Audit, Breach, Finding, failed, not_checked
from ml.audit.online_file import StoredView, copy_rows, missing_columns, stored_views
from ml.audit.pictures import Bar, Bars, PicturedFinding
from ml.audit.sampled_customers import draw_customers
from ml.common import sql
from ml.common.instants import format_instant
from ml.common.sql import literal, quoted
from ml.features.labels import parquet
from ml.featurestore.catalog import Catalog, Feature, View, read_catalog
from ml.featurestore.feast_types import base_type, is_instant
from ml.featurestore.online.whole_state import WholeState, whole_state
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.read_leases import lease

CHECK = "online"
LOOKUPS = 200  # every customer was compared before; these test the reader alone
# An unknown customer_id.
UNKNOWN_CUSTOMER = "nobody at all"
NOT_ONLINE = "nothing is online: run 'churn materialize' first"
TIME = "T%H:%M:%S.%f"

OFFLINE = """
create or replace temp table offline as
select {columns}
from {rows}
semi join (
    select customer_id, max(event_timestamp) as event_timestamp
    from {rows}
    where event_timestamp <= $1
    group by customer_id
) using (customer_id, event_timestamp)
"""
BESIDE = "offline inner join online using (customer_id)"
ONE_SIDED = {
    "{count:,} customers of the build are not online, {who} among them": ("offline", "online"),
    "{count:,} customers are online whom the build does not have, {who} among them": ("online", "offline"),
}


def check(audit: Audit) -> Finding:
    """Compare every view in the store with the build it was loaded from."""
    with ExitStack() as stack:
        store = stack.enter_context(whole_state(audit.home.root))
        if store is None:
            return not_checked(CHECK, NOT_ONLINE)
        connection = stack.enter_context(database(audit))
        views_by_name = {stored_view.view: stored_view for stored_view in stored_views(store, audit.home)}
        if not views_by_name:
            return not_checked(CHECK, NOT_ONLINE)
        builds = {stored_view.build for stored_view in views_by_name.values()}
        build, *others = sorted(builds)
        if others or not stack.enter_context(lease(build)):
            names = " and ".join(build.name for build in sorted(builds))
            why = " at once" if others else ", which is gone"
            return failed(CHECK, f"the store was filled from {names}{why}: run 'churn materialize'")
        catalog = read_catalog(build)
        breaches, cells = list(inconsistent_views(catalog, views_by_name)), dict[str, int]()
        for view in (view for view in catalog.views if view.name in views_by_name):
            cells[view.name] = compare(
                audit, store, connection, view, views_by_name[view.name].until, breaches
            )
        answers, notes = look_up(audit, connection, catalog, views_by_name, breaches)
    if build.resolve() != audit.build.resolve():
        published = f"{audit.build.name} is published: run 'churn materialize'"
        notes.insert(0, f"the store was filled from {build.name}, but {published}")
    until = next(iter(views_by_name.values())).until
    wrong = " ".join(breach.what for breach in breaches)
    bars = tuple(Bar(name, count, name in wrong) for name, count in cells.items())
    return PicturedFinding(
        CHECK,
        compared=sum(cells.values()) + answers,
        what="cells",
        detail=f"{sum(cells.values()):,} cells of {len(cells)} views in the store, filled from {build.name} "
        f"as of {format_instant(until)}, and {answers:,} given by the public reader",
        breaches=tuple(breaches),
        sampled=f"every customer; looked up through the public reader: {LOOKUPS}, by a seeded hash",
        notes=tuple(notes),
        picture=Bars("Cells compared, by feature model", bars),
    )


def inconsistent_views(catalog: Catalog, views_by_name: dict[str, StoredView]) -> Iterator[Breach]:
    """Views that are missing in the store, or have another instant than the others."""
    first = next(iter(views_by_name.values()))
    for view in catalog.views:
        if view.name not in views_by_name:
            yield Breach(f"{view.name} is not online, though other views are", {"model": view.name})
        elif views_by_name[view.name].until != first.until:
            until, others = format_instant(views_by_name[view.name].until), format_instant(first.until)
            yield Breach(
                f"{view.name} is online as of {until}, {first.view} as of {others}", {"model": view.name}
            )


def compare(
    audit: Audit,
    store: WholeState,
    connection: duckdb.DuckDBPyConnection,
    view: View,
    until: datetime,
    breaches: list[Breach],
) -> int:
    """Compare one view, every customer and column; return the number of cells."""
    if missing := missing_columns(store, view):
        what = f"{view.name} has no column {', '.join(missing)} online"
        breaches.append(Breach(what, {"model": view.name}))
        return 0
    file = audit.scratch / f"online-{view.name}.parquet"
    breaches += copy_rows(store, view, file)
    connection.execute(f"create or replace temp view online as from {sql.parquet([file])}")
    columns = ", ".join(
        ["customer_id", as_stored_text("event_timestamp", TIME), *map(as_stored, view.features)]
    )
    connection.execute(OFFLINE.format(columns=columns, rows=parquet(view.path)), [until])
    for sentence, (side, other_side) in ONE_SIDED.items():
        rows = f"{side} anti join {other_side} using (customer_id)"
        if case := first_case(connection, rows, {"customer_id": "customer_id"}):
            what = sentence.format(count=case.rows, who=case.example["customer_id"])
            breaches.append(Breach(f"{view.name}: {what}", case.example, case.rows))
    names = ["event_timestamp", *(feature.name for feature in view.features)]
    keys = {"customer_id": "customer_id", "instant": literal(format_instant(until)), "feature": "null"}
    cases = differing_columns(connection, BESIDE, names, keys, sides=("offline", "online"))
    for name, case in cases.items():
        what = f"{view.name}.{name}: {case.rows:,} online values are not those offline"
        breaches.append(Breach(what, case.example | {"feature": name}, case.rows))
    customers: int = single_value(connection, f"select count(*) from {BESIDE}")
    connection.execute("drop view online")
    file.unlink()
    return customers * len(names)


def as_stored(feature: Feature) -> str:
    """The SQL for a column in the type of the store."""
    kind, name = base_type(feature.sql_type), quoted(feature.name)
    if is_instant(feature.sql_type):
        return as_stored_text(feature.name, "" if kind == "DATE" else TIME)
    stored = {"DECIMAL": "double", "FLOAT": "double", "BOOLEAN": "bigint"}.get(kind)
    return f"{name}::{stored} as {name}" if stored else name


def as_stored_text(name: str, time: str) -> str:
    """An instant or a date as text."""
    return f"strftime({quoted(name)}, '%Y-%m-%d{time}') as {quoted(name)}"


def look_up(
    audit: Audit,
    connection: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    views_by_name: dict[str, StoredView],
    breaches: list[Breach],
) -> tuple[int, list[str]]:
    """Look up some customers, one twice and one unknown, as a server would; return cells and notes."""
    from ml.featurestore.online.read import OnlineReader

    if breaches:
        return 0, ["not checked: the public reader, because the store is wrong already"]
    draw_customers(connection, parquet(catalog.views[0].path), LOOKUPS, str(audit.seed))
    customers = [row[0] for row in connection.execute("from chosen order by customer_id").fetchall()]
    customers = [*customers, UNKNOWN_CUSTOMER, *customers[:1]]
    first = next(iter(views_by_name.values()))
    answers = OnlineReader(audit.home.root).features(customers, first.until)
    with whole_state(audit.home.root) as store:
        if store is None or stored_views(store, audit.home) != list(views_by_name.values()):
            return 0, ["not checked: the public reader, because the store was filled anew meanwhile"]
    breaches += wrong_answers(first.build, catalog, customers, first.until, answers)
    return len(customers) * len(catalog.feature_names), []


def wrong_answers(
    build: Path,
    catalog: Catalog,
    customers: Sequence[str],
    until: datetime,
    answers: Sequence[dict[str, Any]],
) -> Iterator[Breach]:
    """Features whose values differ between the public reader and point-in-time retrieval."""
    instants = pa.array([until] * len(customers), pa.timestamp("us"))
    offline = point_in_time(build, pa.table({"customer_id": list(customers), "event_timestamp": instants}))
    for name in catalog.feature_names:
        column = [as_reader_value(value) for value in offline[name].to_pylist()]
        different = [row for row, value in enumerate(column) if answers[row].get(name) != value]
        if different:
            row = different[0]
            example = {"customer_id": customers[row], "instant": format_instant(until), "feature": name}
            yield Breach(
                f"{name}: the public reader tells {len(different):,} customers otherwise than offline "
                "retrieval",
                example | {"offline": column[row], "online": answers[row].get(name, "no such feature")},
                len(different),
            )


def as_reader_value(value: Any) -> Any:
    """An offline value in the form of the public reader."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
