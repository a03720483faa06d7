"""Ledger: nothing gets lost between what was read, what was built and what is answered.

load.json is recounted from the raw files, customers are followed into every feature table, and rows asked are
counted and compared when they come back.
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

from ml.audit.facts import becoming_known, check_there, one
from ml.audit.findings import Audit, Breach
from ml.audit.pictures import Bar, Bars, PicturedFinding
from ml.audit.sample import clock_of, database
from ml.common.sampling import key_hash_sql
from ml.features.labels import parquet
from ml.features.point_in_time import features
from ml.ingest.manifest import read_record

CHECK = "ledger"
REJECTED = "rejected_rows"
# More than one slice of an answer, so that its seams are among the rows.
ASKED = 125_000
MOST_CUSTOMERS = 20_000
NOBODY = "nobody at all "

KNOWN = "create temp table known as select customer_id, min(known_at) as known_at from ({rows}) group by all"
BUILT = """
create or replace temp table built as
select customer_id, min(event_timestamp) as known_at from {rows} group by customer_id
"""
SIDES = {
    "lacks {count:,} customers of the raw tables, {who} among them": """
        from known anti join built using (customer_id) where known_at <= $clock
    """,
    "has {count:,} customers that the raw tables do not know by the data clock, {who} among them": """
        from built anti join (from known where known_at <= $clock) using (customer_id)
    """,
    "begins at another instant than the first known fact for {count:,} customers, {who} among them": """
        from (
            select customer_id, built.known_at, known.known_at as first_known_at
            from built join known using (customer_id)
        )
        where known_at <> first_known_at
    """,
}


def check(audit: Audit) -> PicturedFinding:
    """Whether read = accepted + rejected, customers in = customers out, rows asked = rows answered."""
    check_there(audit)
    record = read_record(audit.load)
    breaches = [*unbalanced(record), *miscounted(audit.load, record)]
    with database(audit) as connection:
        customers = follow_customers(audit, connection, breaches)
        breaches += manifest_differs(audit, connection)
        asked = asked_rows(audit, connection)
    breaches += answered_otherwise(audit, asked)
    read = sum(counts["read"] for counts in record["tables"].values())
    rejected = sum(counts["rejected"] for counts in record["tables"].values())
    return PicturedFinding(
        CHECK,
        compared=read + len(asked),
        what="rows",
        detail=f"{read:,} rows read, {rejected:,} of them rejected; {customers:,} customers in each of "
        f"{len(audit.catalog.views)} feature tables; {len(asked):,} rows asked",
        breaches=tuple(breaches),
        sampled=f"rows asked: {len(asked):,} of at most {MOST_CUSTOMERS:,} customers; all else in full",
        picture=picture(record),
    )


def unbalanced(record: dict[str, Any]) -> Iterator[Breach]:
    """Where load.json does not add up in itself."""
    for ingest in [*record["ingests"], {"load_id": "all ingests together", **totals(record)}]:
        for table, counts in ingest["tables"].items():
            lost = counts["read"] - counts["accepted"] - counts["rejected"]
            if lost:
                yield Breach(
                    f"load.json, {table}, {ingest['load_id']}: {counts['read']:,} rows read are not "
                    f"{counts['accepted']:,} accepted and {counts['rejected']:,} rejected",
                    {"table": table, "load": ingest["load_id"], **counts},
                    abs(lost),
                )
    for table, counts in totals(record)["tables"].items():
        for name, count in counts.items():
            summed = sum(ingest["tables"].get(table, {}).get(name, 0) for ingest in record["ingests"])
            if summed != count:
                yield Breach(
                    f"load.json, {table}: {count:,} rows {name} in all, but {summed:,} over its ingests",
                    {"table": table, name: count, "over ingests": summed},
                    abs(summed - count),
                )


def totals(record: dict[str, Any]) -> dict[str, Any]:
    """The counts over all ingests."""
    return {"tables": record["tables"]}


def miscounted(load: Path, record: dict[str, Any]) -> Iterator[Breach]:
    """Where the raw files do not hold what load.json says."""
    ingests = {ingest["load_id"]: ingest["tables"] for ingest in record["ingests"]}
    for table in record["tables"]:
        for file in sorted((load / table).glob("*.parquet")):
            if file.stem not in ingests:
                yield Breach(f"{table}/{file.name} is no file of an ingest in load.json", {"file": file.name})
        for name, tables in ingests.items():
            file = load / table / f"{name}.parquet"
            counted, said = rows_in(file), tables.get(table, {}).get("accepted", 0)
            if counted != said:
                yield miscount(f"{table}/{file.name}", counted, said, "accepted")
    for name, tables in ingests.items():
        counted_by_table = rejected_in(load / REJECTED / f"{name}.parquet")
        for table, counts in tables.items():
            if counted_by_table[table] != counts["rejected"]:
                where = f"{REJECTED}/{name}.parquet, {table},"
                yield miscount(where, counted_by_table[table], counts["rejected"], "rejected")


def miscount(where: str, counted: int, said: int, word: str) -> Breach:
    """A file that does not hold what it should."""
    return Breach(
        f"{where} holds {counted:,} rows, but load.json says {said:,} were {word}",
        {"file": where.rstrip(","), "rows": counted, "load.json": said},
        abs(counted - said),
    )


def rows_in(file: Path) -> int:
    """Rows of a Parquet file; none where it is not there."""
    return pq.read_metadata(file).num_rows if file.is_file() else 0


def rejected_in(file: Path) -> Counter[str]:
    """Rejected rows of one ingest, by table."""
    if not file.is_file():
        return Counter()
    counts = pc.value_counts(pq.read_table(file, columns=["table"])["table"])
    return Counter({each["values"].as_py(): each["counts"].as_py() for each in counts})


def follow_customers(audit: Audit, connection: duckdb.DuckDBPyConnection, breaches: list[Breach]) -> int:
    """Compare the customers of the raw tables with those of each feature table; how many there are."""
    clock = clock_of(audit)
    connection.execute(KNOWN.format(rows=becoming_known(audit.load)))
    for view in audit.catalog.views:
        connection.execute(BUILT.format(rows=parquet(view.path)))
        for sentence, rows in SIDES.items():
            parameters = {"clock": clock} if "$clock" in rows else {}
            found = connection.execute(f"select count(*), min(customer_id) {rows}", parameters).fetchone()
            count, who = found or (0, None)
            if count:
                what = f"{view.name} {sentence.format(count=count, who=who)}"
                breaches.append(Breach(what, {"model": view.name, "customer_id": who}, count))
    return one(connection, "select count(*) from known where known_at <= $1", [clock])


def manifest_differs(audit: Audit, connection: duckdb.DuckDBPyConnection) -> Iterator[Breach]:
    """Where build.json says another number of rows than the feature files hold."""
    for view in audit.catalog.views:
        said = audit.manifest.get("rows", {}).get(view.name)
        held = one(connection, f"select count(*) from {parquet(view.path)}")
        if said is not None and said != held:
            yield Breach(
                f"{view.name} holds {held:,} rows, but build.json says {said:,}",
                {"model": view.name, "rows": held, "build.json": said},
                abs(held - said),
            )


def asked_rows(audit: Audit, connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Rows to ask in an order of their own: known customers, strangers, and each tenth row twice."""
    draw = np.random.default_rng([audit.seed, len(CHECK)])
    drawn = key_hash_sql("$1", "customer_id", function="md5")
    rows = connection.execute(
        f"select customer_id from known order by {drawn} limit {MOST_CUSTOMERS}", [str(audit.seed)]
    ).fetchall()
    names = np.array(
        [row[0] for row in rows] + [f"{NOBODY}{number}" for number in range(1 + len(rows) // 50)]
    )
    first = one(connection, "select min(known_at) from known") or clock_of(audit)
    span = (clock_of(audit) - first) // timedelta(microseconds=1) + 1
    number = ASKED * 10 // 11
    customers = names[draw.integers(0, len(names), number)]
    instants = np.datetime64(first, "us") + draw.integers(0, max(span, 1), number).astype("timedelta64[us]")
    order = draw.permutation(np.concatenate([np.arange(number), np.arange(0, number, 10)]))
    return pa.table(
        {
            "customer_id": customers[order],
            "event_timestamp": instants[order],
            "asked_row": np.arange(len(order)),
        }
    )


def answered_otherwise(audit: Audit, asked: pa.Table) -> Iterator[Breach]:
    """Where the rows that come back are not the rows asked, or answer one row in two ways, or a stranger."""
    names = [view.features[0].name for view in audit.catalog.views if view.features]
    question, answer = audit.scratch / "asked.parquet", audit.scratch / "answered.parquet"
    pq.write_table(asked, question)
    features(question, answer, home=audit.home, names=names)
    answered = pq.read_table(answer)
    if len(answered) != len(asked):
        lost = len(asked) - len(answered)
        yield Breach(f"{len(asked):,} rows asked, but {len(answered):,} answered", {}, abs(lost))
        return
    for name in asked.column_names:
        changed = pc.sum(pc.not_equal(answered[name], asked[name].cast(answered[name].type))).as_py()
        if changed:
            yield Breach(
                f"{changed:,} rows come back with another {name} than asked", {"column": name}, changed
            )
    yield from inconsistent(answered, names)


def inconsistent(answered: pa.Table, names: list[str]) -> Iterator[Breach]:
    """Rows asked twice and answered in two ways; values for customers whom nobody knows."""
    strangers = answered.filter(pc.starts_with(answered["customer_id"], NOBODY))
    for name in names:
        told = len(strangers) - strangers[name].null_count
        if told:
            yield Breach(f"{name} is told of {told:,} customers whom nobody knows", {"feature": name}, told)
    keys = ["customer_id", "event_timestamp"]
    distinct, answers = (
        len(answered.group_by(keys).aggregate([])),
        len(answered.group_by([*keys, *names]).aggregate([])),
    )
    if distinct != answers:
        yield Breach(
            f"{answers - distinct:,} rows asked twice are answered in two ways", {}, answers - distinct
        )


def picture(record: dict[str, Any]) -> Bars:
    """Rows read of each table."""
    return Bars(
        "Rows read, by table",
        tuple(Bar(table, counts["read"]) for table, counts in record["tables"].items()),
    )
