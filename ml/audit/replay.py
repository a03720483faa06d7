"""Replay: features built as of a past instant equal those that the published build has for that instant.

Sampled customers are built again as of several instants, with the wall clock set to each; every cell up to
the instant is compared with the published build.
"""

from datetime import datetime
from pathlib import Path

import duckdb

from ml.audit.compare import Comparison, compare, one
from ml.audit.findings import Audit, Finding
from ml.audit.lookups import compare_lookups
from ml.audit.population import compare_labels, compare_population
from ml.audit.sample import SECONDS_A_RUN, affordable, clock_of, database, draw_customers, limit_all
from ml.audit.scratch import check_repeatable, copy_published, copy_raw, feature_files, rebuild, tables_of
from ml.audit.wall_clock import clock_readers
from ml.audit.wording import breaches_of, clock_breaches, customers_sampled, notes_on
from ml.common.counting import counted
from ml.common.instants import format_instant, parse_instant
from ml.common.sql import parquet

NAME = "replay"
FEWEST_INSTANTS, MOST_INSTANTS = 2, 6
RUNS = 0.8
MOVED = "is another in a build as of an instant than the published build has for that instant"


def check(audit: Audit) -> Finding:
    """Build sampled customers as of past instants, and compare."""
    check_repeatable(audit)
    load, published = audit.scratch / NAME / "raw", audit.scratch / NAME / "published"
    number = instants_affordable(audit)
    found, made = Comparison(), list[datetime]()
    with database(audit) as connection:
        customers = draw_customers(audit, connection, NAME, affordable(audit, number))
        copy_raw(audit, connection, load)
        copy_published(audit, connection, published)
        for instant in draw_instants(audit, connection, published, number):
            if len(made) >= FEWEST_INSTANTS and audit.seconds_left() < SECONDS_A_RUN:
                break
            limit_all(connection, instant)
            replayed = rebuild(audit, f"{NAME}-{len(made)}", load, as_of=instant, wall_clock=instant)
            compare_all(audit, connection, published, replayed, found)
            made.append(instant)
    return finding(audit, found, customers, made, number)


def instants_affordable(audit: Audit) -> int:
    """How many instants; what the share ``RUNS`` of the time leaves is for the rows."""
    return max(FEWEST_INSTANTS, min(MOST_INSTANTS, int(audit.seconds * RUNS / SECONDS_A_RUN)))


def draw_instants(
    audit: Audit, connection: duckdb.DuckDBPyConnection, published: Path, number: int
) -> list[datetime]:
    """Instants spread over the data's time, every other one at which something of somebody's changes."""
    first, clock = parse_instant(audit.manifest["first_known_at"]), clock_of(audit)
    random, step = audit.random(NAME), (clock - first) / number
    drawn = [first + step * place + step * random.random() for place in range(number)]
    rows = parquet(feature_files(audit, published))
    for place in range(0, number, 2):
        at = one(
            connection, f"select max(event_timestamp) from {rows} where event_timestamp <= '{drawn[place]}'"
        )
        drawn[place] = at or drawn[place]
    return drawn


def compare_all(
    audit: Audit,
    connection: duckdb.DuckDBPyConnection,
    published: Path,
    replayed: Path,
    found: Comparison,
) -> None:
    """Features, population, who has a label, and features as asked for at the instant itself."""
    more = compare(connection, tables_of(audit), published / "features", replayed / "features")
    compare_population(connection, published, replayed, more)
    compare_labels(connection, published, replayed, audit.problem, more)
    compare_lookups(connection, list(audit.catalog.formulas), published, replayed, more)
    found.add(more)


def finding(audit: Audit, found: Comparison, customers: int, made: list[datetime], planned: int) -> Finding:
    """What the comparisons come to."""
    instants = ", ".join(format_instant(instant) for instant in made)
    short = f"; {planned - len(made)} more would have taken too long" if len(made) < planned else ""
    moved = f"{len(found.moved)} columns differ" if found.moved else "all cells are the same"
    clocks = clock_readers(audit.build)
    return Finding(
        NAME,
        compared=found.cells,
        detail=f"built as of {instants}: {moved}{short}",
        breaches=breaches_of(found, MOVED, clocks) + clock_breaches(clocks),
        sampled=customers_sampled(audit, customers, f"as of {counted(len(made), 'instant')}"),
        notes=notes_on(found),
    )
