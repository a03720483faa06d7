"""Materialize: feature values as of one instant go from the build to the online store, all or nothing.

``churn build`` comes before; ``featurestore.online.read`` reads the values.
"""

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.common.errors import RegistryDamagedError, TidemarkError
from ml.common.instants import format_instant
from ml.common.paths import registry_file
from ml.common.progress import SILENT, Progress
from ml.featurestore.online.status import damage_as_error
from ml.home.build_manifest import checked_as_of
from ml.home.layout import Home

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView


# Called with the name of a view, the number of customers written, and of all to write.
OnProgress = Callable[[str, int, int], None]


def materialize(
    *,
    home: "str | os.PathLike[str] | Home | None" = None,
    as_of: datetime | None = None,
    full_refresh: bool = False,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Make the online store equal to the published build as of one instant.

    If the store has an earlier instant, or an earlier build that this one extends, only customers with
    changes are written. If it has the same build and instant already, everything is written again.

    Parameters
    ----------
    home : path or Home, optional
        The folder of all state (default ``CHURN_HOME``).
    as_of : datetime, optional
        The instant, naive UTC (default: the build's data clock).
    full_refresh : bool
        Write every customer, even if those with changes would do.
    progress : Progress, optional
        Messages and progress bars.

    Returns
    -------
    dict
        ``build_id``, ``as_of``, ``seconds``, ``views``: name -> ``customers`` online and the ``rows`` of
        their history; and ``written``: name -> number of customers written.

    Raises
    ------
    NotReadyError
        Nothing has been built yet.
    UsageError
        ``as_of`` is after the data clock.
    TidemarkError
        Customers offline and online differ; the store is unchanged.
    OnlineDamagedError
        The store's file is damaged.
    """
    home, started = Home.at(home), time.monotonic()
    home.current_build()
    written: dict[str, int] = {}

    def on_progress(view: str, done: int, total: int) -> None:
        written[view] = done
        bar.set_to(done, total, f"Writing {view}")

    with home.writing("materialize"), home.reading() as build, progress.bar("Loading Feast", 1) as bar:
        instant = checked_as_of(build, as_of)
        store = open_feast(home)
        views = write_online(store, build, instant, on_progress=on_progress, rewrites_all=full_refresh)
    return {
        "build_id": build.name,
        "as_of": format_instant(instant),
        "views": views,
        "written": {view: written.get(view, 0) for view in views},
        "seconds": round(time.monotonic() - started, 1),
    }


def open_feast(home: Home) -> "FeatureStore":
    """The feature store; a damaged registry is replaced, because all its content comes from a build."""
    from ml.featurestore.registry.store import read_registry
    from ml.featurestore.repository import open_store

    try:
        read_registry(registry_file(home.root))
    except RegistryDamagedError:
        registry_file(home.root).unlink()
    return open_store(home.root)


def write_online(
    store: "FeatureStore",
    build: Path,
    instant: datetime,
    finally_do: Callable[[], None] = lambda: None,
    on_progress: OnProgress = lambda view, done, total: None,
    rewrites_all: bool = False,
) -> dict[str, dict[str, int]]:
    """Register ``build``, write and check its values: all in one step, or nothing.

    The order matters: values are first written to a table aside, where a killed run can continue; then the
    registry is replaced, then ``finally_do`` is called, then readers see the values. An error in any step
    leaves store and registry unchanged.
    """
    from ml.featurestore.online.store import WholeRowOnlineStore

    online = store.provider.online_store
    if not isinstance(online, WholeRowOnlineStore):
        return fill_another_store(store, build, instant, finally_do, on_progress)
    engine = store.provider.batch_engine
    engine.is_exact, engine.rewrites_all = True, rewrites_all
    engine.on_progress = on_progress
    with damage_as_error(Path(store.config.online_store.path)), online.alone(store.config):
        with build_errors():
            engine.prepare(views_of(build), instant.replace(tzinfo=UTC))
        with in_one_step(store, finally_do):
            written = fill_online(store, build, instant)
        online.tidy(store.config)
    return written


def views_of(build: Path) -> list["FeatureView"]:
    """The feature views that a build will have."""
    from feast import FeatureView

    from ml.featurestore.catalog import read_catalog
    from ml.featurestore.feast_objects import feast_objects

    return [
        feast_object
        for feast_object in feast_objects(read_catalog(build)).values()
        if type(feast_object) is FeatureView
    ]


@contextlib.contextmanager
def in_one_step(store: "FeatureStore", finally_do: Callable[[], None]) -> Iterator[None]:
    """Changes of the registry and the online store become visible together at the end, or not at all."""
    from ml.featurestore.repository import registry_of

    registry = registry_of(store)
    with (
        build_errors(),
        silent_feast(),
        registry.restored_on_failure(),
        online_transaction(store),
    ):
        with registry.write_at_end():
            yield
        finally_do()


@contextlib.contextmanager
def build_errors() -> Iterator[None]:
    """Turn an error of DuckDB about a build into one with a remedy."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        problem = str(error).splitlines()[0]
        raise TidemarkError(f"the build cannot be read: {problem}; run 'churn build' again") from error


def online_transaction(store: "FeatureStore") -> contextlib.AbstractContextManager[Any]:
    """A transaction of the online store; Feast's own stores have none."""
    online = store.provider.online_store
    if hasattr(online, "transaction"):
        return online.transaction(store.config)
    return contextlib.nullcontext()


def fill_online(store: "FeatureStore", build: Path, instant: datetime) -> dict[str, dict[str, int]]:
    """Write the values of ``build``, and reconcile their counts."""
    from ml.featurestore.repository import BEGINNING, apply_definitions

    apply_definitions(store, build=build)
    store.materialize(BEGINNING, instant.replace(tzinfo=UTC))
    views = sorted(store.list_batch_feature_views(), key=lambda view: view.name)
    return {view.name: reconcile(store, view, instant) for view in views}


def fill_another_store(
    store: "FeatureStore",
    build: Path,
    instant: datetime,
    finally_do: Callable[[], None],
    on_progress: OnProgress,
) -> dict[str, dict[str, int]]:
    """Write the values to one of Feast's own stores, such as Redis: each customer is visible once written."""
    from ml.featurestore.repository import BEGINNING, apply_definitions

    with in_one_step(store, finally_do):
        apply_definitions(store, build=build)
        store.materialize(BEGINNING, instant.replace(tzinfo=UTC))
    feature_views = sorted(views_of(build), key=lambda view: view.name)
    views = {
        view.name: dict(zip(("customers", "rows"), count_offline(view, instant), strict=True))
        for view in feature_views
    }
    for view, counts in views.items():
        on_progress(view, counts["customers"], counts["customers"])
    return views


def count_offline(view: "FeatureView", instant: datetime) -> tuple[int, int]:
    """The numbers of customers and rows of one view up to an instant."""
    import duckdb

    from ml.common.sql import parquet
    from ml.featurestore.retrieval.history import files_in

    rows = parquet(files_in(view.batch_source.path))
    query = f"select count(distinct customer_id), count(*) from {rows} where event_timestamp <= ?"
    with duckdb.connect() as connection:
        counts = connection.execute(query, [instant]).fetchone()
    return counts or (0, 0)


def reconcile(store: "FeatureStore", view: "FeatureView", instant: datetime) -> dict[str, int]:
    """The numbers of customers and rows of one view, after a check that none was lost."""
    counts = store.provider.batch_engine.counts.pop(view.name, None)
    customers, rows = counts or count_offline(view, instant)
    online = store.provider.online_store.count(store.config, view)
    if customers != online:
        raise TidemarkError(
            f"{view.name}: {customers} customers offline but {online} online; nothing was changed"
        )
    return {"customers": customers, "rows": rows}


@contextlib.contextmanager
def silent_feast() -> Iterator[None]:
    """Suppress the output of Feast, because standard output is for results."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
