"""Rows in the form in which Feast passes them to an online store."""

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

from ml.featurestore.offline.store import file_column
from ml.featurestore.online.arrow_rows import rows_of
from ml.featurestore.online.rows import as_datetime
from ml.featurestore.online.store import Row
from ml.featurestore.online.value_kinds import Kind, key_kinds, kinds


def feast_rows(batch: pa.RecordBatch, view: FeatureView) -> Iterator[Row]:
    """The rows of a batch of ``last_rows``."""
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
    """The key of a row; a key without a type in Feast gets the type of its value."""
    messages = [
        kind.message(value) if kind.field else python_values_to_proto_values([value], kind.type)[0]
        for kind, value in zip(keys.values(), values, strict=True)
    ]
    return EntityKey(join_keys=list(keys), entity_values=messages)


def pull_latest(
    store: OfflineStore, config: RepoConfig, view: FeatureView, start: datetime, end: datetime
) -> pa.Table:
    """The last row of each key from an offline store, with the column names of the files."""
    source = view.batch_source
    file_name = lambda name: file_column(source, name)  # noqa: E731
    created = source.created_timestamp_column
    return store.pull_latest_from_table_or_query(
        config=config,
        data_source=source,
        join_key_columns=[file_name(key) for key in view.join_keys if key != DUMMY_ENTITY_ID],
        feature_name_columns=[file_name(name) for name in kinds(view)],
        timestamp_field=file_name(source.timestamp_field),
        created_timestamp_column=file_name(created) if created else None,
        start_date=start,
        end_date=end,
    ).to_arrow()


def feast_rows_of_pull(batch: pa.RecordBatch, view: FeatureView) -> Iterator[Row]:
    """The rows of a batch of ``pull_latest``, without those that lack a key.

    Nulls stay nulls, and 64-bit integers exact.
    """
    source = view.batch_source

    def column(name: str) -> list[Any]:
        return batch.column(file_column(source, name)).to_pylist()

    keys = [
        [DUMMY_ENTITY_VAL] * batch.num_rows if name == DUMMY_ENTITY_ID else column(name)
        for name in view.join_keys
    ]
    values: list[list[Value]] = [
        python_values_to_proto_values(column(name), kind.type) for name, kind in kinds(view).items()
    ]
    created = source.created_timestamp_column
    instants = column(source.timestamp_field)
    created_at = column(created) if created else [None] * batch.num_rows
    messages = [
        python_values_to_proto_values(column_values, kind.type)
        for column_values, kind in zip(keys, key_kinds(view).values(), strict=True)
    ]
    for row in range(batch.num_rows):
        if all(column_values[row] is not None for column_values in keys):
            yield (
                EntityKey(
                    join_keys=view.join_keys, entity_values=[column_values[row] for column_values in messages]
                ),
                {name: column_values[row] for name, column_values in zip(kinds(view), values, strict=True)},
                instants[row],
                created_at[row],
            )
