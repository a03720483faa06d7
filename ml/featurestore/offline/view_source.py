"""The local Parquet files of a feature view, and the names of its columns in them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import duckdb
from feast import FeatureView, FileSource, RepoConfig
from feast.feature_view import DUMMY_ENTITY_ID

from ml.common.errors import CatalogError, FeatureError
from ml.common.instant_grammar import sentence_of
from ml.common.sql import REMOTE
from ml.featurestore.offline.source_job import SourceJob
from ml.featurestore.offline.store import file_column, is_build, path_of
from ml.featurestore.retrieval.history import History, files_in

INSTANT_TYPES = ("TIMESTAMP", "DATE", "VARCHAR")
REFUSAL_PREFIX = "Invalid Input Error: "


@dataclass(frozen=True)
class Source:
    """The rows of a view.

    Parameters
    ----------
    view : FeatureView
    history : History
        The rows, as the offline store reads them.
    keys, features : dict
        Name in Feast -> name in the files.
    """

    view: FeatureView
    history: History
    keys: dict[str, str]
    features: dict[str, str]

    @property
    def is_build(self) -> bool:
        """Whether the files never change, and no two rows have the same key and instant."""
        return self.history.is_unique

    @property
    def relation(self) -> str:
        """The rows, for a ``from`` clause; those of a build need no position."""
        return self.history.rows if self.is_build else self.history.relation

    @property
    def state(self) -> list[list[Any]]:
        """Names, sizes and times of the files, to detect changes."""
        stats = [(file, os.stat(file)) for file in self.history.files]
        return [[file, stat.st_size, stat.st_mtime_ns] for file, stat in stats]

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Everything a load depends on, except its instant."""
        history = self.history
        types = [(field.name, str(field.dtype)) for field in self.view.schema]
        named = [self.keys, self.features, history.instant, history.created, sorted(types)]
        return {"path": self.view.batch_source.path, "named": repr(named), "files": self.state}

    @cached_property
    def types(self) -> dict[str, str]:
        """Column of the files -> SQL type.

        Raises
        ------
        FeatureError
            A column is missing, or is no instant where one is needed.
        """
        with duckdb.connect() as connection:
            types = self.history.types(connection)
        view, history = self.view.name, self.history
        times = [name for name in (history.instant, history.created) if name]
        history.check_columns(view, [*self.keys.values(), *self.features.values(), *times], types)
        for name in times:
            if not types[name].startswith(INSTANT_TYPES):
                raise FeatureError(
                    f"{view}: {name} in {history.files[0]} is {types[name]}, which is no instant:"
                    " write it as a timestamp"
                )
        return types

    def latest(self) -> str:
        """The SQL for the position of the last of some rows, as in the offline store."""
        job = SourceJob(self.history, [], (None, None), only_latest=True, is_build=False, settings=("", ""))
        return job.latest(self.types)

    @contextmanager
    def read_errors(self) -> Iterator[None]:
        """Turn an error about files outside a build into a sentence."""
        try:
            yield
        except duckdb.Error as error:
            if self.is_build:
                raise
            message = str(error).splitlines()[0]
            if message.startswith(f"{REFUSAL_PREFIX}{self.view.name}: "):
                raise FeatureError(message.removeprefix(REFUSAL_PREFIX)) from None
            files = self.history.files
            others = f" and {len(files) - 1} more" if len(files) > 1 else ""
            if sentence := sentence_of(error):
                raise FeatureError(
                    f"{self.view.name}: {files[0]}{others} could not be read: {sentence}"
                ) from None
            raise FeatureError(
                f"{self.view.name}: {files[0]}{others} could not be read: {message}; look at the files, and"
                " free memory and disk space"
            ) from error


def source_of(config: RepoConfig, view: FeatureView) -> Source | None:
    """The rows of a view; None if they are not just rows of local Parquet files.

    Raises
    ------
    FeatureError
        There are no files.
    """
    source = view.batch_source
    if type(view) is not FeatureView or not isinstance(source, FileSource) or not source.timestamp_field:
        return None
    try:
        path = path_of(config, source)
    except TypeError:
        return None
    if REMOTE in path:
        return None
    try:
        files = files_in(path)
    except CatalogError as error:
        if is_build(source):
            raise
        raise FeatureError(f"{view.name}: {error}") from error
    file_columns = lambda names: {name: file_column(source, name) for name in names}  # noqa: E731
    keys = file_columns(key for key in view.join_keys if key != DUMMY_ENTITY_ID)
    created = source.created_timestamp_column
    history = History(
        files,
        list(keys.values()),
        file_column(source, source.timestamp_field),
        file_column(source, created) if created else None,
        is_unique=is_build(source),
    )
    return Source(view, history, keys, file_columns(field.name for field in view.features))
