"""Materialize: feature values as of one instant go from the build to the online store, all or nothing.

Comes after ``churn build``; ``churn serve`` and ``feature_repo.online`` read what it writes.
"""

import contextlib
import io
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

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
    with home.writing("materialize"), progress.bar("Loading Feast", 3) as bar:
        build = home.current_build()
        instant = asked_instant(build, as_of)
        store = open_feast(home)
        bar.step("Writing feature values")
        views = write_online(store, home, instant)
        bar.step("Done", 2)
    return {
        "build_id": build.name,
        "as_of": format_instant(instant),
        "views": views,
        "seconds": round(time.monotonic() - started, 1),
    }


def open_feast(home: Home) -> "FeatureStore":
    from feature_repo.repository import open_store

    return open_store(home.root)


def write_online(store: "FeatureStore", home: Home, instant: datetime) -> dict[str, dict[str, int]]:
    """Register the build, empty the store, fill and check it, in one transaction."""
    import duckdb

    from feature_repo.registry_store import RegistryChangedError
    from feature_repo.repository import BEGINNING, apply_definitions

    online = store.provider.online_store
    try:
        with feast_speaking_to_nobody(), online.transaction(store.config):
            apply_definitions(store, home.root)
            views = sorted(store.list_batch_feature_views(), key=lambda view: view.name)
            for view in views:
                online.clear(store.config, view)
            store.materialize(BEGINNING, instant.replace(tzinfo=UTC))
            return {view.name: reconciled(store, view, instant) for view in views}
    except RegistryChangedError as error:
        raise BusyError(str(error)) from error
    except duckdb.Error as error:
        problem = str(error).splitlines()[0]
        raise TidemarkError(f"the build cannot be read: {problem}; run 'churn build' again") from error


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
