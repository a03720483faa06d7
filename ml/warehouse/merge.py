"""Merge the previous build and the touched customers' new rows into one new build; the former is unchanged.

Features are in files of history (``past-*``) and of rows to come (``to-come-*``). Files of history are
linked, not copied; only restated customers are removed from them. Rows to come whose instant has passed
become history. Pending labels of untouched customers move to the table of settled labels once they
are known. Every file is sorted by its key; a key is in one file only.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from ml.common.errors import BuildError
from ml.common.memory import memory_limit
from ml.common.sql import literal, parquet
from ml.config.problem import PENDING
from ml.warehouse.increment import POPULATION, Increment

THREADS = 2  # each writes one file; more would share the same memory limit
MEMORY_LIMIT = "4GB"
# Increments add a small file each; this many are merged into one, so that reads stay fast and writes rare.
SMALL_FILES_MAX = 16
ROW_GROUP = 122_880  # DuckDB's own size
PAST, TO_COME, SCHEMA = "past-", "to-come-", "schema0.parquet"
UNTOUCHED = "anti join touched using (customer_id)"
NOT_RESTATED = "anti join (from touched where is_restated) using (customer_id)"
RESTATED = "semi join (from touched where is_restated) using (customer_id)"
TOUCHED = "semi join touched using (customer_id)"

OUT_OF_ORDER = """
select count(*)
from (select {key} as this_key, lag({key}) over () as previous_key from {rows})
where previous_key >= this_key
"""


@dataclass(frozen=True)
class Merge:
    """The input and output of a merge.

    Parameters
    ----------
    increment : Increment
    made : Path
        dbt's output for the touched customers.
    build : Path
        The new build's folder.
    split_at : datetime
        The instant up to which the new build's feature rows are history.
    delivered_until : datetime or None
        Labels that are known by then are settled now.
    """

    increment: Increment
    made: Path
    build: Path
    split_at: datetime
    delivered_until: datetime | None


@dataclass(frozen=True)
class Table:
    """One table in the previous build, in dbt's output and in the new build."""

    old: Path
    made: Path
    new: Path

    @property
    def schema(self) -> Path:
        return self.old / SCHEMA

    @property
    def key(self) -> tuple[str, str]:
        return ("customer_id", "active_from" if self.old.name == POPULATION else "event_timestamp")

    def files(self, prefix: str = "") -> tuple[list[Path], list[Path]]:
        """The files of the previous build that stay, and small ones of earlier increments to be combined."""
        files = sorted(self.old.glob(f"{prefix}*.parquet"))
        small = [file for file in files if file.name.startswith(f"{prefix}build-")]
        gathered = small if len(small) >= SMALL_FILES_MAX else []
        return [file for file in files if file not in gathered and file != self.schema], gathered

    def rows(self, files: Iterable[Path]) -> str:
        """The rows of ``files`` as a relation; it has the table's columns even without files."""
        return parquet([self.schema, *files])

    def made_rows(self, prefix: str = "") -> str:
        """The touched customers' rows."""
        return self.rows(sorted(self.made.glob(f"{prefix}*.parquet")))


@dataclass(frozen=True)
class Write:
    """One file of the new build: the rows of some selects, in the order of the table's key.

    With ``instead_of`` there is one select, which filters that file; if ``taken_out`` matches no row, the
    file is linked unchanged.
    """

    table: Table
    name: str
    selects: Sequence[str]
    instead_of: Path | None = None
    taken_out: str | None = None


def merge(merge_: Merge) -> None:
    """Write the features and labels of the new build.

    Raises
    ------
    BuildError
        The rows of a file are not in the order of their key: nothing may be published.
    """
    spill = merge_.build / "spill"
    writes = [
        file_write for table in tables(merge_, "features") for file_write in feature_files(merge_, table)
    ]
    writes += [file_write for table in tables(merge_, "labels") for file_write in label_files(merge_, table)]
    with duckdb.connect(
        config={"memory_limit": memory_limit(MEMORY_LIMIT), "temp_directory": str(spill)}
    ) as connection:
        connection.execute("set threads = 1")  # one thread per file, so that rows keep their order
        connection.execute("set disabled_optimizers = 'build_side_probe_side'")
        connection.execute(f"create table touched as from {parquet([merge_.increment.customers])}")
        with ThreadPoolExecutor(THREADS) as workers:
            for future in [workers.submit(write, connection.cursor(), file_write) for file_write in writes]:
                future.result()
    shutil.rmtree(spill, ignore_errors=True)


def tables(merge_: Merge, kind: str) -> Iterator[Table]:
    """The tables of one kind; their folders in the new build are made."""
    for old in sorted((merge_.increment.base / kind).iterdir()):
        table = Table(old, merge_.made / kind / old.name, merge_.build / kind / old.name)
        table.new.mkdir(parents=True)
        os.link(table.schema, table.new / SCHEMA)
        yield table


def feature_files(merge_: Merge, table: Table) -> Iterator[Write]:
    """The files of a feature table: history linked, rows whose instant has passed added, others filtered."""
    before, now = as_sql(merge_.increment.split_at), as_sql(merge_.split_at)
    past, small_past = table.files(PAST)
    to_come, small_to_come = table.files(TO_COME)
    for file in past:
        rows = table.rows([file])
        yield Write(table, file.name, [f"from {rows} {NOT_RESTATED}"], file, f"from {rows} {RESTATED}")
    come = f"from {table.rows([*to_come, *small_to_come])} {UNTOUCHED} where event_timestamp <= {now}"
    made = f"select made.* from {table.made_rows(PAST)} as made inner join touched using (customer_id)"
    made += f" where made.event_timestamp > {before} or touched.is_restated"
    gathered = f"from {table.rows(small_past)} {NOT_RESTATED}"
    yield Write(table, f"{PAST}{merge_.build.name}.parquet", [gathered, come, made])
    still = f"{UNTOUCHED} where event_timestamp > {now}"
    for file in to_come:
        yield Write(table, file.name, [f"from {table.rows([file])} {still}"], file)
    gathered = f"from {table.rows(small_to_come)} {still}"
    yield Write(
        table, f"{TO_COME}{merge_.build.name}.parquet", [gathered, f"from {table.made_rows(TO_COME)}"]
    )


def label_files(merge_: Merge, table: Table) -> Iterator[Write]:
    """The files of a label table: touched customers are removed from old files, and written to a new one.

    Pending labels that are known by now move to the table of settled labels.
    """
    delivered = merge_.delivered_until
    settled = f"label_known_at <= {as_sql(delivered)}" if delivered else "false"
    condition = f"where not ({settled})" if table.old.name in PENDING.values() else ""
    files, small = table.files()
    for file in files:
        rows = table.rows([file])
        gone = None if condition else f"from {rows} {TOUCHED}"
        yield Write(table, file.name, [f"from {rows} {UNTOUCHED} {condition}"], file, gone)
    selects = [f"from {table.rows(small)} {UNTOUCHED} {condition}", f"from {table.made_rows()}"]
    if pending := PENDING.get(table.old.name):
        to_come = parquet(sorted((table.old.parent / pending).glob("*.parquet")))
        selects.append(f"from {to_come} {UNTOUCHED} where {settled}")
    yield Write(table, f"{merge_.build.name}.parquet", selects)


def write(connection: duckdb.DuckDBPyConnection, file_write: Write) -> None:
    """Write or link one file; an empty one is removed."""
    target = file_write.table.new / file_write.name
    if file_write.instead_of and file_write.taken_out and not exists(connection, file_write.taken_out):
        os.link(file_write.instead_of, target)
        return
    # Otherwise DuckDB caches the few rows that remain of a batch, and writes them after those of later
    # batches.
    connection.execute("set enable_caching_operators = false")
    rows = " union all ".join(f"({select})" for select in file_write.selects)
    order = "" if file_write.instead_of else f" order by {', '.join(file_write.table.key)}"
    options = f"(format parquet, row_group_size {ROW_GROUP})"
    connection.execute(f"copy ({rows}{order}) to {literal(target)} {options}")
    check_order(connection, target, file_write.table.key)
    if not exists(connection, f"from {parquet([target])}"):
        target.unlink()


def check_order(connection: duckdb.DuckDBPyConnection, file: Path, key: Sequence[str]) -> None:
    """Raise a BuildError unless each row's key is larger than that of the row before."""
    struct = f"struct_pack({', '.join(f'{name} := {name}' for name in key)})"
    query = OUT_OF_ORDER.format(key=struct, rows=parquet([file]))
    count = connection.execute(query).fetchall()[0][0]
    if count:
        raise BuildError(
            f"{file.parent.name}: {count:,} rows are not in the order of {', '.join(key)} or come twice; "
            "nothing was published: run 'churn build --full-refresh', and please report this defect"
        )


def exists(connection: duckdb.DuckDBPyConnection, rows: str) -> bool:
    return bool(connection.execute(f"select exists ({rows})").fetchall()[0][0])


def as_sql(instant: datetime) -> str:
    return f"timestamp {literal(instant.isoformat(sep=' '))}"
