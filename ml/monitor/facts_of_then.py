"""The facts that a logged score was made from, and what of them has changed since.

The raw rows of the published build's load are compared with those of the load behind the logged build, for
some customers, in memory. The build's own SQL is then run over the facts of then, or with one kind of change
undone: that tells which kind moved a value.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from ml.common.instants import parse_instant
from ml.common.sql import literal, parquet
from ml.home.layout import Home
from ml.ingest.batch import with_columns
from ml.ingest.contract import Table
from ml.ingest.declaration import parent_of, raw_tables
from ml.ingest.manifest import FILE, read_load_manifest
from ml.monitor.replay_causes import CORRECTION, ERASED, LATE, OF_FACTS
from ml.score.customer_build import build_of_customers
from ml.score.logged_builds import LoggedBuild, ingests_of
from ml.warehouse.compiled_models import Model, Models, read_models
from ml.warehouse.customer_tables import CHOSEN, CustomerTables

# Rows are told apart by their content; a copy that came again is no new row.
MOVED = """
create table raw_rows.moved_{name} as
select '{late}' as kind, _file, _row, _load, {names}, {customer} as of_customer
from raw_rows.{name} as own
where hash({names}) not in (select hash({names}) from raw_rows.then_{name})
    and ({key}) not in (select ({key}) from raw_rows.then_{name})
union all
select '{correction}', _file, _row, _load, {names}, {customer}
from raw_rows.{name} as own
where hash({names}) not in (select hash({names}) from raw_rows.then_{name})
    and ({key}) in (select ({key}) from raw_rows.then_{name})
"""
# A row that is gone was replaced where its key is still there.
GONE = """
create table raw_rows.gone_{name} as
select
    case when ({key}) in (select ({key}) from raw_rows.{name}) then '{correction}' else '{gone}' end as kind,
    {names}, {customer} as of_customer
from raw_rows.then_{name} as own
where hash({names}) not in (select hash({names}) from raw_rows.{name})
"""


@dataclass(frozen=True)
class Moved:
    """A raw row that came or went since: its kind of change, table and customer, and where it stands."""

    kind: str
    table: str
    customer_id: str | None
    file: str | None
    row: int | None
    load: str | None

    @property
    def text(self) -> str:
        """The row in words."""
        if self.file is None:
            return f"a row of {self.table} that is gone"
        return f"{self.table}: row {self.row} of {self.file}, in {self.load}"


@dataclass(frozen=True)
class FactsOfThen:
    """The facts behind the scores of one logged build, for some customers.

    Parameters
    ----------
    home : Home
    build : Path
        The published build, whose SQL is run.
    load : Path
        The raw rows that it was made from.
    before : LoggedBuild, optional
        The logged build; without one, what had been ingested by ``logged_at``.
    logged_at : datetime
    pushed : tuple of str
        Ingests of pushes that counted beside the build's own.
    customers : sequence of str
    clock : datetime
        The latest instant that is asked for.
    """

    home: Home
    build: Path
    load: Path
    before: LoggedBuild | None
    logged_at: datetime
    pushed: tuple[str, ...]
    customers: Sequence[str]
    clock: datetime

    @cached_property
    def ingests(self) -> tuple[str, ...]:
        """The ingests that were loaded then."""
        entries = read_load_manifest(self.load)["ingests"]
        names = tuple(str(each["load_id"]) for each in entries)
        if self.before is None:
            return tuple(
                name
                for name, each in zip(names, entries, strict=True)
                if parse_instant(str(each["ingested_at"])) <= self.logged_at
            )
        if self.before.ingests:
            return (*self.before.ingests, *self.pushed)
        place = names.index(self.before.load_id) + 1 if self.before.load_id in names else len(names)
        return (*names[:place], *self.pushed)

    @property
    def is_known(self) -> bool:
        """Whether the files of then are there, in a load of their own or as a part of the present one."""
        return self.own_load is not None or {*self.ingests} <= {*ingests_of(self.load)}

    @property
    def own_load(self) -> Path | None:
        """The load behind the logged build, if it is still there."""
        if self.before is None or self.pushed:
            return None
        load = self.home.raw / self.before.load_id
        return load if (load / FILE).is_file() else None

    def files(self, table: Table) -> list[Path]:
        """The files of a table that were loaded then."""
        if self.own_load is not None:
            return sorted((self.own_load / table.name).glob("*.parquet"))
        return [
            path for path in sorted((self.load / table.name).glob("*.parquet")) if path.stem in self.ingests
        ]

    def compare(self, tables: CustomerTables) -> None:
        """Make, for each raw table, the rows of then, those that came since, and those that are gone."""
        for table in parents_first():
            tables.raw(table.name)
            fields = {
                "name": table.name,
                "names": ", ".join(table.names),
                "key": ", ".join(table.key),
                "customer": owner_of(table),
                "late": LATE,
                "correction": CORRECTION,
                # gone back to an earlier load: what came after it is not erased
                "gone": LATE if {*ingests_of(self.load)} < {*self.ingests} else ERASED,
            }
            tables.rows(self.then(tables, table))
            tables.rows(MOVED.format(**fields))
            tables.rows(GONE.format(**fields))

    def then(self, tables: CustomerTables, table: Table) -> str:
        """The SQL that makes the customers' rows of then."""
        names, files = ", ".join(table.names), self.files(table)
        name = f"raw_rows.then_{table.name}"
        if not files:
            return f"create table {name} as select {names} from {tables.raw(table.name)} limit 0"
        rows = with_columns(table, parquet(files, "union_by_name = true"))
        if parent := parent_of(table):
            key, now = parent.key[0], f"raw_rows.{parent.name}"
            keys = f"select {key} from {now} union select {key} from raw_rows.then_{parent.name}"
            condition = f"{key} in ({keys})"
        else:
            condition = f"{owner_of(table)} in (select customer_id from {CHOSEN})"
        return f"create table {name} as select {names} from {rows} where {condition}"

    def moved(self) -> list[Moved]:
        """Every raw row of the customers that came or went since."""
        with CustomerTables(read_models(self.build), self.load, self.customers) as tables:
            self.compare(tables)
            return [row for table in raw_tables() for row in self.moved_rows(tables, table)]

    def moved_rows(self, tables: CustomerTables, table: Table) -> Iterator[Moved]:
        came = f"select kind, of_customer, _file, _row, _load from raw_rows.moved_{table.name}"
        gone = f"select kind, of_customer, null, null, null from raw_rows.gone_{table.name}"
        for row in tables.rows(f"{came} union all {gone} order by all"):
            place = (row["of_customer"], row["_file"], row["_row"], row["_load"])
            yield Moved(row["kind"], table.name, *place)

    @contextmanager
    def undone(self, kinds: Sequence[str] = OF_FACTS) -> Iterator[Path]:
        """A build of the customers by today's definitions, with some kinds of changes undone."""
        with build_of_customers(
            self.build, self.load, self.customers, self.clock, change=self.undoing(kinds)
        ) as made:
            yield made

    def undoing(self, kinds: Sequence[str]) -> Callable[[CustomerTables], None]:
        """What takes back changes of some kinds, in the raw rows of the customers."""
        listed = ", ".join(map(literal, kinds))

        def undo(tables: CustomerTables) -> None:
            self.compare(tables)
            for table in raw_tables():
                names = ", ".join(table.names)
                tables.rows(
                    f"delete from raw_rows.{table.name} where hash({names}) in "
                    f"(select hash({names}) from raw_rows.moved_{table.name} where kind in ({listed}))"
                )
                tables.rows(
                    f"insert into raw_rows.{table.name} ({names}) "
                    f"select {names} from raw_rows.gone_{table.name} where kind in ({listed})"
                )

        return undo


def owner_of(table: Table) -> str:
    """The SQL of the customer of a row of ``own``: of a line of an order, the customer of the order."""
    if parent := parent_of(table):
        key, customer = parent.key[0], owner_of(parent)
        columns = f"select own.{key}, {customer} as customer from raw_rows"
        rows = f"{columns}.{parent.name} as own union all {columns}.then_{parent.name} as own"
        return f"(select min(parents.customer) from ({rows}) as parents where parents.{key} = own.{key})"
    return table.merges.old if table.merges else table.customer or "null::varchar"


def parents_first() -> list[Table]:
    """The raw tables, each after the one that its rows refer to."""
    return sorted(raw_tables(), key=lambda table: parent_of(table) is not None)


def tables_read_by(models: Models, model: Model) -> frozenset[str]:
    """The raw tables behind a model."""
    own = {name for name, _ in models.sources(model)}
    return frozenset(own).union(*(tables_read_by(models, parent) for parent in models.parents(model)))


def view_tables(build: Path) -> dict[str, frozenset[str]]:
    """Feature model -> the raw tables behind it."""
    models = read_models(build)
    return {model.name: tables_read_by(models, model) for model in models.models.values()}
