"""Materialize: feature values as of one instant go from the build to the online store, all or nothing.

Comes after ``churn build``; ``churn serve`` and ``read`` read what it writes.
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
from ml.featurestore.online.status import damage_told
from ml.home.build_manifest import asked_instant
from ml.home.layout import Home

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView


COUNTED = ("customers", "rows")
# Called with a view's name, the customers written of it so far, and how many there are to write.
Told = Callable[[str, int, int], None]


def materialize(
    *,
    home: "str | os.PathLike[str] | Home | None" = None,
    as_of: datetime | None = None,
    full_refresh: bool = False,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Make the online store exactly what the published build says at one instant.

    Where the store holds an earlier instant, or a build that this one was added to, only customers with
    something new are written. Everything is written anew where it holds the very same already.

    Parameters
    ----------
    home : path or Home, optional
        The folder of all state (default ``CHURN_HOME``).
    as_of : datetime, optional
        The instant, naive UTC (default: the build's data clock).
    full_refresh : bool
        Write every customer, even where those with something new would do.
    progress : Progress, optional
        How to speak.

    Returns
    -------
    dict
        ``build_id``, ``as_of``, ``seconds``, ``views``: name -> ``customers`` online and ``rows`` of
        history they were taken from; and ``written``: name -> customers of them that had to be written.

    Raises
    ------
    NotReadyError
        Nothing has been built yet.
    UsageError
        ``as_of`` is after the data clock.
    TidemarkError
        Customers offline and online differ; the store is left as it was.
    OnlineDamagedError
        The store's file is not the database it was.
    """
    home, started = Home.at(home), time.monotonic()
    home.current_build()
    written: dict[str, int] = {}

    def told(view: str, done: int, total: int) -> None:
        written[view] = done
        bar.set_to(done, total, f"Writing {view}")

    with home.writing("materialize"), home.reading() as build, progress.bar("Loading Feast", 1) as bar:
        instant = asked_instant(build, as_of)
        store = open_feast(home)
        views = write_online(store, build, instant, told=told, anew=full_refresh)
    return {
        "build_id": build.name,
        "as_of": format_instant(instant),
        "views": views,
        "written": {view: written.get(view, 0) for view in views},
        "seconds": round(time.monotonic() - started, 1),
    }


def open_feast(home: Home) -> "FeatureStore":
    """The feature store; a registry that is damaged is made anew, for all it holds comes from a build."""
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
    told: Told = lambda view, done, total: None,
    anew: bool = False,
) -> dict[str, dict[str, int]]:
    """Register ``build``, fill and check the store: all in one step, or nothing.

    Values are written first, unseen, in a table aside that a killed run need not begin again; then the
    registry is replaced, then ``finally_do`` is called, then the values are seen. An error in any of these
    leaves store and registry as they were.
    """
    from ml.featurestore.online.store import WholeRowOnlineStore

    online = store.provider.online_store
    if not isinstance(online, WholeRowOnlineStore):
        return fill_another_store(store, build, instant, finally_do, told)
    engine = store.provider.batch_engine
    engine.exactly, engine.anew = True, anew
    engine.told = told
    with damage_told(Path(store.config.online_store.path)), online.alone(store.config):
        with problems_told():
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

    return [each for each in feast_objects(read_catalog(build)).values() if type(each) is FeatureView]


@contextlib.contextmanager
def in_one_step(store: "FeatureStore", finally_do: Callable[[], None]) -> Iterator[None]:
    """Whatever is done with the registry and the online store is seen at the end, together, or not at all."""
    from ml.featurestore.repository import registry_of

    registry = registry_of(store)
    with (
        problems_told(),
        feast_speaking_to_nobody(),
        registry.taken_back_on_failure(),
        changes_of(store),
    ):
        with registry.held_back():
            yield
        finally_do()


@contextlib.contextmanager
def problems_told() -> Iterator[None]:
    """A build that DuckDB cannot read, in the words of this side."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        problem = str(error).splitlines()[0]
        raise TidemarkError(f"the build cannot be read: {problem}; run 'churn build' again") from error


def changes_of(store: "FeatureStore") -> contextlib.AbstractContextManager[Any]:
    """A transaction of the online store; another store than ours has none."""
    online = store.provider.online_store
    if hasattr(online, "transaction"):
        return online.transaction(store.config)
    return contextlib.nullcontext()


def fill_online(store: "FeatureStore", build: Path, instant: datetime) -> dict[str, dict[str, int]]:
    """Fill the store from ``build``, and count what came."""
    from ml.featurestore.repository import BEGINNING, apply_definitions

    apply_definitions(store, build=build)
    store.materialize(BEGINNING, instant.replace(tzinfo=UTC))
    views = sorted(store.list_batch_feature_views(), key=lambda view: view.name)
    return {view.name: reconciled(store, view, instant) for view in views}


def fill_another_store(
    store: "FeatureStore", build: Path, instant: datetime, finally_do: Callable[[], None], told: Told
) -> dict[str, dict[str, int]]:
    """Fill a store of Feast's such as Redis: customer by customer, seen as they come."""
    from ml.featurestore.repository import BEGINNING, apply_definitions

    with in_one_step(store, finally_do):
        apply_definitions(store, build=build)
        store.materialize(BEGINNING, instant.replace(tzinfo=UTC))
    views = sorted(views_of(build), key=lambda view: view.name)
    found = {view.name: dict(zip(COUNTED, counted(view, instant), strict=True)) for view in views}
    for view, counts in found.items():
        told(view, counts["customers"], counts["customers"])
    return found


def counted(view: "FeatureView", instant: datetime) -> tuple[int, int]:
    """Customers and rows of one view up to an instant."""
    import duckdb

    from ml.common.sql import parquet
    from ml.featurestore.retrieval.history import files_in

    rows = parquet(files_in(view.batch_source.path))
    query = f"select count(distinct customer_id), count(*) from {rows} where event_timestamp <= ?"
    with duckdb.connect() as connection:
        found = connection.execute(query, [instant]).fetchone()
    return found or (0, 0)


def reconciled(store: "FeatureStore", view: "FeatureView", instant: datetime) -> dict[str, int]:
    """Customers and rows of one view, after checking that none got lost on the way."""
    known = store.provider.batch_engine.counted.pop(view.name, None)
    customers, rows = known or counted(view, instant)
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
