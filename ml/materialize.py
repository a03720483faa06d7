"""Materialize: feature values as of one instant go from the build to the online store, all or nothing.

Comes after ``churn build``; ``churn serve`` and ``feature_repo.online`` read what it writes.
"""

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_repo.errors import RegistryDamagedError
from feature_repo.paths import registry_file
from ml.build_card import asked_instant
from ml.errors import BusyError, TidemarkError
from ml.home import Home
from ml.instants import format_instant
from ml.progress import SILENT, Progress

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView


def materialize(
    *,
    home: "str | os.PathLike[str] | Home | None" = None,
    as_of: datetime | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Make the online store exactly what the published build says at one instant.

    Parameters
    ----------
    home : path or Home, optional
        The folder of all state (default ``CHURN_HOME``).
    as_of : datetime, optional
        The instant, naive UTC (default: the build's data clock).
    progress : Progress, optional
        How to speak.

    Returns
    -------
    dict
        ``build_id``, ``as_of``, ``seconds`` and ``views``: name -> ``customers`` online and ``rows`` of
        history they were taken from.

    Raises
    ------
    NotReadyError
        Nothing has been built yet.
    UsageError
        ``as_of`` is after the data clock.
    TidemarkError
        Customers offline and online differ; the store is left as it was.
    """
    home, started = Home.at(home), time.monotonic()
    home.current_build()
    with home.writing("materialize"), home.reading() as build, progress.bar("Loading Feast", 3) as bar:
        instant = asked_instant(build, as_of)
        store = open_feast(home)
        bar.step("Writing feature values")
        views = write_online(store, build, instant)
        bar.step("Done", 2)
    return {
        "build_id": build.name,
        "as_of": format_instant(instant),
        "views": views,
        "seconds": round(time.monotonic() - started, 1),
    }


def open_feast(home: Home) -> "FeatureStore":
    """The feature store; a registry that is damaged is made anew, for all it holds comes from a build."""
    from feature_repo.registry_store import read_registry
    from feature_repo.repository import open_store

    try:
        read_registry(registry_file(home.root))
    except RegistryDamagedError:
        registry_file(home.root).unlink()
    return open_store(home.root)


def write_online(
    store: "FeatureStore", build: Path, instant: datetime, finally_do: Callable[[], None] = lambda: None
) -> dict[str, dict[str, int]]:
    """Register ``build``, empty the store, fill and check it: all in one step, or nothing.

    Values are written first, unseen; then the registry is replaced, then ``finally_do`` is called, then the
    values are seen. An error in any of these leaves store and registry as they were.
    """
    with in_one_step(store, finally_do):
        return fill_online(store, build, instant)


@contextlib.contextmanager
def in_one_step(store: "FeatureStore", finally_do: Callable[[], None]) -> Iterator[None]:
    """Whatever is done with the registry and the online store is seen at the end, together, or not at all."""
    import duckdb

    from feature_repo.registry_store import RegistryChangedError
    from feature_repo.repository import registry_of

    online, registry = store.provider.online_store, registry_of(store)
    try:
        with (
            feast_speaking_to_nobody(),
            registry.taken_back_on_failure(),
            online.transaction(store.config),
        ):
            with registry.held_back():
                yield
            finally_do()
    except RegistryChangedError as error:
        raise BusyError(str(error)) from error
    except duckdb.Error as error:
        problem = str(error).splitlines()[0]
        raise TidemarkError(f"the build cannot be read: {problem}; run 'churn build' again") from error


def fill_online(store: "FeatureStore", build: Path, instant: datetime) -> dict[str, dict[str, int]]:
    """Empty the store, fill it from ``build``, and count what came."""
    from feature_repo.repository import BEGINNING, apply_definitions

    online = store.provider.online_store
    apply_definitions(store, build=build)
    views = sorted(store.list_batch_feature_views(), key=lambda view: view.name)
    for view in views:
        online.clear(store.config, view)
    store.materialize(BEGINNING, instant.replace(tzinfo=UTC))
    return {view.name: reconciled(store, view, instant) for view in views}


def reconciled(store: "FeatureStore", view: "FeatureView", instant: datetime) -> dict[str, int]:
    """Customers and rows of one view, after checking that none got lost on the way."""
    import duckdb

    query = "select count(distinct customer_id), count(*) from read_parquet(?) where event_timestamp <= ?"
    with duckdb.connect() as connection:
        found = connection.execute(query, [f"{view.batch_source.path}/*.parquet", instant]).fetchone()
    customers, rows = found or (0, 0)
    online = store.provider.online_store.count(store.config, view)
    if customers != online:
        raise TidemarkError(
            f"{view.name}: {customers} customers offline but {online} online; nothing was changed"
        )
    return {"customers": customers, "rows": rows}


@contextlib.contextmanager
def feast_speaking_to_nobody() -> Iterator[None]:
    """Standard output is for results; Feast prints there."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
