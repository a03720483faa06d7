"""History stands still: the published build against the one before it, up to the older of their data clocks.

Every feature row of both is compared; files that both share by hard link are equal without reading. Where
something moved, ``late_rows`` names the raw rows that came without saying when.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from ml.audit.compare import Comparison, Table, compare, identities, identity
from ml.audit.findings import Audit, Finding, not_checked
from ml.audit.late_rows import late_rows
from ml.audit.population import compare_population, rows_in
from ml.audit.rows_without_clock import notes_of
from ml.audit.sample import clock_of, database
from ml.audit.scratch import feature_files, tables_of
from ml.audit.wording import breaches_of, notes_on
from ml.common.instants import format_instant
from ml.common.sql import literal
from ml.features.labels import POPULATION
from ml.featurestore.catalog import read_catalog
from ml.home.build_manifest import data_clock, read_build_manifest
from ml.home.leases import lease

NAME = "history"
SECONDS_A_ROW = 2e-6
THOUSAND = 1000
EVERYONE = """
create or replace temp table limits as
select distinct customer_id, {until}::timestamp as until
from (select customer_id from {before} union all select customer_id from {after})
where {drawn}
"""


def check(audit: Audit) -> Finding:
    """Compare with the build before this one; say also which raw rows have no clock of their own."""
    notes = notes_of(audit)
    with build_before(audit) as earlier:
        if earlier is None:
            return replace(not_checked(NAME, "there is no earlier build to compare with"), notes=notes)
        with database(audit) as connection:
            found = compare_with(audit, connection, earlier)
            return replace(found, notes=found.notes + notes)


@contextmanager
def build_before(audit: Audit) -> Iterator[Path | None]:
    """The build that this one replaced, else the newest older one, leased; None when all are gone."""
    builds = {build.name: build for build in audit.home.kept_builds()}
    older = [name for name in builds if name < audit.build.name]
    for name in dict.fromkeys([audit.manifest.get("replaces"), *older]):
        if name in builds:
            with lease(builds[name]) as held:
                if held:
                    yield builds[name]
                    return
    yield None


def compare_with(audit: Audit, connection: duckdb.DuckDBPyConnection, earlier: Path) -> Finding:
    """Compare the published build with an earlier one."""
    until = min(clock_of(audit), data_clock(earlier))
    thousandths = affordable(audit, earlier)
    drawn = f"hash({literal(f'{audit.seed}|')} || customer_id) % {THOUSAND} < {thousandths}"
    up_to = f"event_timestamp <= {literal(until)}::timestamp"
    kept = f"select * from {{source}} where {up_to} and {drawn}"
    found = compare(
        connection, common_tables(audit, earlier), earlier / "features", audit.build / "features", kept
    )
    if read_build_manifest(earlier)["problem"] == audit.manifest["problem"]:
        sides = {"before": rows_in(earlier, POPULATION), "after": rows_in(audit.build, POPULATION)}
        connection.execute(EVERYONE.format(until=literal(until), drawn=drawn, **sides))
        compare_population(connection, earlier, audit.build, found)
    return finding(audit, connection, earlier, until, found, thousandths)


def affordable(audit: Audit, earlier: Path) -> int:
    """How many in a thousand customers can be compared in the time that the check has."""
    files = feature_files(audit, audit.build)
    shared = identities(files) & identities(feature_files(audit, earlier))
    rows = sum(parquet_rows(file) for file in files if identity(file) not in shared)
    return max(1, min(THOUSAND, int(THOUSAND * audit.seconds / (rows * SECONDS_A_ROW + 1))))


def parquet_rows(file: Path) -> int:
    """How many rows a file says it has."""
    rows: int = pq.read_metadata(file).num_rows
    return rows


def common_tables(audit: Audit, earlier: Path) -> list[Table]:
    """The feature models and columns that both builds have."""
    there = {view.name: {one.name for one in view.features} for view in read_catalog(earlier).views}
    both = [
        Table(table.model, tuple(name for name in table.columns if name in there.get(table.model, ())))
        for table in tables_of(audit)
    ]
    return [table for table in both if table.columns]


def finding(
    audit: Audit,
    connection: duckdb.DuckDBPyConnection,
    earlier: Path,
    until: datetime,
    found: Comparison,
    thousandths: int,
) -> Finding:
    """What the comparison comes to; with the raw rows that explain it, where something moved."""
    what = f"is not what {earlier.name} had at or before {format_instant(until)}"
    causes = late_rows(audit, connection, earlier, until, found.customers) if found.moved else ()
    shared = f", {found.shared:,d} cells of them in files that both share" if found.shared else ""
    sampled = f"{thousandths / 10:g} % of the customers, seed {audit.seed}" if thousandths < THOUSAND else ""
    return Finding(
        NAME,
        compared=found.cells,
        detail=f"{verdict(audit, earlier, found)} up to {format_instant(until)}{shared}",
        breaches=breaches_of(found, what) + causes,
        sampled=sampled,
        notes=notes_on(found),
    )


def verdict(audit: Audit, earlier: Path, found: Comparison) -> str:
    """Whether history stood still, and what else is known to have changed."""
    if not found.moved:
        return f"equal to {earlier.name}"
    made_by = {manifest.get("project_hash") for manifest in (audit.manifest, read_build_manifest(earlier))}
    changed = "; the dbt project has changed since" if len(made_by) > 1 else ""
    return f"{len(found.moved)} columns differ from {earlier.name}{changed}"
