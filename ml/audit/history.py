"""History stands still: the published build against the one before it, up to the older of their data clocks.

Every feature row of both is compared; files that both share by hard link are equal without reading. If a
value moved, ``late_rows`` names the raw rows that were delivered late.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from ml.audit.check_database import database
from ml.audit.compare_builds import compare_population
from ml.audit.compare_feature_tables import Comparison, Table, compare, identities, identity
from ml.audit.difference_text import breaches_of, notes_on
from ml.audit.findings import Audit, Finding, not_checked
from ml.audit.late_rows import late_rows, rows_without_clock
from ml.audit.sampled_customers import is_drawn
from ml.audit.scratch_builds import feature_files, tables_of
from ml.common.instants import format_instant
from ml.common.sql import literal
from ml.features.labels import POPULATION, parquet
from ml.featurestore.catalog import read_catalog
from ml.home.build_manifest import data_clock, read_build_manifest
from ml.home.read_leases import lease

CHECK = "history"
# Measured on two cores: to read and compare a row of both builds.
SECONDS_A_ROW = 2e-6
THOUSAND = 1000
LIMITS = """
create or replace temp table limits as
select distinct customer_id, {until}::timestamp as until
from (select customer_id from {before} union all select customer_id from {after})
where {drawn}
"""


def check(audit: Audit) -> Finding:
    """Compare with the build before this one; notes name raw rows without a clock."""
    notes = rows_without_clock(audit)
    with build_before(audit) as earlier:
        if earlier is None:
            return replace(not_checked(CHECK, "there is no earlier build to compare with"), notes=notes)
        with database(audit) as connection:
            finding = compare_with(audit, connection, earlier)
            return replace(finding, notes=finding.notes + notes)


@contextmanager
def build_before(audit: Audit) -> Iterator[Path | None]:
    """The build that this one replaced, else the newest older one, with a lease; None if all are gone."""
    builds = {build.name: build for build in audit.home.published_builds()}
    older = [name for name in builds if name < audit.build.name]
    for name in dict.fromkeys([audit.manifest.get("replaces"), *older]):
        if name in builds:
            with lease(builds[name]) as is_leased:
                if is_leased:
                    yield builds[name]
                    return
    yield None


def compare_with(audit: Audit, connection: duckdb.DuckDBPyConnection, earlier: Path) -> Finding:
    """Compare the published build with an earlier one; name the raw rows that explain what moved."""
    until = min(audit.clock, data_clock(earlier))
    share = affordable_share(audit, earlier)
    drawn = is_drawn(audit.seed, share, THOUSAND)
    selection = f"select * from {{source}} where event_timestamp <= {literal(until)}::timestamp and {drawn}"
    tables = common_tables(audit, earlier)
    comparison = compare(connection, tables, earlier / "features", audit.build / "features", selection)
    if read_build_manifest(earlier)["problem"] == audit.manifest["problem"]:
        sides = {"before": parquet(earlier / POPULATION), "after": parquet(audit.build / POPULATION)}
        connection.execute(LIMITS.format(until=literal(until), drawn=drawn, **sides))
        compare_population(connection, earlier, audit.build, comparison)
    shared = f", {comparison.shared:,d} cells of them in files that both share" if comparison.shared else ""
    sampled = f"{share / 10:g} % of the customers, seed {audit.seed}" if share < THOUSAND else ""
    causes = late_rows(audit, connection, earlier, until, comparison.customers) if comparison.moved else ()
    what = f"is not what {earlier.name} had at or before {format_instant(until)}"
    return Finding(
        CHECK,
        compared=comparison.cells,
        detail=f"{result(audit, earlier, comparison)} up to {format_instant(until)}{shared}",
        breaches=breaches_of(comparison, what) + causes,
        sampled=sampled,
        notes=notes_on(comparison),
    )


def affordable_share(audit: Audit, earlier: Path) -> int:
    """The number per thousand customers that the time of the check allows."""
    files = feature_files(audit, audit.build)
    shared = identities(files) & identities(feature_files(audit, earlier))
    rows = sum(pq.read_metadata(file).num_rows for file in files if identity(file) not in shared)
    return max(1, min(THOUSAND, int(THOUSAND * audit.seconds / (rows * SECONDS_A_ROW + 1))))


def common_tables(audit: Audit, earlier: Path) -> list[Table]:
    """The feature models and columns that both builds have."""
    earlier_columns = {
        view.name: {feature.name for feature in view.features} for view in read_catalog(earlier).views
    }
    tables = [
        Table(
            table.model, tuple(name for name in table.columns if name in earlier_columns.get(table.model, ()))
        )
        for table in tables_of(audit)
    ]
    return [table for table in tables if table.columns]


def result(audit: Audit, earlier: Path, comparison: Comparison) -> str:
    """Whether history is unchanged, and whether the dbt project is."""
    if not comparison.moved:
        return f"equal to {earlier.name}"
    project_hashes = {
        manifest.get("project_hash") for manifest in (audit.manifest, read_build_manifest(earlier))
    }
    changed = "; the dbt project has changed since" if len(project_hashes) > 1 else ""
    return f"{len(comparison.moved)} columns differ from {earlier.name}{changed}"
