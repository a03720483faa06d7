"""No future: absurd facts known only after an instant must leave every feature up to it alone.

Sampled customers get poison after instants of their own and are built again by the same dbt graph; every cell
up to the instant, and every label settled by then, is compared with the published build.
"""

from pathlib import Path

import duckdb

from ml.audit.compare import Comparison, compare, one
from ml.audit.findings import Audit, Finding, not_checked
from ml.audit.lookups import compare_lookups
from ml.audit.poison_facts import add_poison
from ml.audit.population import compare_labels, compare_population
from ml.audit.sample import affordable, database, draw_customers, draw_limits
from ml.audit.scratch import check_repeatable, copy_published, copy_raw, feature_files, rebuild, tables_of
from ml.audit.wall_clock import clock_readers
from ml.audit.wording import breaches_of, customers_sampled, notes_on
from ml.common.counting import counted
from ml.common.sql import parquet

NAME = "poison"
WEIGHT = 1.5
MOVED = "moves at or before an instant when only facts known after it are added"
# A settled label may move when orders are corrected or told late, but not for facts that happened later.
SETTLED = "customer_id in (select customer_id from poisoned where not is_corrected)"
REACHED = """
select count(distinct customer_id)
from {rows} as made
inner join poisoned using (customer_id)
where made.event_timestamp = poisoned.recorded_at
"""


def check(audit: Audit) -> Finding:
    """Poison the future of sampled customers, build them again, and compare their past."""
    check_repeatable(audit)
    load, published = audit.scratch / NAME / "raw", audit.scratch / NAME / "published"
    with database(audit) as connection:
        customers = draw_customers(audit, connection, NAME, affordable(audit, 1, WEIGHT))
        draw_limits(audit, connection, NAME)
        copy_raw(audit, connection, load)
        copy_published(audit, connection, published)
        rows = add_poison(connection, load)
        poisoned = rebuild(audit, NAME, load)
        reached = one(connection, REACHED.format(rows=parquet(feature_files(audit, poisoned))))
        if not reached:
            return not_checked(NAME, "the poison changed no feature even afterwards, so it proves nothing")
        found = compare_all(audit, connection, published, poisoned)
    return finding(
        audit, found, customers, f"{rows:,d} rows of poison, felt by {counted(reached, 'customer')}"
    )


def compare_all(
    audit: Audit, connection: duckdb.DuckDBPyConnection, published: Path, poisoned: Path
) -> Comparison:
    """Features, population, settled labels, and features as asked for at the instant itself."""
    found = compare(connection, tables_of(audit), published / "features", poisoned / "features")
    compare_population(connection, published, poisoned, found)
    compare_labels(connection, published, poisoned, audit.problem, found, settled=SETTLED)
    compare_lookups(connection, list(audit.catalog.formulas), published, poisoned, found)
    return found


def finding(audit: Audit, found: Comparison, customers: int, poison: str) -> Finding:
    """What the comparison comes to."""
    moved = f"{len(found.moved)} columns moved" if found.moved else "no cell moved"
    return Finding(
        NAME,
        compared=found.cells,
        detail=f"{poison} only after it became known: {moved} before",
        breaches=breaches_of(found, MOVED, clock_readers(audit.build)),
        sampled=customers_sampled(audit, customers, "each at an instant of its own"),
        notes=notes_on(found),
    )
