"""Replay: features built as of a past instant equal those that the published build has for that instant.

Sampled customers are built again as of several instants, with the wall clock set to each; every cell up to
the instant is compared with the published build.
"""

from datetime import datetime
from pathlib import Path

import duckdb

from ml.audit.check_database import database, single_value
from ml.audit.compare_builds import compare_builds
from ml.audit.compare_feature_tables import Comparison
from ml.audit.difference_text import breaches_of, clock_breaches, customers_sampled, notes_on
from ml.audit.findings import Audit, Finding
from ml.audit.sampled_customers import SECONDS_PER_RUN, affordable, draw_known_customers, limit_all
from ml.audit.scratch_builds import check_repeatable, copy_published, copy_raw, feature_files, rebuild
from ml.audit.wall_clock import clock_readers
from ml.common.instants import format_instant, parse_instant
from ml.common.number_words import counted
from ml.common.sql import parquet

CHECK = "replay"
INSTANTS_MIN, INSTANTS_MAX = 2, 6
# The share of the time for runs of dbt; the rest is for comparisons.
DBT_SHARE = 0.8
MOVED = "is another in a build as of an instant than the published build has for that instant"


def check(audit: Audit) -> Finding:
    """Build sampled customers as of past instants, and compare."""
    check_repeatable(audit)
    load, published = audit.scratch / CHECK / "raw", audit.scratch / CHECK / "published"
    planned = max(INSTANTS_MIN, min(INSTANTS_MAX, int(audit.seconds * DBT_SHARE / SECONDS_PER_RUN)))
    comparison, instants = Comparison(), list[datetime]()
    with database(audit) as connection:
        customers = draw_known_customers(audit, connection, CHECK, affordable(audit, planned))
        copy_raw(audit.load, connection, load)
        copy_published(audit, connection, published)
        for instant in draw_instants(audit, connection, published, planned):
            if len(instants) >= INSTANTS_MIN and audit.seconds_left() < SECONDS_PER_RUN:
                break
            limit_all(connection, instant)
            replayed = rebuild(audit, f"{CHECK}-{len(instants)}", load, as_of=instant, wall_clock=instant)
            comparison.add(compare_builds(audit, connection, published, replayed))
            instants.append(instant)
    remaining = planned - len(instants)
    short = f"; {remaining} more would have taken too long" if remaining else ""
    moved = f"{len(comparison.moved)} columns differ" if comparison.moved else "all cells are the same"
    clocks = clock_readers(audit.build)
    return Finding(
        CHECK,
        compared=comparison.cells,
        detail=f"built as of {', '.join(map(format_instant, instants))}: {moved}{short}",
        breaches=breaches_of(comparison, MOVED, clocks) + clock_breaches(clocks),
        sampled=customers_sampled(audit, customers, f"as of {counted(len(instants), 'instant')}"),
        notes=notes_on(comparison),
    )


def draw_instants(
    audit: Audit, connection: duckdb.DuckDBPyConnection, published: Path, number: int
) -> list[datetime]:
    """Instants spread over the data's time; at every other one something changes for one of the customers."""
    first = parse_instant(audit.manifest["first_known_at"])
    random, step = audit.random(CHECK), (audit.clock - first) / number
    instants = [first + step * turn + step * random.random() for turn in range(number)]
    latest = f"select max(event_timestamp) from {parquet(feature_files(audit, published))}"
    for turn in range(0, number, 2):
        change = single_value(connection, f"{latest} where event_timestamp <= '{instants[turn]}'")
        instants[turn] = change or instants[turn]
    return instants
