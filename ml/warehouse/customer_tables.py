"""Tables of a few customers: the build's own SQL over the raw rows of these customers alone, in memory.

Where merges join customers, the rows of all of them are read: what came under one key may be another's.
Only what is needed is made, each model once, after those it reads; milliseconds, however many customers the
load has. Receipts, facts just pushed and what-if questions are answered from them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import duckdb

from ml.common.errors import BuildError, NotReadyError, SourceError, UsageError
from ml.common.sql import literal, parquet
from ml.ingest.batch import with_columns
from ml.ingest.declaration import merges_table, parent_of, raw_table
from ml.ingest.merges import add_joined
from ml.warehouse.compiled_models import Model, Models

QUALIFIED = re.compile(r'"?(\w+)"?\."?(\w+)"?\."?\w+"?')
# An increment selects the customers that a file names; here they are those chosen.
CHOSEN_CUSTOMERS = re.compile(r"read_parquet\('(?:[^']|'')*'(?:, hive_partitioning = false)?\)")
# The Jaro-Winkler similarity from which one id is suggested for another: one mistyped letter of ten is 0.9.
SIMILARITY_MIN = 0.85
CHOSEN = "raw_rows.chosen"
OF_CHOSEN = f"{{column}} in (select customer_id from {CHOSEN})"
Row = dict[str, Any]


@dataclass(frozen=True)
class Merged:
    """Into whom a customer merged, and when."""

    into: str
    at: datetime


class CustomerTables:
    """Tables of some customers, made when first needed.

    Parameters
    ----------
    models : Models
        The build's models.
    load : Path
        The raw load that the build was made from.
    customers : sequence of str
    with_items : bool
        Whether to read the items of orders; without, every order seems to have none.

    Raises
    ------
    NotReadyError
        The load is no longer there.
    """

    def __init__(
        self, models: Models, load: Path, customers: Sequence[str], *, with_items: bool = True
    ) -> None:
        if not load.is_dir():
            raise NotReadyError(
                f"the raw rows of this build, {load.name}, are no longer in {load.parent}: run "
                "'churn build' to build from the rows that are there, then ask again"
            )
        self.models, self.load, self.customers, self.with_items = models, load, customers, with_items
        self.table_names: set[str] = set()
        self.connection = duckdb.connect()
        self.connection.execute("set TimeZone = 'UTC'")
        self.connection.execute("create schema raw_rows")
        self.connection.execute(
            f"create table {CHOSEN} as select unnest($1::varchar[]) as customer_id", [list(customers)]
        )
        add_joined(self.connection, CHOSEN, load)
        self.is_joined = len(self.rows(f"from {CHOSEN}")) > len(customers)
        # an increment's SQL keeps the whole history of those it marks
        self.connection.execute(f"alter table {CHOSEN} add column is_restated boolean default true")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    @property
    def customer(self) -> str:
        """The first of the customers, whom a receipt is about."""
        return self.customers[0]

    def rows(self, sql: str, **values: Any) -> list[Row]:
        """The rows of a query, by column."""
        return self.fetched(sql, values)[1]

    def fetched(self, sql: str, values: Row | None = None) -> tuple[set[str], list[Row]]:
        """The columns of a query, and its rows by column.

        Raises
        ------
        BuildError
            The SQL of the build does not run over these rows.
        """
        try:
            cursor = self.connection.execute(sql, values or {})
            names = [column[0] for column in cursor.description or ()]
            return {*names}, [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        except duckdb.Error as error:
            raise BuildError(
                f"the SQL of this build cannot be run over the rows of {', '.join(self.customers[:3])}: "
                f"{str(error).splitlines()[0]}; run 'churn build' again"
            ) from error

    def check_customer(self) -> None:
        """Raise a UsageError unless the first of the customers is among the raw customers."""
        if self.rows(f"from {self.raw('customers')} limit 1"):
            return
        sql = f"""
            select customer_id
            from (select distinct customer_id from {self.all_rows("customers")})
            where jaro_winkler_similarity(lower(customer_id), lower($customer)) > {SIMILARITY_MIN}
            order by jaro_winkler_similarity(lower(customer_id), lower($customer)) desc, customer_id
            limit 1
        """
        suggestion = [
            f": did you mean {row['customer_id']}?" for row in self.rows(sql, customer=self.customer)
        ]
        raise UsageError(f"there is no customer {self.customer!r}{''.join(suggestion)}")

    def all_rows(self, table: str, *options: str) -> str:
        """All rows of one raw table, for a ``from`` clause."""
        return parquet(sorted((self.load / table).glob("*.parquet")), "union_by_name = true", *options)

    def raw(self, table: str) -> str:
        """Make these customers' rows of a raw table, unless they are there; its name in SQL."""
        name = f"raw_rows.{table}"
        if name in self.table_names:
            return name
        self.table_names.add(name)
        contract = raw_table(table)
        condition = OF_CHOSEN.format(column=contract.merges.old if contract.merges else contract.customer)
        if parent := parent_of(contract):
            key, parents = parent.key[0], self.raw(parent.name)
            condition = f"{key} in (select {key} from {parents})" if self.with_items else "false"
        sql = f"""
            create table {name} as
            select {", ".join(contract.names)}, _file, _row, parse_filename(filename, true) as _load
            from {with_columns(contract, self.all_rows(table, "filename = true"))}
            where {condition}
        """
        try:
            self.connection.execute(sql)
        except duckdb.Error as error:
            raise SourceError(
                f"the raw rows in {self.load / table} cannot be read: {str(error).splitlines()[0]}; ingest "
                "them again, then run 'churn build'"
            ) from error
        return name

    def add(self, table: str, row: Row) -> None:
        """Add a row to a raw table, by column, before any model is made from it."""
        names, marks = ", ".join(row), ", ".join(f"${name}" for name in row)
        self.fetched(f"insert into {self.raw(table)} ({names}) values ({marks})", row)

    def model(self, name: str) -> str:
        """Make the model called ``name``, unless it is there; its table in SQL."""
        return self.make(self.models.named(name))

    def make(self, model: Model) -> str:
        """Make a model from these customers' rows, unless it is there; its table in SQL."""
        if model.name not in self.table_names:
            self.table_names.add(model.name)
            for parent in self.models.parents(model):
                self.make(parent)
            sql = model.sql
            for table, relation in self.models.sources(model):
                sql = sql.replace(relation, self.raw(table))
            sql = CHOSEN_CUSTOMERS.sub(CHOSEN, sql)
            self.make_schema(model.table)
            self.fetched(f"create table {model.table} as ({sql})")
        return model.table

    def make_schema(self, table: str) -> None:
        """Attach the database that the qualified name of a table begins with, and make its schema."""
        names = QUALIFIED.fullmatch(table)
        if names and names[1] not in self.table_names:
            self.table_names.add(names[1])
            self.connection.execute(f"attach ':memory:' as {names[1]}")
            self.connection.execute(f"create schema if not exists {names[1]}.{names[2]}")

    def facts(self, model: Model, facts: str, columns: str) -> tuple[set[str], list[Row]]:
        """The columns and rows of the CTE ``facts`` of a feature model; ``columns`` is its select list."""
        for parent in self.models.behind(model, facts):
            self.make(parent)
        rows = f"select {columns} from {facts}"
        if self.is_joined:
            rows += f" where {self.is_own()}"
        return self.fetched(f"{model.definitions}\n{rows}")

    def is_own(self) -> str:
        """SQL condition that a row is the customer's by ``customer_number``, and no joined one's."""
        if not self.is_joined:
            return "true"
        customers = self.model("int_customers")
        own = f"select customer_number from {customers} where customer_id = {literal(self.customer)}"
        return f"customer_number in ({own})"

    def merged(self, clock: datetime) -> Merged | None:
        """Into whom the customer has merged by ``clock``; None if into nobody."""
        table = merges_table() if self.is_joined else None
        if table is None or (merges := table.merges) is None:
            return None
        sql = f"""
            select {merges.new} as new, {table.version} as at from {self.raw(table.name)}
            where {merges.old} = $customer and {table.version} <= $clock
        """
        return next(
            (Merged(row["new"], row["at"]) for row in self.rows(sql, customer=self.customer, clock=clock)),
            None,
        )

    def columns(self, name: str) -> set[str]:
        """The columns of the model called ``name``."""
        return self.fetched(f"from {self.model(name)} limit 0")[0]

    def zero(self, sql_type: str) -> Any:
        """Zero as a value of ``sql_type``."""
        return self.rows(f"select cast(0 as {sql_type}) as zero")[0]["zero"]

    def first_known_at(self) -> datetime | None:
        """When the first fact about the customer became known; None if none had by the data clock."""
        sql = f"select first_known_at from {self.model('int_customers')} where customer_id = $customer"
        rows = self.rows(sql, customer=self.customer)
        return rows[0]["first_known_at"] if rows else None
