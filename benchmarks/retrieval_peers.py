"""Ways to find the values that held at as-of instants, each used as its documentation advises.

Run as a process of its own, it prints as JSON the seconds from files to answer (imports and Feast's ``apply``
are done before), the largest memory so far, and sums of the answer that show whether two peers agree.
"""

import json
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.measure import BYTES_PER_MAXRSS
from benchmarks.retrieval_data import FEATURES

KEY, INSTANT = "customer_id", "event_timestamp"
OURS_TYPE = "ml.featurestore.offline.store.BuildOfflineStore"
Answer = Any
Run = Callable[[], Answer]


@dataclass(frozen=True)
class Case:
    """Where the feature files and the entity rows lie."""

    features: Path
    asked: Path

    @property
    def files(self) -> str:
        return f"{self.features}/*.parquet"


def scan(case: Case) -> Run:
    """The floor: read the same columns and do nothing with them."""
    import duckdb

    columns = ", ".join(f"max({name})" for name in (KEY, INSTANT, *FEATURES))
    return lambda: duckdb.sql(f"select {columns} from read_parquet('{case.files}')").to_arrow_table()


def duckdb_asof(case: Case) -> Run:
    """DuckDB's ASOF join, bare."""
    import duckdb

    query = f"""
        select asked.*, {", ".join(FEATURES)}
        from read_parquet('{case.asked}') as asked
        asof left join read_parquet('{case.files}') as history
            on asked.{KEY} = history.{KEY} and asked.{INSTANT} >= history.{INSTANT}
    """
    return lambda: duckdb.sql(query).to_arrow_table()


def polars_asof(case: Case) -> Run:
    """``join_asof`` of lazy frames by the streaming engine; it needs rows in order within each customer."""
    import polars

    def run() -> Answer:
        asked = polars.scan_parquet(case.asked)
        history = polars.scan_parquet(case.files)
        joined = asked.join_asof(history, on=INSTANT, by=KEY, strategy="backward", check_sortedness=False)
        return joined.collect(engine="streaming").to_arrow()

    return run


def pandas_asof(case: Case) -> Run:
    """``merge_asof`` of Arrow-backed frames; the history is sorted by instant where the files are not."""
    import pandas
    import pyarrow
    import pyarrow.parquet

    def frame(path: Path) -> Any:
        return pyarrow.parquet.read_table(path).to_pandas(types_mapper=pandas.ArrowDtype)

    def run() -> Answer:
        history = frame(case.features)
        if not history[INSTANT].is_monotonic_increasing:
            history = history.sort_values(INSTANT)
        found = pandas.merge_asof(frame(case.asked), history, on=INSTANT, by=KEY)
        return pyarrow.Table.from_pandas(found, preserve_index=False)

    return run


def feast_job(case: Case, kind: str) -> Callable[[], Any]:
    """A retrieval job of Feast's public API with an offline store of type ``kind``."""
    from datetime import timedelta

    import pandas
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float64, Int64

    from ml.common.warnings_filter import silence_known_warnings

    silence_known_warnings()
    folder = tempfile.mkdtemp(prefix="tidemark-")
    config = RepoConfig(
        project="retrieval",
        provider="local",
        registry=f"{folder}/registry.db",
        offline_store={"type": kind},
        online_store={"type": "sqlite", "path": f"{folder}/online.db"},
        entity_key_serialization_version=3,
    )
    customer = Entity(name="customer", join_keys=[KEY], value_type=ValueType.STRING)
    types = dict(zip(FEATURES, (Int64, Float64, Int64, Float64), strict=True))
    view = FeatureView(
        name="history",
        entities=[customer],
        ttl=timedelta(0),
        schema=[Field(name=name, dtype=dtype) for name, dtype in types.items()],
        source=FileSource(name="history", path=case.files, timestamp_field=INSTANT),
    )
    store = FeatureStore(config=config)
    store.apply([customer, view])
    features = [f"history:{name}" for name in FEATURES]
    return lambda: store.get_historical_features(pandas.read_parquet(case.asked), features)


def feast_store(kind: str) -> Callable[[Case], Run]:
    def peer(case: Case) -> Run:
        job = feast_job(case, kind)
        return lambda: job().to_arrow()

    return peer


def ours_to_parquet(case: Case) -> Run:
    """Our store, its answer streamed to a file."""
    job = feast_job(case, OURS_TYPE)
    out = Path(tempfile.mkdtemp(prefix="tidemark-")) / "answer.parquet"

    def run() -> Answer:
        job().to_parquet(str(out))
        return out

    return run


PEERS: dict[str, Callable[[Case], Run]] = {
    "scan": scan,
    "ours": feast_store(OURS_TYPE),
    "ours to Parquet": ours_to_parquet,
    "Feast DuckDB": feast_store("duckdb"),
    "Feast Dask": feast_store("dask"),
    "polars": polars_asof,
    "pandas": pandas_asof,
    "DuckDB ASOF": duckdb_asof,
}


def sums(answer: Answer) -> dict[str, Any]:
    """Rows, and for each feature its nulls, its sum, and its sum weighted with the as-of instant."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(answer) if isinstance(answer, Path) else answer
    if FEATURES[0] not in table.column_names:
        return {}
    weight = pc.microsecond(table[INSTANT]).cast("double")
    found: dict[str, Any] = {"rows": len(table)}
    for name in FEATURES:
        values = table[name].cast("double")
        weighted = pc.sum(pc.multiply(values, weight)).as_py()
        found[name] = [values.null_count, pc.sum(values).as_py(), weighted]
    return found


@click.command()
@click.argument("peer", type=click.Choice(list(PEERS)))
@click.option("--features", required=True, type=click.Path(path_type=Path))
@click.option("--asked", required=True, type=click.Path(path_type=Path))
@click.option("--seconds", default=0, help="Give up after so many.")
def main(peer: str, features: Path, asked: Path, seconds: int) -> None:
    """Answer once; what it took as JSON."""
    run = PEERS[peer](Case(features, asked))
    signal.alarm(seconds)
    started = time.perf_counter()
    answer = run()
    took = time.perf_counter() - started
    signal.alarm(0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_PER_MAXRSS
    json.dump({"inner_seconds": took, "inner_peak_bytes": peak, "answer": sums(answer)}, sys.stdout)


if __name__ == "__main__":
    main()
