"""No future: absurd facts known only after an instant must not change any feature up to it.

Sampled customers get poison after instants of their own and are built again by the same dbt graph; every cell
up to the instant, and every label settled by then, is compared with the published build.
"""

from ml.audit.check_database import database, single_value
from ml.audit.compare_builds import compare_builds
from ml.audit.difference_text import breaches_of, customers_sampled, notes_on
from ml.audit.findings import Audit, Finding, not_checked
from ml.audit.poison_facts import add_poison
from ml.audit.sampled_customers import affordable, draw_known_customers, draw_limits
from ml.audit.scratch_builds import check_repeatable, copy_published, copy_raw, feature_files, rebuild
from ml.audit.wall_clock import clock_readers
from ml.common.number_words import counted
from ml.common.sql import parquet

CHECK = "poison"
# A customer gets poison beside its own rows, about half as many.
WEIGHT = 1.5
MOVED = "moves at or before an instant when only facts known after it are added"
# A settled label may move when orders are corrected or recorded late, but not for facts that happened later.
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
    load, published = audit.scratch / CHECK / "raw", audit.scratch / CHECK / "published"
    with database(audit) as connection:
        customers = draw_known_customers(audit, connection, CHECK, affordable(audit, 1, WEIGHT))
        draw_limits(audit, connection, CHECK)
        copy_raw(audit.load, connection, load)
        copy_published(audit, connection, published)
        rows = add_poison(connection, load)
        poisoned = rebuild(audit, CHECK, load)
        reached = single_value(connection, REACHED.format(rows=parquet(feature_files(audit, poisoned))))
        if not reached:
            return not_checked(CHECK, "the poison changed no feature even afterwards, so it proves nothing")
        comparison = compare_builds(audit, connection, published, poisoned, settled=SETTLED)
    moved = f"{len(comparison.moved)} columns moved" if comparison.moved else "no cell moved"
    return Finding(
        CHECK,
        compared=comparison.cells,
        detail=f"{rows:,d} rows of poison, felt by {counted(reached, 'customer')} only after it became "
        f"known: {moved} before",
        breaches=breaches_of(comparison, MOVED, clock_readers(audit.build)),
        sampled=customers_sampled(audit, customers, "each at an instant of its own"),
        notes=notes_on(comparison),
    )
