"""Rollback: an earlier build becomes the current one again, with its model and its online values.

The order matters: online values are first written aside; then link, registry and values change together, and
tracking follows. The raw data is unchanged.
"""

import json
import os
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.common.errors import BuildError, NotReadyError, UsageError
from ml.common.instants import format_instant
from ml.common.paths import registry_file
from ml.common.progress import SILENT, Progress
from ml.featurestore.catalog import read_catalog
from ml.featurestore.online.status import online_builds
from ml.home.build_manifest import data_clock, manifest_of, read_build_manifest
from ml.home.layout import Home, model_of
from ml.home.publication import publish
from ml.model.same_features import changed_inputs
from ml.tracking.server import is_tracked
from ml.warehouse.list_builds import models_by_problem
from ml.warehouse.materialize import in_one_step, open_feast, write_online

if TYPE_CHECKING:
    from feast import FeatureStore


def rollback(
    build: str | None = None,
    *,
    home: "str | os.PathLike[str] | Home | None" = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Make an earlier build the current one again.

    Parameters
    ----------
    build : str, optional
        Its name; by default the one that the current build replaced.
    home : path or Home, optional
    progress : Progress, optional

    Returns
    -------
    dict
        ``build_id``, ``before`` (the build that was current), ``data_clock``, ``model_version`` and
        ``model_fits`` (None without a model), ``online`` (``as_of`` and ``views``; None if nothing was
        online), ``notes`` (on what does not fit), ``seconds``.

    Raises
    ------
    NotReadyError
        Nothing has been built yet, or there is no earlier build.
    UsageError
        There is no such build.
    BuildError, FeatureError
        The build is damaged; nothing was changed.
    """
    home, started = Home.at(home), time.monotonic()
    home.current_build()
    with home.writing("rollback"), progress.bar("Reading the build", 3) as bar:
        before = home.current_build()
        target = named_build(home, build) if build else earlier_build(home, before)
        result = describe_target(home, target)
        bar.step("Putting back")
        try:
            result["online"] = restore(home, target, partial(publish, target))
        except BaseException:
            if home.current_build() != before:
                publish(before)
            raise
        update_tracking(home, progress)
        bar.step("Done", 2)
    return result | {"before": before.name, "seconds": round(time.monotonic() - started, 1)}


def update_tracking(home: Home, progress: Progress) -> None:
    """Point the aliases in MLflow at the models of the restored build."""
    if is_tracked(home):
        from ml.tracking.runs import track_models

        track_models(home, progress=progress)


def named_build(home: Home, name: str) -> Path:
    """The build of that name on disk."""
    builds = {build.name: build for build in home.published_builds()}
    if name not in builds:
        raise UsageError(f"there is no build {name}: give one of {', '.join(builds)}")
    return builds[name]


def earlier_build(home: Home, current: Path) -> Path:
    """The build that the current one replaced, or its newest ancestor on disk.

    If values of a later build than the current one are online, the last rollback was killed before it
    switched the online values: the target is then the current build itself.
    """
    builds, manifest = home.published_builds(), manifest_of(current)
    if any(name > current.name for name in online_builds(home.root)):
        return current
    older = [build.name for build in builds if build.name < current.name]
    for name in [manifest.get("replaces"), *manifest.get("lineage", older)]:
        if name in older:
            return home.builds / name
    raise NotReadyError(f"no build before {current.name} is kept: there is nothing to go back to")


def describe_target(home: Home, target: Path) -> dict[str, Any]:
    """The part of the result that describes the target; it is read before anything changes."""
    load, clock = origin(target)
    fits, notes = model_fit(target, read_catalog(target).facts())
    if (home.raw / "current").exists() and home.current_load().name != load:
        present = home.current_load().name
        notes.append(f"raw data stays {present}, not {load}: the next 'churn build' builds {present} again")
    return {
        "build_id": target.name,
        "data_clock": format_instant(clock),
        "model_version": next(iter(models_by_problem(target).values()), None),
        "model_fits": fits,
        "notes": notes,
    }


def origin(target: Path) -> tuple[str, datetime]:
    """The load and the data clock of a build."""
    try:
        return read_build_manifest(target)["load_id"], data_clock(target)
    except (OSError, ValueError, KeyError, AttributeError, NotReadyError) as error:
        raise BuildError(
            f"{target.name} is damaged, its build.json cannot be read: give another build, "
            "'churn builds' lists them"
        ) from error


def model_fit(target: Path, features: dict[str, Any]) -> tuple[bool | None, list[str]]:
    """Whether the models of a build were trained on its features, and notes if not."""
    models = models_by_problem(target)
    if not models:
        return None, [f"no model goes with {target.name}: run 'churn train'"]
    notes = [note for problem in models if (note := misfit(target, model_of(target, problem), features))]
    return not notes, notes


def misfit(target: Path, model: Path, features: dict[str, Any]) -> str | None:
    """Why a model cannot score the features of a build; None where it can."""
    try:
        trained_on = json.loads((model / "model.json").read_text(encoding="utf-8"))
        changed = changed_inputs(trained_on, features)
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return f"{model.name} is damaged: run 'churn train' again"
    if changed:
        return f"{model.name} was trained on other features than {target.name} has: run 'churn train'"
    return None


def restore(home: Home, target: Path, switch: Callable[[], None]) -> dict[str, Any] | None:
    """Switch readers to the target, and with them Feast's registry and online values, if there are any."""
    if online_builds(home.root):
        store = open_feast(home)
        instant = instant_of(store, target)
        views = write_online(store, target, instant, finally_do=switch)
        return {"as_of": format_instant(instant), "views": views}
    if registry_file(home.root).exists():
        register(open_feast(home), target, switch)
    else:
        switch()
    return None


def instant_of(store: "FeatureStore", target: Path) -> datetime:
    """The instant of the build's last online values; its data clock if it had none, or its views disagree."""
    sources = [str(view.path) for view in read_catalog(target).views]
    instants = {store.provider.online_store.remembered(store.config, source) for source in sources}
    instant = instants.pop()
    return instant if instant and not instants else data_clock(target)


def register(store: "FeatureStore", target: Path, switch: Callable[[], None]) -> None:
    """Register a build without online values."""
    from ml.featurestore.repository import apply_definitions

    with in_one_step(store, switch):
        apply_definitions(store, build=target)
