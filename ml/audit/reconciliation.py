"""Reconciliation (``ledger``): no row is lost between raw files, build and retrieval.

load.json is recounted from the raw files, customers are followed into every feature table, and entity rows
are counted and compared when they come back with features.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.audit.check_database import database, first_case, single_value
from ml.audit.findings import Audit, Breach
from ml.audit.pictures import Bar, Bars, PicturedFinding
from ml.audit.raw_facts import check_load, facts
from ml.audit.sampled_customers import draw_customers
from ml.common.sql import literal
from ml.features.labels import parquet
from ml.features.point_in_time import features
from ml.ingest.manifest import read_load_manifest

CHECK = "ledger"
REJECTED = "rejected_rows"
# More than one slice of retrieval, so that the borders of slices are tested.
ENTITY_ROWS = 125_000
CUSTOMERS_MAX = 20_000
# The prefix of unknown customer_ids.
UNKNOWN = "nobody at all "
KEYS = ["customer_id", "event_timestamp"]

KNOWN = "create temp table known as select customer_id, min(known_at) as known_at from ({rows}) group by all"
BUILT = """
create or replace temp table built as
select customer_id, min(event_timestamp) as known_at from {rows} group by customer_id
"""
IN_TIME = "create temp view known_in_time as from known where known_at <= {clock}::timestamp"
SIDES = {
    "lacks {count:,} customers of the raw tables, {who} among them": """
        known_in_time anti join built using (customer_id)
    """,
    "has {count:,} customers that the raw tables do not know by the data clock, {who} among them": """
        built anti join known_in_time using (customer_id)
    """,
    "begins at another instant than the first known fact for {count:,} customers, {who} among them": """
        built join known using (customer_id) where built.known_at <> known.known_at
    """,
}


def check(audit: Audit) -> PicturedFinding:
    """Check that read = accepted + rejected, customers in = customers out, entity rows in = rows out."""
    check_load(audit)
    manifest = read_load_manifest(audit.load)
    breaches = [*unbalanced_counts(manifest), *wrong_file_counts(audit.load, manifest)]
    with database(audit) as connection:
        connection.execute(KNOWN.format(rows=facts(audit.load)))
        connection.execute(IN_TIME.format(clock=literal(audit.clock)))
        breaches += lost_customers(audit, connection)
        breaches += other_row_counts(audit, connection)
        customers: int = single_value(connection, "select count(*) from known_in_time")
        rows = entity_rows(audit, connection)
    breaches += changed_rows(audit, rows)
    tables = manifest["tables"]
    read = sum(counts["read"] for counts in tables.values())
    rejected = sum(counts["rejected"] for counts in tables.values())
    bars = tuple(Bar(table, counts["read"]) for table, counts in tables.items())
    return PicturedFinding(
        CHECK,
        compared=read + len(rows),
        what="rows",
        detail=f"{read:,} rows read, {rejected:,} of them rejected; {customers:,} customers in each of "
        f"{len(audit.catalog.views)} feature tables; {len(rows):,} entity rows looked up",
        breaches=tuple(breaches),
        sampled=f"entity rows: {len(rows):,} of at most {CUSTOMERS_MAX:,} customers; all else in full",
        picture=Bars("Rows read, by table", bars),
    )


def unbalanced_counts(manifest: dict[str, Any]) -> Iterator[Breach]:
    """Counts in load.json that do not add up."""
    all_ingests = {"load_id": "all ingests together", "tables": manifest["tables"]}
    for ingest in [*manifest["ingests"], all_ingests]:
        for table, counts in ingest["tables"].items():
            lost = counts["read"] - counts["accepted"] - counts["rejected"]
            if lost:
                yield Breach(
                    f"load.json, {table}, {ingest['load_id']}: {counts['read']:,} rows read are not "
                    f"{counts['accepted']:,} accepted and {counts['rejected']:,} rejected",
                    {"table": table, "load": ingest["load_id"], **counts},
                    abs(lost),
                )
    for table, counts in manifest["tables"].items():
        for name, count in counts.items():
            summed = sum(ingest["tables"].get(table, {}).get(name, 0) for ingest in manifest["ingests"])
            if summed != count:
                yield Breach(
                    f"load.json, {table}: {count:,} rows {name} in all, but {summed:,} over its ingests",
                    {"table": table, name: count, "over ingests": summed},
                    abs(summed - count),
                )


def wrong_file_counts(load: Path, manifest: dict[str, Any]) -> Iterator[Breach]:
    """Raw files whose numbers of rows differ from load.json."""
    ingests = {ingest["load_id"]: ingest["tables"] for ingest in manifest["ingests"]}
    for table in manifest["tables"]:
        for file in sorted((load / table).glob("*.parquet")):
            if file.stem not in ingests:
                yield Breach(f"{table}/{file.name} is no file of an ingest in load.json", {"file": file.name})
        for name, tables in ingests.items():
            file = load / table / f"{name}.parquet"
            rows = pq.read_metadata(file).num_rows if file.is_file() else 0
            recorded = tables.get(table, {}).get("accepted", 0)
            yield from wrong_count(f"{table}/{file.name}", rows, recorded, "accepted")
    for name, tables in ingests.items():
        rejected = rejected_in(load / REJECTED / f"{name}.parquet")
        for table, counts in tables.items():
            location = f"{REJECTED}/{name}.parquet, {table},"
            yield from wrong_count(location, rejected[table], counts["rejected"], "rejected")


def wrong_count(location: str, rows: int, recorded: int, word: str) -> Iterator[Breach]:
    """A breach if the number of rows in a file differs from load.json."""
    if rows != recorded:
        yield Breach(
            f"{location} holds {rows:,} rows, but load.json says {recorded:,} were {word}",
            {"file": location.rstrip(","), "rows": rows, "load.json": recorded},
            abs(rows - recorded),
        )


def rejected_in(file: Path) -> Counter[str]:
    """Rejected rows of one ingest, by table."""
    return Counter(pq.read_table(file, columns=["table"])["table"].to_pylist() if file.is_file() else ())


def lost_customers(audit: Audit, connection: duckdb.DuckDBPyConnection) -> Iterator[Breach]:
    """Feature tables whose customers, or their first instants, differ from the raw tables."""
    for view in audit.catalog.views:
        connection.execute(BUILT.format(rows=parquet(view.path)))
        for sentence, rows in SIDES.items():
            if case := first_case(connection, rows, {"customer_id": "customer_id"}):
                what = sentence.format(count=case.rows, who=case.example["customer_id"])
                yield Breach(f"{view.name} {what}", {"model": view.name, **case.example}, case.rows)


def other_row_counts(audit: Audit, connection: duckdb.DuckDBPyConnection) -> Iterator[Breach]:
    """Feature tables whose numbers of rows differ from build.json."""
    for view in audit.catalog.views:
        recorded = audit.manifest.get("rows", {}).get(view.name)
        rows = single_value(connection, f"select count(*) from {parquet(view.path)}")
        if recorded is not None and recorded != rows:
            yield Breach(
                f"{view.name} holds {rows:,} rows, but build.json says {recorded:,}",
                {"model": view.name, "rows": rows, "build.json": recorded},
                abs(rows - recorded),
            )


def entity_rows(audit: Audit, connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Entity rows in random order: known customers, unknown ones, and each tenth row twice."""
    draw = np.random.default_rng([audit.seed, len(CHECK)])
    drawn = draw_customers(connection, "known", CUSTOMERS_MAX, str(audit.seed))
    known = [row[0] for row in connection.execute("from chosen order by customer_id").fetchall()]
    names = np.array([*known, *(f"{UNKNOWN}{number}" for number in range(1 + drawn // 50))])
    first = single_value(connection, "select min(known_at) from known") or audit.clock
    span = (audit.clock - first) // timedelta(microseconds=1) + 1
    number = ENTITY_ROWS * 10 // 11
    customers = names[draw.integers(0, len(names), number)]
    instants = np.datetime64(first, "us") + draw.integers(0, max(span, 1), number).astype("timedelta64[us]")
    order = draw.permutation(np.concatenate([np.arange(number), np.arange(0, number, 10)]))
    columns = {"customer_id": customers[order], "event_timestamp": instants[order]}
    return pa.table({**columns, "entity_row": np.arange(len(order))})


def changed_rows(audit: Audit, rows: pa.Table) -> Iterator[Breach]:
    """Entity rows that retrieval changes, loses, or gives impossible features."""
    names = [view.features[0].name for view in audit.catalog.views if view.features]
    source, target = audit.scratch / "entity_rows.parquet", audit.scratch / "rows_with_features.parquet"
    pq.write_table(rows, source)
    features(source, target, home=audit.home, names=names)
    returned = pq.read_table(target)
    if len(returned) != len(rows):
        lost = len(rows) - len(returned)
        yield Breach(f"{len(rows):,} entity rows went in, but {len(returned):,} came back", {}, abs(lost))
        return
    for name in rows.column_names:
        changed = pc.sum(pc.not_equal(returned[name], rows[name].cast(returned[name].type))).as_py()
        if changed:
            what = f"{changed:,} entity rows come back with another {name}"
            yield Breach(what, {"column": name}, changed)
    unknown = returned.filter(pc.starts_with(returned["customer_id"], UNKNOWN))
    for name in names:
        filled = len(unknown) - unknown[name].null_count
        if filled:
            what = f"{name} has a value in {filled:,} rows of customers who are not in the raw tables"
            yield Breach(what, {"feature": name}, filled)
    distinct = len(returned.group_by(KEYS).aggregate([]))
    differing = len(returned.group_by([*KEYS, *names]).aggregate([])) - distinct
    if differing:
        what = f"{differing:,} entity rows that are there twice come back with different features"
        yield Breach(what, {}, differing)
