"""Rows in the form in which Feast hands them to an online store."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from feast import FeatureView, RepoConfig
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.offline_stores.offline_store import OfflineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values

from ml.featurestore.offline.store import in_files
from ml.featurestore.online.arrow_rows import rows_of
from ml.featurestore.online.rows import as_datetime
from ml.featurestore.online.store import Row
from ml.featurestore.online.value_kinds import Kind, key_kinds, kinds


def kept_rows(batch: pa.RecordBatch, view: FeatureView) -> Iterator[Row]:
    """A batch of ``last_rows``."""
    keys, features = key_kinds(view), kinds(view)
    for row in rows_of(batch, view):
        key, (instant, created, _), values = row[: len(keys)], row[len(keys) :][:3], row[len(keys) + 3 :]
        yield (
            entity_key(keys, key),
            {name: kind.message(value) for (name, kind), value in zip(features.items(), values, strict=True)},
            as_datetime(instant),
            as_datetime(created) if created else None,
        )


def entity_key(keys: dict[str, Kind], values: Sequence[Any]) -> EntityKey:
    """The key of a row; values of keys of which Feast knows no type say it themselves."""
    messages = [
        kind.message(value) if kind.field else python_values_to_proto_values([value], kind.type)[0]
        for kind, value in zip(keys.values(), values, strict=True)
    ]
    return EntityKey(join_keys=list(keys), entity_values=messages)


def pulled(
    store: OfflineStore, config: RepoConfig, view: FeatureView, start: datetime, end: datetime
) -> pa.Table:
    """The last row of each key as an offline store gives it: asked, and answered, by the files' names."""
    source = view.batch_source
    named = lambda name: in_files(source, name)  # noqa: E731
    created = source.created_timestamp_column
    return store.pull_latest_from_table_or_query(
        config=config,
        data_source=source,
        join_key_columns=[named(key) for key in view.join_keys if key != DUMMY_ENTITY_ID],
        feature_name_columns=[named(name) for name in kinds(view)],
        timestamp_field=named(source.timestamp_field),
        created_timestamp_column=named(created) if created else None,
        start_date=start,
        end_date=end,
    ).to_arrow()


def pulled_rows(batch: pa.RecordBatch, view: FeatureView) -> Iterator[Row]:
    """A batch of ``pulled``: nulls stay nulls, 64-bit integers exact; a row without a key is nobody's."""
    source = view.batch_source

    def column(name: str) -> list[Any]:
        return batch.column(in_files(source, name)).to_pylist()

    keys = [
        [DUMMY_ENTITY_VAL] * batch.num_rows if name == DUMMY_ENTITY_ID else column(name)
        for name in view.join_keys
    ]
    values: list[list[Value]] = [
        python_values_to_proto_values(column(name), kind.type) for name, kind in kinds(view).items()
    ]
    created = source.created_timestamp_column
    instants = column(source.timestamp_field)
    made = column(created) if created else [None] * batch.num_rows
    messages = [
        python_values_to_proto_values(own, kind.type)
        for own, kind in zip(keys, key_kinds(view).values(), strict=True)
    ]
    for place in range(batch.num_rows):
        if all(own[place] is not None for own in keys):
            yield (
                EntityKey(join_keys=view.join_keys, entity_values=[own[place] for own in messages]),
                {name: own[place] for name, own in zip(kinds(view), values, strict=True)},
                instants[place],
                made[place],
            )
