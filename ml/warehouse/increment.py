"""The customers touched by new facts: when rows were only appended, a build makes just these again.

The current build and a newer load come in; an ``Increment``, or the reason for a full build, goes out.
``dbt`` over the touched customers and ``merge`` are next.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from ml.common.instants import parse_instant
from ml.common.memory import memory_limit
from ml.common.sql import literal, parquet
from ml.config.problem import PENDING, LabelTerms
from ml.home.build_manifest import AN_END_ERASED, label_terms_of, read_build_manifest
from ml.ingest.batch import with_columns
from ml.ingest.contract import Table
from ml.ingest.declaration import parent_of, raw_tables, tables_of_customers
from ml.ingest.manifest import read_load_manifest
from ml.ingest.merges import merged_groups

TOUCHED_SHARE_MAX = 0.5  # beyond this share a full build is about as fast, and its files are larger
MEMORY_LIMIT = "3GB"
CLOCKS = ("first_known_at", "data_clock", "split_at")
NEEDED = (*CLOCKS, "project_hash")
POPULATION = "population_customers"
SHIPPED_LABELS = (*PENDING, *PENDING.values(), POPULATION)

# An exact duplicate changes nothing. No earlier row was recorded after the split, so only rows recorded
# before it can be duplicates, and they are compared only with rows of the same key.
FRESH = """
create temp table fresh_{name} as
with
new as (select {columns} from {new}),
maybe_copies as (from new where {recorded_at} <= {split_at}),
earlier as (select {columns} from {old} semi join maybe_copies using ({key}))
select {subject}, {known_at} as known_at
from (from new where {recorded_at} > {split_at} union all (from maybe_copies except from earlier))
"""

# Rows without a customer (items of orders) count from the instant the row they refer to was first known, or
# from a later one they were recorded at. Rows that belong to a new row come with it; only others can be
# duplicates, or change history.
FRESH_BELOW = """
create temp table fresh_{name} as
with
new_parents as (select {reference} from fresh_{parent} anti join {old_parents} using ({reference})),
maybe_copies as (select {columns} from {new} anti join new_parents using ({reference})),
earlier as (select {columns} from {old} semi join maybe_copies using ({key})),
fresh as (from maybe_copies except from earlier),
parents as (
    select {reference}, customer_id, min({parent_known_at}) as parent_known_at
    from {parents} semi join fresh using ({reference})
    group by all
)
select {reference}, customer_id, min(greatest(parent_known_at, fresh.{version})) as known_at
from fresh join parents using ({reference})
group by all
"""

# A merge touches both customers, and all whom other merges join to them.
JOINED = """
select coalesce(others.customer_id, fresh.customer_id) as customer_id, fresh.known_at
from ({fresh}) as fresh
left join {groups} as own using (customer_id)
left join {groups} as others using (final_owner)
"""

# Ends that were in the future at the data clock of the previous build: labels change at their instant.
ANNOUNCED = "select customer_id, {end} as known_at from {rows} where {end} > {data_clock}"

TOUCHED = """
create temp table touched as
with

fresh as ({fresh}),

known_customers as (select distinct customer_id from {profiles}),

touched_customers as (
    select customer_id, min(known_at) <= {split_at} as is_late from fresh group by customer_id
)

select
    touched_customers.customer_id,
    known_customers.customer_id is null as is_new,
    touched_customers.is_late or known_customers.customer_id is null as is_restated
from touched_customers
left join known_customers using (customer_id)
"""


@dataclass(frozen=True)
class Increment:
    """What a build adds to the previous one.

    Parameters
    ----------
    base : Path
        The previous build.
    manifest : dict
        Its ``build.json``.
    split_at : datetime
        The instant up to which its feature rows are history.
    customers : Path
        A Parquet file: customer_id, is_new (unknown to the previous build), is_restated (rows up to
        ``split_at`` are made again too, because a fact arrived late: it was known by ``split_at``).
    touched, new, restated : int
        Numbers of customers.
    """

    base: Path
    manifest: dict[str, Any]
    split_at: datetime
    customers: Path
    touched: int
    new: int
    restated: int

    @property
    def earlier(self) -> dict[str, str | None]:
        """The clocks over all customers in the previous build, for dbt."""
        return {name: parse_instant(self.manifest[name]).isoformat(sep=" ") for name in CLOCKS}


def find_increment(
    base: Path, load: Path, terms: LabelTerms, project_hash: str, customers: Path
) -> Increment | str:
    """The increment to the build ``base``, or the reason for a full build.

    Parameters
    ----------
    base : Path
    load : Path
        The load to be built from.
    terms : LabelTerms
        What the labels depend on.
    project_hash : str
        Of the dbt project to build with.
    customers : Path
        The file to write the touched customers to.
    """
    manifest, load_manifest = read_build_manifest(base), read_load_manifest(load)
    reason = reason_for_full_build(base, manifest, load_manifest, terms, project_hash)
    if reason:
        return reason
    earlier, later = split_ingests(load_manifest, manifest["load_id"])
    with duckdb.connect(config={"memory_limit": memory_limit(MEMORY_LIMIT)}) as connection:
        find_touched(connection, load, earlier, later, base, manifest)
        touched, new, restated = count_touched(connection)
        if touched > TOUCHED_SHARE_MAX * max(manifest["rows"]["int_customers"], 1):
            return f"new facts touch {touched:,} of {manifest['rows']['int_customers']:,} customers"
        connection.execute(
            f"copy (from touched order by customer_id) to {literal(customers)} (format parquet)"
        )
    return Increment(base, manifest, parse_instant(manifest["split_at"]), customers, touched, new, restated)


def reason_for_full_build(
    base: Path,
    manifest: dict[str, Any],
    load_manifest: dict[str, Any],
    terms: LabelTerms,
    project_hash: str,
) -> str | None:
    """Why a full build is needed and not an increment to ``base``; None if an increment is possible."""
    is_whole = all((base / "labels" / pending).is_dir() for pending in PENDING.values())
    if not is_whole or any(manifest.get(name) is None for name in NEEDED):
        return f"{base.name} was made by an earlier version"
    if manifest.get("as_of"):
        return f"{base.name} looks back from {manifest['as_of']}"
    if label_terms_of(manifest) != terms:
        return "the problem has changed"
    if manifest["project_hash"] != project_hash:
        return "the dbt project has changed"
    if own := own_label_models(base):
        return f"{own[0]} is a label model of the project's own"
    if manifest.get(AN_END_ERASED):
        return f"an erased customer had the first or the last instant of {base.name}"
    if manifest["load_id"] == load_manifest["load_id"]:
        return f"nothing was loaded since {base.name}"
    if manifest["load_id"] not in [ingest["load_id"] for ingest in load_manifest["ingests"]]:
        return f"{load_manifest['load_id']} replaced the raw rows of {base.name}"
    if orders_clock(load_manifest) < orders_clock(manifest):
        return f"orders end earlier than in {base.name}"
    return None


def own_label_models(build: Path) -> list[str]:
    """The project's own label tables: how labels of untouched customers change there is unknown."""
    return sorted(path.name for path in (build / "labels").iterdir() if path.name not in SHIPPED_LABELS)


def orders_clock(manifest: dict[str, Any]) -> datetime:
    """The clock of the orders in the manifest of a load or build; ``datetime.min`` without one."""
    clock = (manifest.get("clocks") or {}).get("orders")
    return parse_instant(clock) if clock else datetime.min


def split_ingests(load_manifest: dict[str, Any], built: str) -> tuple[list[str], list[str]]:
    """The names of the ingests up to ``built``, and of those since."""
    names = [ingest["load_id"] for ingest in load_manifest["ingests"]]
    split = names.index(built) + 1
    return names[:split], names[split:]


def find_touched(
    connection: duckdb.DuckDBPyConnection,
    load: Path,
    earlier: list[str],
    later: list[str],
    base: Path,
    manifest: dict[str, Any],
) -> None:
    """Make the table ``touched`` from the new facts of the ``later`` ingests.

    It includes customers with an announced end that lay in the future at the previous build.
    """
    split = instant_literal(manifest["split_at"])
    # A table without a customer reads the fresh rows of the referenced table, so that one comes first.
    for table in sorted(raw_tables(), key=lambda table: table.customer is None):
        fields = {
            "name": table.name,
            "columns": ", ".join(table.names),
            "key": ", ".join(table.key),
            "subject": ", ".join(dict.fromkeys((*table.key, "customer_id"))),
            "recorded_at": table.version_order,
            "known_at": table.known_at,
            "split_at": split,
            "new": rows_of(load, table, later),
            "old": rows_of(load, table, earlier),
        }
        if parent := parent_of(table):
            fields |= {
                "parent": parent.name,
                "reference": parent.key[0],
                "parent_known_at": parent.known_at,
                "version": table.version,
                "old_parents": rows_of(load, parent, earlier),
                "parents": rows_of(load, parent, [*earlier, *later]),
            }
        if table.merges:
            fields["subject"] = f"unnest([{', '.join(table.referring)}]) as customer_id"
        connection.execute((FRESH_BELOW if parent else FRESH).format(**fields))
    fresh = [f"select customer_id, known_at from fresh_{table.name}" for table in raw_tables()]
    fresh += announced_ends(load, [*earlier, *later], instant_literal(manifest["data_clock"]))
    touched, groups = " union all ".join(fresh), merged_groups(load)
    fields = {
        "fresh": JOINED.format(fresh=touched, groups=groups) if groups else touched,
        "profiles": parquet(sorted((base / "features" / "feat_customer_profile").glob("*.parquet"))),
        "split_at": split,
    }
    connection.execute(TOUCHED.format(**fields))


def instant_literal(instant: str) -> str:
    """The SQL literal of an instant in a manifest."""
    return f"timestamp {literal(parse_instant(instant).isoformat(sep=' '))}"


def announced_ends(load: Path, ingests: list[str], data_clock: str) -> list[str]:
    """Queries for the customers with an announced end, and its instant."""
    queries = []
    for table in tables_of_customers():
        rows = rows_of(load, table, ingests)
        if parent := parent_of(table):
            key, of_parents = parent.key[0], rows_of(load, parent, ingests)
            rows = f"{rows} join (select distinct {key}, customer_id from {of_parents}) using ({key})"
        queries += [ANNOUNCED.format(end=end, rows=rows, data_clock=data_clock) for end in table.ends]
    return queries


def rows_of(load: Path, table: Table, ingests: list[str]) -> str:
    """The rows of ``table`` from some ingests, as a relation of the contract's columns."""
    files = [load / table.name / f"{name}.parquet" for name in ingests]
    existing = [file for file in files if file.exists()]
    rows = parquet(existing, "union_by_name = true") if existing else "(select 1 where false)"
    return f"(select {', '.join(table.names)} from {with_columns(table, rows)})"


def count_touched(connection: duckdb.DuckDBPyConnection) -> tuple[int, int, int]:
    """The numbers of touched, new, and restated customers."""
    query = """
        select count(*), count(*) filter (is_new), count(*) filter (is_restated and not is_new) from touched
    """
    touched, new, restated = connection.execute(query).fetchall()[0]
    return touched, new, restated
