"""Push raw rows: each is accepted or rejected as an ingest would, and kept before it is acknowledged."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from ml.common.errors import UsageError
from ml.common.instants import parse_instant, utc_now
from ml.common.sql import parquet
from ml.home.layout import Home
from ml.ingest.batch import relation_of
from ml.ingest.declaration import parent_of, tables_of_customers
from ml.ingest.erased_customers import REASON as ERASED
from ml.ingest.load import REJECTED
from ml.ingest.manifest import read_load_manifest
from ml.ingest.merges import add_joined
from ml.journal.lines import Line, read_lines
from ml.journal.pushes import Push, Pushes
from ml.journal.staged_load import append_lines, staged_home, staged_load


def push(
    content: str | bytes,
    *,
    table: str | None = None,
    key: str | None = None,
    home: Home | str | Path | None = None,
) -> dict[str, Any]:
    """Keep raw rows that count at once, and that the next build takes in.

    Parameters
    ----------
    content : str or bytes
        JSON lines, each an object of one raw row; ``table`` in it names its raw table.
    table : str, optional
        The raw table of lines that name none.
    key : str, optional
        An idempotency key: the same content with it counts once, and gets the same answer. By default the
        hash of table and content.
    home : Home or path, optional
        The folder of all state.

    Returns
    -------
    dict
        ``read``, ``accepted`` and ``rejected`` (numbers of lines), ``rows`` (of each line ``line``, its
        number, ``table``, ``status``, which is accepted or rejected, and ``reason``), ``customers`` (whom the
        accepted rows touch).

    Raises
    ------
    UsageError
        There is no line, or more than a thousand, or the key was used for other content.
    NotReadyError
        There are no raw data yet.
    TidemarkError
        The rows could not be kept.
    """
    home = Home.at(home)
    home.current_load()
    text = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(f"{table or ''}\n".encode() + text).hexdigest()
    with Pushes(home) as pushes, pushes.alone():
        if earlier := pushes.find(key or digest):
            earlier_digest, answer = earlier
            if earlier_digest != digest:
                raise UsageError("the idempotency key was used for other facts: give a new one")
            return answer
        lines = read_lines(text, table)
        checked = check(home, pushes, lines)
        answer = answer_of(lines, checked)
        kept = [
            (line.table, line.text)
            for line, row in zip(lines, answer["rows"], strict=True)
            if line.table and row["reason"] != ERASED
        ]
        record = Push(key or digest, digest, utc_now(), kept, answer, checked.customers, checked.newest_at)
        pushes.add(record, checked.load)
    return answer


@dataclass(frozen=True)
class Checked:
    """What the ingest made of the lines of a push.

    Parameters
    ----------
    load : str
        The journal's own load that has them.
    reasons : dict
        Of (table, place among the table's lines): why the row is rejected.
    customers : list of str
        Whom the accepted rows touch, rows of earlier pushes that waited among them.
    newest_at : datetime, optional
        The latest instant at which anything in the accepted rows became known.
    """

    load: str
    reasons: dict[tuple[str, int], str]
    customers: list[str]
    newest_at: datetime | None


def check(home: Home, pushes: Pushes, lines: Sequence[Line]) -> Checked:
    """Append the lines to the journal's own load, as an ingest would to the home's."""
    earlier = staged_load(home, pushes)
    own = staged_home(pushes)
    rows = [(line.table, line.text) for line in lines if line.table]
    if not rows:
        return Checked(earlier.name, {}, [], None)
    ingested = append_lines(own, pushes.folder / "pushed", rows)
    load = own.raw / ingested["load_id"]
    newest = read_load_manifest(load)["ingests"][-1]["data_clock"]
    return Checked(
        load.name, reasons_of(load), touched_customers(load), parse_instant(newest) if newest else None
    )


def reasons_of(load: Path) -> dict[tuple[str, int], str]:
    """The reasons of the rows rejected in the last ingest of a load."""
    file = load / REJECTED / f"{load.name}.parquet"
    if not file.exists():
        return {}
    with duckdb.connect() as connection:
        rows = connection.execute(f'select "table", row, reason from {parquet([file])}').fetchall()
    return {(table, place): reason for table, place, reason in rows}


def touched_customers(load: Path) -> list[str]:
    """The customers of the rows accepted in the last ingest of a load, and those whom merges join to them.

    A merge itself touches nobody: it counts from the next build on.
    """
    with duckdb.connect() as connection:
        connection.execute("create table touched (customer_id varchar)")
        for table in tables_of_customers():
            file = load / table.name / f"{load.name}.parquet"
            if not file.exists():
                continue
            query = f"select distinct customer_id from {parquet([file])}"
            if parent := parent_of(table):
                key, parents = parent.key[0], relation_of(load / parent.name)
                query = (
                    f"select distinct customer_id from {parents} "
                    f"where {key} in (select {key} from {parquet([file])})"
                )
            connection.execute(f"insert into touched {query} except select * from touched")
        add_joined(connection, "touched", load)
        return [row[0] for row in connection.execute("from touched order by customer_id").fetchall()]


def answer_of(lines: Sequence[Line], checked: Checked) -> dict[str, Any]:
    """What the sender gets."""
    places: dict[str, int] = {}
    rows = []
    for line in lines:
        reason = line.reason
        if line.table:
            places[line.table] = places.get(line.table, 0) + 1
            reason = checked.reasons.get((line.table, places[line.table]))
        status = "rejected" if reason else "accepted"
        rows.append({"line": line.number, "table": line.table, "status": status, "reason": reason})
    rejected = sum(row["status"] == "rejected" for row in rows)
    return {
        "read": len(rows),
        "accepted": len(rows) - rejected,
        "rejected": rejected,
        "rows": rows,
        "customers": checked.customers,
    }
