"""Raw rows delivered after a build was made, though they were known before it by their own clocks.

The raw tables of two builds come in, and the customers whose history moved; breaches go out, which name the
rows by file and number. Rows without a clock of their own, which change history if they are late, are counted
too.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

from ml.audit.findings import Audit, Breach
from ml.common.instants import format_instant
from ml.common.number_words import counted
from ml.common.sql import literal, parquet
from ml.home.build_manifest import read_build_manifest
from ml.ingest.batch import relation_of, with_columns
from ml.ingest.contract import Table
from ml.ingest.declaration import parent_of, raw_tables
from ml.ingest.manifest import FILE, read_load_manifest

ROWS_NAMED = 3  # in one breach; the count has them all
# customer_id, known_at, whether the row has a clock, file, row number
Row: TypeAlias = tuple[Any, ...]
MOVED = "create or replace temp table moved as select unnest($customers::varchar[]) as customer_id"
# A row as of an instant: its customer, known_at, and a hash of its content.
FACTS = """
select
    source.customer_id, {known_at} as known_at, {recorded_at} as recorded_at, hash({content}) as content,
    _file, _row
from {rows} as source
semi join moved using (customer_id)
where {known_at} <= {until}
"""
# A row without a customer is known with the one it refers to, or from its own recorded instant if later.
FACTS_BELOW = """
select
    parents.customer_id, greatest(parents.known_at, {recorded_at}) as known_at, {recorded_at} as recorded_at,
    hash({content}) as content, _file, _row
from {rows} as source
inner join (
    select {key}, min(customer_id) as customer_id, min({parent_known_at}) as known_at
    from {parents}
    semi join moved using (customer_id)
    group by {key}
) as parents using ({key})
where greatest(parents.known_at, {recorded_at}) <= {until}
"""
ON_ONE_SIDE = """
select customer_id, known_at, recorded_at is not null, _file, _row
from ({these})
anti join (select content from ({others})) as others using (content)
order by recorded_at is not null, known_at, _file, _row
"""
WITHOUT_CLOCK = {
    "customers": "without updated_at, so that they count as known since registration",
    "order_items": "without loaded_at, so that they count as known since their order was",
}
NO_LOADED_AT = "without loaded_at, so that they count as known since they happened"
COUNTS = """
select count(distinct {key}) filter (where {version} is null), count(distinct {key})
from {rows}
"""


def rows_without_clock(audit: Audit) -> tuple[str, ...]:
    """A sentence for each table some of whose rows have no clock."""
    if not (audit.load / FILE).is_file():
        return ()
    sentences = []
    with duckdb.connect() as connection:
        for table in (table for table in raw_tables() if table.occurred):
            rows = relation_of(audit.load / table.name)
            query = COUNTS.format(key=table.key[0], version=table.version, rows=rows)
            undated, total = connection.execute(query).fetchall()[0]
            if undated:
                since = "they registered" if table.name == "customers" else "they happened"
                sentences.append(
                    f"{undated:,d} of {total:,d} {table.name.replace('_', ' ')} have a row without "
                    f"{table.version} and count as known since {since}; what comes late without it changes "
                    "history"
                )
    return tuple(sentences)


def late_rows(
    audit: Audit,
    connection: duckdb.DuckDBPyConnection,
    earlier: Path,
    until: datetime,
    customers: Iterable[str],
) -> tuple[Breach, ...]:
    """The rows of ``customers`` known at or before ``until`` that ``earlier`` was not made from."""
    load = read_build_manifest(earlier)["load_id"]
    if not (audit.load / FILE).is_file():
        return ()
    connection.execute(MOVED, {"customers": sorted(customers)})
    breaches: list[Breach] = []
    for table in raw_tables():
        before, now = files_before(audit, load, table), files_in(audit.load, table)
        if before and before != now:
            sides = [facts(audit.load, table, files, until) for files in (before, now)]
            removed, arrived = (
                connection.execute(ON_ONE_SIDE.format(these=these, others=others)).fetchall()
                for these, others in (sides, reversed(sides))
            )
            breaches += breaches_in(table, earlier.name, until, arrived, removed)
    return tuple(breaches)


def files_in(load: Path, table: Table) -> list[Path]:
    return sorted((load / table.name).glob("*.parquet"))


def files_before(audit: Audit, load: str, table: Table) -> list[Path]:
    """The files that an earlier build was made from; none if that is no longer known."""
    if (audit.home.raw / load / FILE).is_file():
        return files_in(audit.home.raw / load, table)
    loads = [ingest["load_id"] for ingest in read_load_manifest(audit.load)["ingests"]]
    earlier = loads[: loads.index(load) + 1] if load in loads else []
    return [file for file in files_in(audit.load, table) if file.stem in earlier]


def facts(load: Path, table: Table, files: Sequence[Path], until: datetime) -> str:
    """The query for the rows of one table that count at ``until``; ``load`` names their customers."""
    instant = f"timestamp {literal(until)}"
    # The instant of a later event of the row counts from then on; before, it changes nothing.
    content = [
        f"case when source.{name} <= {instant} then source.{name} end"
        if name in table.ends
        else f"source.{name}"
        for name in table.names
    ]
    fields = {
        "rows": with_columns(table, parquet(files, "union_by_name = true")),
        "recorded_at": f"source.{table.version}",
        "until": instant,
        "content": ", ".join(content),
    }
    if parent := parent_of(table):
        parents = relation_of(load / parent.name)
        return FACTS_BELOW.format(
            **fields, key=parent.key[0], parents=parents, parent_known_at=parent.known_at
        )
    if table.merges:
        names = ", ".join(table.names)
        fields["rows"] = (
            f"(select {names}, {table.merges.old} as customer_id, _file, _row from {fields['rows']})"
        )
    return FACTS.format(**fields, known_at=table.known_at)


def breaches_in(
    table: Table, earlier: str, until: datetime, arrived: Sequence[Row], removed: Sequence[Row]
) -> Iterator[Breach]:
    """One breach for the new rows without a clock of their own, one for the others, one for those gone."""
    undated_text = WITHOUT_CLOCK.get(table.name, NO_LOADED_AT)
    dated_text = f"whose clock says that they were known by {format_instant(until)}"
    groups = [
        (f"{undated_text}, came only after {earlier} was made", [row for row in arrived if not row[2]]),
        (f"{dated_text}, came only after {earlier} was made", [row for row in arrived if row[2]]),
        (f"that {earlier} was made from are gone or say something else", removed),
    ]
    for why, rows in groups:
        if rows:
            customer, known, _, file, number = rows[0]
            first = ", ".join(f"row {row[4]} of {row[3]}" for row in rows[:ROWS_NAMED])
            more = f" and {len(rows) - ROWS_NAMED:,d} more" if len(rows) > ROWS_NAMED else ""
            yield Breach(
                f"{table.name}: {counted(len(rows), 'row')} {why}: {first}{more}",
                {
                    "customer_id": customer,
                    "table": table.name,
                    "file": file,
                    "row": number,
                    "known_at": known,
                },
                len(rows),
            )
