"""Online: every value of every customer in the online store is the offline value at the materialized instant.

The store's rows are laid beside the build's and compared as sets; then some customers are asked the public
way, on-demand features among the answers.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ml.audit.facts import one
from ml.audit.findings import Audit, Breach, Finding, failed, not_checked
from ml.audit.pictures import Bar, Bars, PicturedFinding
from ml.audit.sample import database
from ml.audit.stored import Mark, copy_rows, marks, missing_columns, one_state, store_file
from ml.common import sql
from ml.common.instants import format_instant
from ml.common.sampling import key_hash_sql
from ml.common.sql import quoted
from ml.features.labels import parquet
from ml.featurestore.catalog import Catalog, Feature, View, read_catalog
from ml.featurestore.feast_types import base_type, is_instant
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.leases import lease

CHECK = "online"
ASKED = 200
NOBODY = "nobody at all"
NOT_ONLINE = "nothing is online: run 'churn materialize' first"

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


@dataclass(frozen=True)
class Held:
    """One view that the store holds, as the build it was filled from describes it."""

    view: View
    mark: Mark


def check(audit: Audit) -> Finding:
    """Compare every view the store holds with the build it was filled from."""
    file = store_file(audit.home)
    if not file.is_file():
        return not_checked(CHECK, NOT_ONLINE)
    with ExitStack() as stack:
        store, connection = stack.enter_context(one_state(file)), stack.enter_context(database(audit))
        filled = marks(store, audit.home)
        if not filled:
            return not_checked(CHECK, NOT_ONLINE)
        build = filled[0].build
        if {mark.build for mark in filled} != {build} or not stack.enter_context(lease(build)):
            return failed(CHECK, f"the store was filled from {names_of(filled)}: run 'churn materialize'")
        catalog = read_catalog(build)
        breaches, cells = list(unfilled(catalog, filled)), dict[str, int]()
        for held in held_views(catalog, filled):
            cells[held.view.name] = compare(audit, store, connection, held, breaches)
        answers, notes = asked_publicly(audit, connection, catalog, filled, breaches)
    return PicturedFinding(
        CHECK,
        compared=sum(cells.values()) + answers,
        what="cells",
        detail=f"{sum(cells.values()):,} cells of {len(cells)} views in the store, filled from {build.name} "
        f"as of {format_instant(filled[0].until)}, and {answers:,} given by the public reader",
        breaches=tuple(breaches),
        sampled=f"every customer; asked of the public reader: {ASKED}, by a seeded hash",
        notes=(*other_build(audit, build), *notes),
        picture=picture(cells, breaches),
    )


def names_of(filled: Sequence[Mark]) -> str:
    """The builds a store was filled from, as part of a sentence that says why they cannot be compared."""
    names = sorted({mark.build.name for mark in filled})
    return " and ".join(names) + (", which is gone" if len(names) == 1 else " at once")


def other_build(audit: Audit, build: Path) -> Iterator[str]:
    """A note where the store does not hold the published build."""
    if build.resolve() != audit.build.resolve():
        published = f"{audit.build.name} is published: run 'churn materialize'"
        yield f"the store was filled from {build.name}, but {published}"


def unfilled(catalog: Catalog, filled: Sequence[Mark]) -> Iterator[Breach]:
    """Views that the store should hold and does not, or holds as of another instant than the others."""
    instants = {mark.view: mark.until for mark in filled}
    for view in catalog.views:
        if view.name not in instants:
            yield Breach(f"{view.name} is not online, though other views are", {"model": view.name})
        elif instants[view.name] != filled[0].until:
            held, others = format_instant(instants[view.name]), format_instant(filled[0].until)
            yield Breach(
                f"{view.name} is online as of {held}, {filled[0].view} as of {others}", {"model": view.name}
            )


def held_views(catalog: Catalog, filled: Sequence[Mark]) -> Iterator[Held]:
    """The views of the build that the store holds."""
    by_name = {mark.view: mark for mark in filled}
    for view in catalog.views:
        if view.name in by_name:
            yield Held(view, by_name[view.name])


def compare(
    audit: Audit,
    store: sqlite3.Connection,
    connection: duckdb.DuckDBPyConnection,
    held: Held,
    breaches: list[Breach],
) -> int:
    """Compare one view, every customer and column; how many cells."""
    view = held.view
    if lacking := missing_columns(store, view):
        breaches.append(
            Breach(f"{view.name} has no column {', '.join(lacking)} online", {"model": view.name})
        )
        return 0
    file = audit.scratch / f"online-{view.name}.parquet"
    breaches += copy_rows(store, view, file)
    connection.execute(f"create or replace temp view online as from {sql.parquet([file])}")
    columns = ", ".join(["customer_id", stamped("event_timestamp"), *map(carried, view.features)])
    connection.execute(OFFLINE.format(columns=columns, rows=parquet(view.path)), [held.mark.until])
    breaches += one_sided(connection, view)
    breaches += differing(connection, held)
    customers = one(connection, f"select count(*) from {BESIDE}")
    connection.execute("drop view online")
    file.unlink()
    return customers * (len(view.features) + 1)


def carried(feature: Feature) -> str:
    """A column as the store holds it."""
    if is_instant(feature.sql_type):
        return stamped(feature.name, "" if base_type(feature.sql_type) == "DATE" else "T%H:%M:%S.%f")
    if base_type(feature.sql_type) in ("DECIMAL", "FLOAT"):
        return f"{quoted(feature.name)}::double as {quoted(feature.name)}"
    if base_type(feature.sql_type) == "BOOLEAN":
        return f"{quoted(feature.name)}::bigint as {quoted(feature.name)}"
    return quoted(feature.name)


def stamped(name: str, time: str = "T%H:%M:%S.%f") -> str:
    """An instant or a date as text."""
    return f"strftime({quoted(name)}, '%Y-%m-%d{time}') as {quoted(name)}"


def one_sided(connection: duckdb.DuckDBPyConnection, view: View) -> Iterator[Breach]:
    """Customers who are on one side only."""
    for sentence, (here, not_there) in ONE_SIDED.items():
        rows = f"{here} anti join {not_there} using (customer_id)"
        count, who = connection.execute(f"select count(*), min(customer_id) from {rows}").fetchone() or (
            0,
            None,
        )
        if count:
            yield Breach(f"{view.name}: {sentence.format(count=count, who=who)}", {"customer_id": who}, count)


def differing(connection: duckdb.DuckDBPyConnection, held: Held) -> Iterator[Breach]:
    """Columns that are not the same on both sides, with their first case."""
    names = ["event_timestamp", *(feature.name for feature in held.view.features)]
    unlike = {name: f"offline.{quoted(name)} is distinct from online.{quoted(name)}" for name in names}
    counts = ", ".join(f"count(*) filter (where {condition})" for condition in unlike.values())
    for name, count in zip(
        names, connection.execute(f"select {counts} from {BESIDE}").fetchone() or (), strict=True
    ):
        if count:
            what = f"{held.view.name}.{name}: {count:,} online values are not those offline"
            yield Breach(what, case(connection, held, name, unlike[name]), count)


def case(connection: duckdb.DuckDBPyConnection, held: Held, name: str, unlike: str) -> dict[str, Any]:
    """The first customer with a difference."""
    columns = f"customer_id, offline.{quoted(name)}, online.{quoted(name)}"
    query = f"select {columns} from {BESIDE} where {unlike} order by customer_id limit 1"
    customer, offline, online = connection.execute(query).fetchone() or (None, None, None)
    until = format_instant(held.mark.until)
    return {"customer_id": customer, "instant": until, "feature": name, "offline": offline, "online": online}


def asked_publicly(
    audit: Audit,
    connection: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    filled: Sequence[Mark],
    breaches: list[Breach],
) -> tuple[int, list[str]]:
    """Ask some customers, one of them twice and one unknown, as a server would; cells compared, and notes."""
    until, build = filled[0].until, filled[0].build
    if breaches:
        return 0, ["not asked: the public reader, for the store is wrong already"]
    chosen = f"select customer_id from (select distinct customer_id from {parquet(catalog.views[0].path)})"
    drawn = f"{chosen} order by {key_hash_sql('$1', 'customer_id', function='md5')} limit {ASKED}"
    customers = [row[0] for row in connection.execute(drawn, [str(audit.seed)]).fetchall()]
    customers = [*customers, NOBODY, *customers[:1]]
    answers = answers_of(audit, customers, until)
    with one_state(store_file(audit.home)) as store:
        if marks(store, audit.home) != list(filled):
            return 0, ["not asked: the public reader, for the store was filled anew meanwhile"]
    found = list(wrong_answers(build, catalog, customers, until, answers))
    breaches += found
    return len(customers) * len(catalog.feature_names), []


def answers_of(audit: Audit, customers: Sequence[str], until: datetime) -> list[dict[str, Any]]:
    """What the public reader says."""
    from ml.featurestore.online.read import OnlineReader

    return OnlineReader(audit.home.root).features(customers, until)


def wrong_answers(
    build: Path,
    catalog: Catalog,
    customers: Sequence[str],
    until: datetime,
    answers: Sequence[dict[str, Any]],
) -> Iterator[Breach]:
    """Features that the public reader tells otherwise than point-in-time retrieval."""
    instants = pa.array([until] * len(customers), pa.timestamp("us"))
    offline = point_in_time(build, pa.table({"customer_id": list(customers), "event_timestamp": instants}))
    for name in catalog.feature_names:
        column = [as_carried(value) for value in offline[name].to_pylist()]
        unlike = [place for place, value in enumerate(column) if answers[place].get(name) != value]
        if unlike:
            place = unlike[0]
            example = {"customer_id": customers[place], "instant": format_instant(until), "feature": name}
            yield Breach(
                f"{name}: the public reader tells {len(unlike):,} customers otherwise than offline retrieval",
                example | {"offline": column[place], "online": answers[place].get(name, "no such feature")},
                len(unlike),
            )


def as_carried(value: Any) -> Any:
    """An offline value as the public reader gives it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def picture(cells: dict[str, int], breaches: Sequence[Breach]) -> Bars:
    """Cells compared, by feature model."""
    wrong = " ".join(breach.what for breach in breaches)
    return Bars(
        "Cells compared, by feature model",
        tuple(Bar(name, count, name in wrong) for name, count in cells.items()),
    )
