"""The offline store: Feast's DuckDB store, reading a build in the types that the online store keeps.

DECIMAL becomes Float64 and instants and dates become ISO 8601 text, for Feast's own instants are whole
seconds. So a value is the same offline and online, to the microsecond.
"""

from pathlib import Path
from typing import Any

import ibis
from feast.data_source import DataSource
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig, _write_data_source
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.ibis import (
    get_historical_features_ibis,
    pull_all_from_table_or_query_ibis,
    pull_latest_from_table_or_query_ibis,
)
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.repo_config import RepoConfig
from ibis.expr.types import Table, Value

from feature_repo.paths import feast_path
from feature_repo.quiet import silence_known_warnings
from feature_repo.registry_store import take_turn

ASKED_ORDER = "__asked_order"


class BuildOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """Settings of the offline store in ``feature_store.yaml``: none but its type."""

    type: str = "feature_repo.offline_store.BuildOfflineStore"


class BuildOfflineStore(DuckDBOfflineStore):
    """Point-in-time values and last rows from the Parquet folders of one build."""

    def validate_data_source(self, config: RepoConfig, data_source: DataSource) -> None:
        """Check a source; ``feast apply`` does so before it reads the registry, so here it waits its turn."""
        take_turn(feast_path(config.registry.path).parent)
        super().validate_data_source(config, data_source)

    @staticmethod
    def pull_latest_from_table_or_query(config: RepoConfig, **what: Any) -> RetrievalJob:
        """The last row of each customer between two instants."""
        return pull_latest_from_table_or_query_ibis(config=config, **what, **plumbing(config))

    @staticmethod
    def pull_all_from_table_or_query(config: RepoConfig, **what: Any) -> RetrievalJob:
        """Every row between two instants."""
        return pull_all_from_table_or_query_ibis(config=config, **what, **plumbing(config))

    @staticmethod
    def get_historical_features(config: RepoConfig, *where: Any, **what: Any) -> RetrievalJob:
        """Features at the instant of each row of ``entity_df``; same rows, same order, duplicates kept."""
        entities = what.pop("entity_df")
        numbered = entities.assign(**{ASKED_ORDER: range(len(entities))})
        job = get_historical_features_ibis(config, *where, entity_df=numbered, **what, **plumbing(config))
        job.table = job.table.order_by(ASKED_ORDER).drop(ASKED_ORDER)
        job.metadata.keys.remove(ASKED_ORDER)
        return job


def plumbing(config: RepoConfig) -> dict[str, Any]:
    """How Feast's ibis functions read and write sources."""
    return {
        "data_source_reader": read_source,
        "data_source_writer": _write_data_source,
        "staging_location": config.offline_store.staging_location,
        "staging_location_endpoint_override": config.offline_store.staging_location_endpoint_override,
    }


def read_source(source: DataSource, repo_path: str) -> Table:
    """A source as a table, values in the types Feast carries; the event timestamp stays an instant."""
    if not isinstance(source, FileSource):
        raise TypeError(f"data source {source.name} is no folder of Parquet files")
    silence_known_warnings()
    table = ibis.read_parquet(Path(source.path) / "*.parquet")
    times = {source.timestamp_field, source.created_timestamp_column}
    return table.mutate(**{name: carried(table[name]) for name in table.columns if name not in times})


def carried(column: Value) -> Value:
    """A column in the type Feast carries it in (see ``feature_repo.carried_types``)."""
    kind = column.type()
    if kind.is_decimal():
        return column.cast("float64")
    if kind.is_timestamp():
        return column.strftime("%Y-%m-%dT%H:%M:%S.%f")
    if kind.is_date():
        return column.strftime("%Y-%m-%d")
    return column
