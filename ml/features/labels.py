"""The labels of one build: its cut-offs, its population, and the labelled rows of each part.

With ``own`` labels their rows (customer_id, event_timestamp, churned) replace those of the build.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from ml.common import sql
from ml.common.errors import DamagedError, NotReadyError
from ml.common.sampling import key_hash_sql
from ml.config.problem import CHURN, Problem
from ml.features.split import PARTS, TimeSplit, split_by_time, split_rows
from ml.home.build_manifest import label_terms_of, read_build_manifest

LABELS = f"labels/{CHURN}"
POPULATION = "labels/population_customers"
HASH_RANGE = 2**64
SPARE = 1.2  # times the expected number of rows, so that the drawn ones are among them


def check_same_problem(build: Path, problem: Problem) -> None:
    """Check that the build's labels are those of ``problem``.

    Raises
    ------
    NotReadyError
        The build was made with another horizon, activity span, cadence or delay.
    """
    of_build = label_terms_of(read_build_manifest(build)).of(problem.label)
    for name, value in problem.label_terms().items():
        if of_build.get(name) != value:
            raise NotReadyError(
                f"{build.name} was made with {name} {of_build.get(name)}, the problem says {value}: "
                "run 'churn build --problem FILE' with the same file"
            )


@contextmanager
def reading_labels(build: Path, own: pa.Table | None) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """A connection, and the table of labelled rows for its ``from`` clauses."""
    with duckdb.connect() as connection:
        if own is None:
            yield connection, parquet(build / LABELS)
        else:
            connection.register("own_labels", own)
            yield connection, "own_labels"


def split_labels(build: Path, problem: Problem, own: pa.Table | None = None) -> TimeSplit:
    """The parts in time: by cut-offs of the build, or by rows of the user's own labels.

    Raises
    ------
    NotReadyError
        There is too little for three parts and two gaps.
    """
    if own is None:
        return split_by_time(read_cutoffs(build), problem)
    return split_rows(rows_by_cutoff(build, own), problem)


def read_cutoffs(build: Path, own: pa.Table | None = None) -> list[datetime]:
    """The labelled cut-offs, ascending."""
    return list(rows_by_cutoff(build, own))


def rows_by_cutoff(build: Path, own: pa.Table | None = None) -> dict[datetime, int]:
    """Each cut-off with its number of labelled rows, ascending."""
    with reading_labels(build, own) as (connection, labels):
        query = f"select event_timestamp, count(*) from {labels} group by all order by all"
        return dict(connection.execute(query).fetchall())


def count_rows(build: Path, split: TimeSplit, own: pa.Table | None = None) -> dict[str, int]:
    """Labelled rows of each part, of the burn-in, and of the cut-offs left out between the parts."""
    counts = {**dict.fromkeys(PARTS, 0), "left_out": 0, "burn_in": 0}
    part_of = split.part_of() | dict.fromkeys(split.burn_in, "burn_in")
    for cutoff, rows in rows_by_cutoff(build, own).items():
        counts[part_of.get(cutoff, "left_out")] += rows
    return counts


def labelled_rows(
    build: Path,
    split: TimeSplit,
    own: pa.Table | None = None,
    *,
    most: int | None = None,
    rows: dict[str, int] | None = None,
    seed: int = 0,
) -> pa.Table:
    """Rows of customer_id, event_timestamp, churned (of a regression label), split, by cut-off and customer.

    Parameters
    ----------
    most : int, optional
        At most so many rows of each part, those whose seeded hash of customer and cut-off is smallest.
    rows : dict, optional
        Result of ``count_rows``; required with ``most``.
    """
    shares = {part: most / max(count, 1) for part, count in (rows or {}).items()} if most else {}
    parts = [
        {"event_timestamp": cutoff, "split": part, "highest": highest_hash(shares.get(part, 1.0))}
        for cutoff, part in split.part_of().items()
    ]
    schema = pa.schema(
        [("event_timestamp", pa.timestamp("us")), ("split", pa.string()), ("highest", pa.uint64())]
    )
    with reading_labels(build, own) as (connection, labels):
        connection.register("parts", pa.Table.from_pylist(parts, schema))
        label = "churned" if own is None else own.column_names[-1]
        query = ROWS.format(labels=labels, draw=DRAW, label=label)
        return connection.execute(query, [str(seed), most]).to_arrow_table()


DRAW = key_hash_sql("$1", "labels.customer_id", "epoch_us(labels.event_timestamp)")
ROWS = """
with
rows as (
    select labels.*, parts.split, parts.highest,
        {draw} as drawn
    from {labels} as labels
    inner join parts using (event_timestamp)
),
ranked as (
    select *, row_number() over (partition by split order by drawn, customer_id, event_timestamp) as rank
    from rows
    where drawn <= highest
)
select customer_id, event_timestamp, {label}, split
from ranked
where $2 is null or rank <= $2
order by event_timestamp, customer_id
"""


def highest_hash(share: float) -> int:
    """A hash with a little more than ``share`` of all rows below it, so that few rows are ranked."""
    return min(HASH_RANGE - 1, int(share * SPARE * HASH_RANGE) + HASH_RANGE // 1000)


def population_at(
    build: Path, as_of: datetime, connection: duckdb.DuckDBPyConnection | None = None
) -> pa.Table:
    """The population at an instant: customer_id and event_timestamp, ordered by customer.

    Who asks at many instants gives a connection, which takes longer to make than to ask.
    """
    query = f"""
        select distinct customer_id, $1::timestamp as event_timestamp
        from {parquet(build / POPULATION)}
        where active_from <= $1 and (active_until > $1 or active_until is null)
        order by customer_id
    """
    with nullcontext(connection) if connection else duckdb.connect() as asked:
        return asked.execute(query, [as_of]).to_arrow_table()


def parquet(folder: Path) -> str:
    """The rows of a published table, for a ``from`` clause."""
    if not folder.is_dir():
        raise DamagedError(f"{folder} is missing from the build: run 'churn build' again")
    return sql.parquet(sorted(folder.glob("*.parquet")))
