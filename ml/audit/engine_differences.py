"""One model's rows on DuckDB beside those on Spark: types, and every cell."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb

from ml.audit.check_database import single_value
from ml.common.sql import quoted

ONLY_IN_ONE = "select {columns} from {rows} except all select {columns} from {others}"
CUSTOMER_COLUMNS = ("customer_id", "customer_number")


@dataclass(frozen=True)
class TableComparison:
    """One model on both engines.

    Parameters
    ----------
    model : str
    rows, cells : int
        Of DuckDB's table.
    types : tuple of str
        A sentence for each column whose type differs, or that only one side has.
    only_duckdb, only_spark : int
        Rows, counted as often as they come, that the other side does not have.
    columns : tuple of str
        Those that differ in rows with the same key; empty where rows are missing on one side.
    example : dict
        One key, and what either engine has there; values as text.
    """

    model: str
    rows: int
    cells: int
    types: tuple[str, ...] = ()
    only_duckdb: int = 0
    only_spark: int = 0
    columns: tuple[str, ...] = ()
    example: dict[str, Any] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        return not (self.types or self.only_duckdb or self.only_spark)

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        lists = {"types": list(self.types), "columns": list(self.columns)}
        return {"equal": self.equal, **asdict(self), **lists}


def compare_table(
    connection: duckdb.DuckDBPyConnection, model: str, duckdb_rows: str, spark_rows: str, key: Sequence[str]
) -> TableComparison:
    """Compare a model's tables; both are what follows ``from``."""
    ours, theirs = (types_of(connection, rows) for rows in (duckdb_rows, spark_rows))
    types = differing_types(ours, theirs)
    shared = [name for name in ours if name in theirs]
    rows: int = single_value(connection, f"select count(*) from {duckdb_rows}")
    only_duckdb, only_spark = count_of_differences(connection, duckdb_rows, spark_rows, shared)
    columns: list[str] = []
    example: dict[str, Any] = {}
    if only_duckdb or only_spark:
        names = [name for name in key if name in shared]
        columns, example = locate(connection, duckdb_rows, spark_rows, shared, names)
    return TableComparison(
        model, rows, rows * len(ours), types, only_duckdb, only_spark, tuple(columns), example
    )


def types_of(connection: duckdb.DuckDBPyConnection, rows: str) -> dict[str, str]:
    """The columns of a relation and their logical types, in order."""
    return {row[0]: row[1] for row in connection.execute(f"describe select * from {rows}").fetchall()}


def differing_types(ours: dict[str, str], theirs: dict[str, str]) -> tuple[str, ...]:
    """A sentence for each column that differs, and one for their order."""
    differing = [
        f"{name} is {ours.get(name, 'missing')} on DuckDB and {theirs.get(name, 'missing')} on Spark"
        for name in dict.fromkeys([*ours, *theirs])
        if ours.get(name) != theirs.get(name)
    ]
    if not differing and list(ours) != list(theirs):
        differing = [f"the columns come as {', '.join(ours)} on DuckDB and {', '.join(theirs)} on Spark"]
    return tuple(differing)


def count_of_differences(
    connection: duckdb.DuckDBPyConnection, duckdb_rows: str, spark_rows: str, names: Sequence[str]
) -> tuple[int, int]:
    """How many rows only the first relation has, and how many only the second."""
    columns = ", ".join(map(quoted, names))
    pairs = ((duckdb_rows, spark_rows), (spark_rows, duckdb_rows))
    counts = [
        single_value(
            connection,
            f"select count(*) from ({ONLY_IN_ONE.format(columns=columns, rows=rows, others=others)})",
        )
        for rows, others in pairs
    ]
    return counts[0], counts[1]


def locate(
    connection: duckdb.DuckDBPyConnection,
    duckdb_rows: str,
    spark_rows: str,
    names: Sequence[str],
    key: Sequence[str],
) -> tuple[list[str], dict[str, Any]]:
    """The columns that differ under one key, and the first row that does, values as text."""
    columns = ", ".join(map(quoted, names))
    for side, rows, others in (("ours", duckdb_rows, spark_rows), ("theirs", spark_rows, duckdb_rows)):
        only = ONLY_IN_ONE.format(columns=columns, rows=rows, others=others)
        connection.execute(f"create or replace temp table {side} as {only}")
    key = key or names
    same_key = " and ".join(f"ours.{quoted(name)} is not distinct from theirs.{quoted(name)}" for name in key)
    joined = f"ours full join theirs on {same_key}"
    # A row that one side lacks makes every column differ, which does not tell the one at fault.
    in_both = f"from ours inner join theirs on {same_key}"
    conditions = {
        name: f"ours.{quoted(name)} is distinct from theirs.{quoted(name)}"
        for name in names
        if name not in key
    }
    counts = ", ".join(f"count(*) filter (where {condition})" for condition in conditions.values()) or "1"
    row = connection.execute(f"select {counts} {in_both}").fetchone() or ()
    differing = [name for name, count in zip(conditions, row, strict=False) if count]
    shown = differing or [name for name in names if name not in key][:3]
    keys = ", ".join(
        f"coalesce(ours.{quoted(name)}, theirs.{quoted(name)})::varchar as {quoted(name)}" for name in key
    )
    cells = ", ".join(
        f"{side}.{quoted(name)}::varchar as {quoted(f'{engine}: {name}')}"
        for name in shown
        for side, engine in (("ours", "DuckDB"), ("theirs", "Spark"))
    )
    source = in_both if differing else f"from {joined}"
    where = f"where {' or '.join(conditions[name] for name in differing)}" if differing else ""
    select = ", ".join(filter(None, [keys, cells]))
    cursor = connection.execute(f"select {select} {source} {where} order by all limit 1")
    titles = [column[0] for column in cursor.description or ()]
    values = cursor.fetchone() or ()
    return differing, dict(zip(titles, values, strict=False))


def differing_customers(
    connection: duckdb.DuckDBPyConnection,
    customers: str,
    duckdb_rows: str,
    spark_rows: str,
    names: Sequence[str],
) -> list[str]:
    """The customers whose rows differ, in order; none where a table names no customer.

    Parameters
    ----------
    customers : str
        A relation of customer_id and customer_number.
    """
    column = next((name for name in CUSTOMER_COLUMNS if name in names), None)
    if column is None:
        return []
    columns = ", ".join(map(quoted, names))
    first = ONLY_IN_ONE.format(columns=columns, rows=duckdb_rows, others=spark_rows)
    second = ONLY_IN_ONE.format(columns=columns, rows=spark_rows, others=duckdb_rows)
    rows = connection.execute(
        f"select distinct customer_id from {customers} where {column} in "
        f"(select {column} from ({first}) union select {column} from ({second})) order by 1"
    ).fetchall()
    return [row[0] for row in rows]
