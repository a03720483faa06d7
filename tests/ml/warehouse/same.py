"""Two builds compared cell by cell, and the history of one build found again in another."""

from pathlib import Path

import duckdb

FEATURES = (
    "features/feat_customer_engagement",
    "features/feat_customer_orders",
    "features/feat_customer_profile",
    "features/feat_customer_support",
)
LABELS = (
    "labels/label_customer_churn",
    "labels/label_pending",
    "labels/label_customer_value",
    "labels/label_value_pending",
    "labels/population_customers",
)
TABLES = (*FEATURES, *LABELS)


def rows(build: Path, table: str, condition: str = "true") -> str:
    return f"(select * from read_parquet('{build / table}/*.parquet') where {condition})"


def count(query: str) -> int:
    return duckdb.sql(f"select count(*) from {query}").fetchall()[0][0]


def differing(first: Path, second: Path) -> dict[str, tuple[int, int]]:
    """Rows that only one of two builds has, by table; nothing when the builds are equal."""
    found = {
        table: (
            count(f"({rows(first, table)} except all {rows(second, table)})"),
            count(f"({rows(second, table)} except all {rows(first, table)})"),
        )
        for table in TABLES
    }
    return {table: counts for table, counts in found.items() if counts != (0, 0)}


def moved(earlier: Path, later: Path, clock: str) -> dict[str, int]:
    """Feature rows up to ``clock`` that are in one of two builds only, by table."""
    past = f"event_timestamp <= timestamp '{clock.removesuffix('Z')}'"
    found = {
        table: count(f"({rows(earlier, table, past)} except all {rows(later, table, past)})")
        + count(f"({rows(later, table, past)} except all {rows(earlier, table, past)})")
        for table in FEATURES
    }
    return {table: counts for table, counts in found.items() if counts}


def misplaced(build: Path) -> list[str]:
    """Files that are not sorted by their key, and tables in which a key comes twice."""
    wrong = []
    for table in TABLES:
        key = f"customer_id, {'active_from' if table.endswith('population_customers') else 'event_timestamp'}"
        for file in sorted((build / table).glob("*.parquet")):
            keys = duckdb.sql(f"select {key} from '{file}'").fetchall()
            wrong += [] if keys == sorted(keys) else [str(file)]
        twice = f"(select {key} from {rows(build, table)} group by all having count(*) > 1)"
        wrong += [table] if count(twice) else []
    return wrong
