"""The offline store: Feast's DuckDB store, reading a build in the types that the online store keeps.

DECIMAL becomes Float64 and instants and dates become ISO 8601 text, for Feast's own instants are whole
seconds. So a value is the same offline and online, to the microsecond.
"""

import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
from feast import FeatureView, OnDemandFeatureView
from feast.data_source import DataSource
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig, _write_data_source
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.ibis import (
    IbisRetrievalJob,
    pull_all_from_table_or_query_ibis,
    pull_latest_from_table_or_query_ibis,
)
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import RepoConfig
from ibis.expr.types import Table, Value

from feature_repo.errors import FeatureError
from feature_repo.leases import hold
from feature_repo.paths import feast_path
from feature_repo.quiet import silence_known_warnings
from feature_repo.registry_store import take_turn

ASKED_ORDER, ASKED_AT = "__asked_order", "__asked_at"
# DuckDB takes the asked rows, whose number it cannot see, for few, and would compare each with every row.
NEVER_LOOP = "set asof_loop_join_threshold = 0"


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
        with holding(what["data_source"]) as held:
            return held(pull_latest_from_table_or_query_ibis(config=config, **what, **plumbing(config)))

    @staticmethod
    def pull_all_from_table_or_query(config: RepoConfig, **what: Any) -> RetrievalJob:
        """Every row between two instants."""
        with holding(what["data_source"]) as held:
            return held(pull_all_from_table_or_query_ibis(config=config, **what, **plumbing(config)))

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        **_: Any,
    ) -> RetrievalJob:
        """Features at the instant of each row of ``entity_df``; same rows, same order, duplicates kept."""
        ibis.get_backend().raw_sql(NEVER_LOOP)
        column = infer_event_timestamp_from_entity_df(dict(entity_df.dtypes))
        asked_at = pd.to_datetime(entity_df[column], utc=True).dt.tz_localize(None)
        table = ibis.memtable(entity_df.assign(**{ASKED_ORDER: range(len(entity_df)), ASKED_AT: asked_at}))
        with holding(*(view.batch_source for view in feature_views)) as held:
            for view in feature_views:
                table = with_features(table, view, feature_refs, full_feature_names)
            job = IbisRetrievalJob(
                table=table.order_by(ASKED_ORDER).drop(ASKED_ORDER, ASKED_AT),
                on_demand_feature_views=OnDemandFeatureView.get_requested_odfvs(
                    feature_refs, project, registry
                ),
                full_feature_names=full_feature_names,
                metadata=RetrievalMetadata(
                    features=feature_refs,
                    keys=[name for name in entity_df.columns if name != column],
                    min_event_timestamp=asked_at.min(),
                    max_event_timestamp=asked_at.max(),
                ),
                repo_path=str(config.repo_path),
                **writing(config),
            )
            return held(job)


@contextmanager
def holding(*sources: DataSource) -> Iterator[Callable[[RetrievalJob], RetrievalJob]]:
    """Keep the builds of ``sources`` from being removed; the job that is handed in keeps them from then on.

    Raises
    ------
    FeatureError
        A build was removed after newer ones had been published.
    """
    with ExitStack() as stack:
        for build in {Path(source.path).parents[1] for source in sources}:
            handle = hold(build)
            if handle is None:
                raise FeatureError(f"{build} is no longer there: run 'feast apply' to register a later build")
            stack.callback(os.close, handle)

        def held(job: RetrievalJob) -> RetrievalJob:
            weakref.finalize(job, stack.pop_all().close)
            return job

        yield held


def with_features(asked: Table, view: FeatureView, references: list[str], full_names: bool) -> Table:
    """``asked`` with the features of one view: those of the customer's last row at or before the instant."""
    used_as = view.projection.name_to_use()
    names = [name for owner, name in (reference.split(":") for reference in references) if owner == used_as]
    keys = view.projection.join_key_map or {key: key for key in view.join_keys}
    instant = view.batch_source.timestamp_field
    spare = {f"__{name}": name for name in (*keys, instant)}
    shown = {f"{used_as}__{name}" if full_names else name: name for name in names}
    history = raw_source(view.batch_source).select(*keys, instant, *names).rename({**spare, **shown})
    found = asked.asof_join(
        history,
        on=asked[ASKED_AT] >= history[f"__{instant}"],
        predicates=[asked[column] == history[f"__{key}"] for key, column in keys.items()],
    )
    return found.drop(*spare).mutate(**{name: carried(found[name]) for name in shown})


def plumbing(config: RepoConfig) -> dict[str, Any]:
    """How Feast's ibis functions read and write sources."""
    return {"data_source_reader": read_source, **writing(config)}


def writing(config: RepoConfig) -> dict[str, Any]:
    """How Feast writes what was retrieved."""
    return {
        "data_source_writer": _write_data_source,
        "staging_location": config.offline_store.staging_location,
        "staging_location_endpoint_override": config.offline_store.staging_location_endpoint_override,
    }


def read_source(source: DataSource, repo_path: str) -> Table:
    """A source with values in the types Feast carries; the event timestamp stays an instant."""
    table = raw_source(source)
    times = {source.timestamp_field, source.created_timestamp_column}
    return table.mutate(**{name: carried(table[name]) for name in table.columns if name not in times})


def raw_source(source: DataSource) -> Table:
    """A source as its files have it."""
    if not isinstance(source, FileSource):
        raise TypeError(f"data source {source.name} is no folder of Parquet files")
    silence_known_warnings()
    return ibis.read_parquet(Path(source.path) / "*.parquet")


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
