"""The raw loads of a home: rows of every file, then the counts and clocks of ``load.json``.

Every count is taken from the files as they are, so that a run after a killed one comes to the same result.
"""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from ml.common.durable_files import replace_file
from ml.common.instants import format_instant, parse_instant
from ml.common.sql import literal
from ml.erasure import parquet_rows
from ml.erasure.person import Person, files_of, relation, row_of
from ml.erasure.rows_to_erase import RowsToErase
from ml.erasure.swapped_files import Lost, rewrite_shared
from ml.home.layout import Home, numbered
from ml.ingest.contract import Table
from ml.ingest.declaration import parent_of, raw_tables, tables_of_customers
from ml.ingest.load import LAST_FAILURE, REJECTED
from ml.ingest.manifest import FILE, read_load_manifest
from ml.ingest.table_clocks import describe_clocks
from ml.ingest.waiting_rows import WAITING

BETWEEN_REASONS = "; "
NEWEST = "select max({instant}) filter ({instant} <= {now}) from {rows} {where}"


@dataclass(frozen=True)
class Clocks:
    """The clocks of one load without a person, where the person's rows had the last or the first instant.

    Parameters
    ----------
    data_clocks : dict
        Ingest to its data clock, of those that change.
    is_first : bool
        Whether the person's first instant is the first of all.
    """

    data_clocks: dict[str, str | None]
    is_first: bool

    @property
    def has_an_end(self) -> bool:
        """Whether clocks over all customers would differ without the person."""
        return self.is_first or bool(self.data_clocks)


def erase_from_loads(home: Home, rows: RowsToErase) -> Lost:
    """Erase a person's rows from every load on disk; return how many went, by file."""
    loads = numbered(home.raw, "load")
    files = [
        file for load in loads for table in raw_tables() for file in sorted((load / table.name).glob("*"))
    ]
    files += [file for load in loads for file in sorted((load / WAITING).glob("*/*.parquet"))]
    rejected = [file for load in loads for file in sorted((load / REJECTED).glob("*.parquet"))]
    rejected += [file for file in (home.raw / LAST_FAILURE,) if file.exists()]
    lost = rewrite_shared(files, lambda old, fresh: parquet_rows.erase_rows(old, fresh, rows))
    return lost | rewrite_shared(
        rejected, lambda old, fresh: parquet_rows.erase_places(old, fresh, places_of(old, rows))
    )


def places_of(file: Path, rows: RowsToErase) -> list[int]:
    """The places of the person's rows among rejected ones: raw values as JSON, or a line as it came."""
    contents = pq.read_table(file, columns=["content"])["content"].to_pylist()
    return [place for place, content in enumerate(contents) if content and is_of_person(content, rows)]


def is_of_person(content: str, rows: RowsToErase) -> bool:
    """Whether a rejected row is the person's, or names the person."""
    row = row_of(content)
    if row is not None and rows.is_of_person(row):
        return True
    return any(word in content for word in rows.words) or any(
        form in content.encode("utf-8", "surrogatepass") for form in rows.forms
    )


def clocks_without(load: Path, person: Person) -> Clocks:
    """The clocks of a load without a person, read before the rows go."""
    manifest = read_load_manifest(load)
    with duckdb.connect() as connection:
        connection.execute(
            "create temp table customers as select unnest(?) as key", [sorted(person.customers)]
        )
        clocks = {}
        for number, ingest in enumerate(manifest["ingests"]):
            all_of_them = data_clock(connection, load, manifest["ingests"][: number + 1], others=False)
            of_others = data_clock(connection, load, manifest["ingests"][: number + 1], others=True)
            if all_of_them != of_others:
                clocks[str(ingest["load_id"])] = format_instant(of_others) if of_others else None
        firsts = [first_known(connection, load, others) for others in (False, True)]
    return Clocks(clocks, firsts[0] != firsts[1])


def clocks_of(load: Path) -> dict[str, str | None]:
    """The data clock of each ingest of a load, by its rows as they are."""
    ingests = read_load_manifest(load)["ingests"]
    with duckdb.connect() as connection:
        clocks = {
            str(ingest["load_id"]): data_clock(connection, load, ingests[: number + 1], others=False)
            for number, ingest in enumerate(ingests)
        }
    return {name: format_instant(clock) if clock else None for name, clock in clocks.items()}


def data_clock(
    connection: duckdb.DuckDBPyConnection, load: Path, ingests: list[dict[str, Any]], *, others: bool
) -> datetime | None:
    """The data clock of the last of some ingests, as the ingest finds it; if asked, of the rows of others."""
    now = f"timestamp {literal(parse_instant(ingests[-1]['ingested_at']).isoformat(sep=' '))}"
    names = [str(ingest["load_id"]) for ingest in ingests]
    clocks: list[datetime | None] = []
    for table in raw_tables():
        for instants, of in ((table.clocks, names[-1:]), (table.end_instants, names)):
            files = [file for file in (load / table.name / f"{name}.parquet" for name in of) if file.exists()]
            where = whose(table, load) if others else ""
            rows = relation(files, table)
            for instant in instants if files else ():
                query = NEWEST.format(instant=instant, now=now, rows=rows, where=where)
                clocks.append(connection.execute(query).fetchall()[0][0])
    return max((clock for clock in clocks if clock), default=None)


def whose(table: Table, load: Path) -> str:
    """The SQL condition of rows of other customers than those in ``customers``."""
    if table.merges:
        named = " or ".join(f"{name} in (select key from customers)" for name in table.referring)
        return f"where not ({named})"
    if parent := parent_of(table):
        rows = relation(files_of([load], parent.name), parent)
        mine = f"select {parent.key[0]} from {rows} where {parent.customer} in (select key from customers)"
        return f"where {table.referring[0]} not in ({mine})"
    return f"where {table.customer} not in (select key from customers)"


def first_known(connection: duckdb.DuckDBPyConnection, load: Path, others: bool) -> datetime | None:
    """The first instant at which anything in a load was known."""
    firsts = []
    for table in tables_of_customers():
        if table.occurred is None:
            continue
        where = whose(table, load) if others else ""
        rows = relation(files_of([load], table.name), table)
        query = f"select min(least({table.occurred}, {table.known_at})) from {rows} {where}"
        firsts.append(connection.execute(query).fetchall()[0][0])
    return min((first for first in firsts if first), default=None)


def correct_manifest(load: Path, clocks: Clocks | None) -> None:
    """Make ``load.json`` agree with the files of its load."""
    before = read_load_manifest(load)
    manifest = json.loads(json.dumps(before))
    for ingest in manifest["ingests"]:
        name = str(ingest["load_id"])
        if counts_from_files(load, name, ingest["tables"]):
            ingest["reasons"] = reasons_in(load, name, ingest["reasons"])
        if clocks and name in clocks.data_clocks:
            ingest["data_clock"] = clocks.data_clocks[name]
    if manifest["ingests"] == before["ingests"]:
        return
    manifest["tables"] = {
        table: {
            count: sum(ingest["tables"].get(table, {}).get(count, 0) for ingest in manifest["ingests"])
            for count in counts
        }
        for table, counts in manifest["tables"].items()
    }
    names = [str(ingest["load_id"]) for ingest in manifest["ingests"]]
    manifest["reasons"] = reasons_in(load, "*", manifest["reasons"])
    if len(names) == 1:
        manifest |= {name: manifest["ingests"][0][name] for name in ("reasons", "data_clock")}
    if clocks and clocks.data_clocks:
        known = [ingest["data_clock"] for ingest in manifest["ingests"] if ingest["data_clock"]]
        manifest["data_clock"] = max(known, key=parse_instant, default=None)
        described = described_clocks(load, manifest["data_clock"])
        manifest |= {name: described[name] for name in ("clocks", "orders_arrive")}
    replace_file(load / FILE, (json.dumps(manifest, indent=2) + "\n").encode(), is_locked=True)


def described_clocks(load: Path, clock: str | None) -> dict[str, Any]:
    with duckdb.connect() as connection:
        return describe_clocks(load, clock, connection)


def counts_from_files(load: Path, ingest: str, tables: dict[str, dict[str, int]]) -> bool:
    """Take the counts of one ingest from its files; whether any changed."""
    rejected = Counter(column(load / REJECTED / f"{ingest}.parquet", "table"))
    has_changed = False
    for table, counts in tables.items():
        file = load / table / f"{ingest}.parquet"
        accepted = pq.read_metadata(file).num_rows if file.exists() else 0
        now = {"read": accepted + rejected[table], "accepted": accepted, "rejected": rejected[table]}
        has_changed = has_changed or any(counts[name] != now[name] for name in now)
        counts.update(now)
    return has_changed


def reasons_in(load: Path, ingest: str, before: dict[str, int]) -> dict[str, int]:
    """Each reason and the number of rows with it, in the order of the manifest."""
    counts: Counter[str] = Counter()
    for file in sorted((load / REJECTED).glob(f"{ingest}.parquet")):
        for table, reasons in zip(column(file, "table"), column(file, "reason"), strict=True):
            counts.update(f"{table}: {reason}" for reason in reasons.split(BETWEEN_REASONS))
    return {reason: min(rows, counts[reason]) for reason, rows in before.items() if counts[reason]}


def column(file: Path, name: str) -> list[str]:
    """A column of a Parquet file; empty without the file."""
    return pq.read_table(file, columns=[name])[name].to_pylist() if file.exists() else []
