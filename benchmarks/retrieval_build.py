"""All features of a published build for millions of entity rows, to a Parquet file: two ways in.

Run as a process of its own it prints as JSON the seconds without imports, the peak and the rows answered.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import duckdb

from benchmarks.measure import BYTES_PER_MAXRSS
from ml.featurestore.catalog import read_catalog
from ml.home.build_manifest import data_clock

ASKED = """
with customers as (
    select
        row_number() over (order by customer_id) - 1 as number,
        customer_id,
        min(epoch_us(event_timestamp)) as first
    from read_parquet('{profile}')
    where event_timestamp <= timestamp '{clock}'
    group by customer_id
),
drawn as (
    select
        number as row,
        (hash(number, 'customer') % (select count(*) from customers))::bigint as number,
        hash(number, 'instant') as draw
    from range({rows}) as rows (number)
)
select
    customers.customer_id,
    make_timestamp((first + draw % (epoch_us(timestamp '{clock}') - first + 1))::bigint) as event_timestamp
from drawn
inner join customers using (number)
order by row
"""


def stream(home: Path, asked: Path, out: Path) -> Callable[[], None]:
    """``point_in_time_stream``, a stream in and out."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ml.featurestore.retrieval.retrieve import point_in_time_stream

    def run() -> None:
        file = pq.ParquetFile(asked)
        rows = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())
        answer = point_in_time_stream((home / "builds" / "current").resolve(), rows)
        with pq.ParquetWriter(out, answer.schema) as writer:
            for batch in answer:
                writer.write_batch(batch)

    return run


def feast(home: Path, asked: Path, out: Path) -> Callable[[], None]:
    """``get_historical_features`` of the service with every feature, its job written to a file."""
    import pandas as pd

    from ml.featurestore.feast_objects import SERVICE
    from ml.featurestore.repository import apply_definitions, open_store

    store = open_store(home)
    apply_definitions(store, home)

    def run() -> None:
        service = store.get_feature_service(SERVICE)
        store.get_historical_features(pd.read_parquet(asked), service).to_parquet(str(out))

    return run


WAYS = {"point_in_time_stream": stream, "Feast": feast}


def make_asked_of_build(build: Path, path: Path, rows: int) -> None:
    """Write random customers of a build, each at an instant from the first known fact to the data clock."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = build / "features" / "feat_customer_profile" / "*.parquet"
    query = ASKED.format(profile=profile, clock=data_clock(build), rows=rows)
    with duckdb.connect(config={"memory_limit": "4GB"}) as connection:
        connection.execute(f"copy ({query}) to '{path}.making' (format parquet)")
    path.with_name(f"{path.name}.making").rename(path)


def read_rows(build: Path) -> dict[str, int]:
    """Rows of each temporal table."""
    import pyarrow.parquet as pq

    return {
        view.name: sum(pq.read_metadata(file).num_rows for file in view.path.glob("*.parquet"))
        for view in read_catalog(build).views
    }


@click.command()
@click.argument("way", type=click.Choice(list(WAYS)))
@click.option("--home", required=True, type=click.Path(path_type=Path))
@click.option("--asked", required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path))
def main(way: str, home: Path, asked: Path, out: Path) -> None:
    """Answer once; what it took as JSON."""
    import pyarrow.parquet as pq

    run = WAYS[way](home, asked, out)
    started = time.perf_counter()
    run()
    took = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_PER_MAXRSS
    answered = pq.read_metadata(out)
    figures = {"inner_seconds": took, "inner_peak_bytes": peak}
    json.dump(figures | {"rows": answered.num_rows, "columns": answered.num_columns}, sys.stdout)


if __name__ == "__main__":
    main()
