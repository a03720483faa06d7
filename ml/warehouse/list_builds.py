"""Builds: when each was published, its load and model, and the as-of instant of its online values."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from ml.common.instants import format_instant
from ml.config.problem import CHURN
from ml.featurestore.online.status import online_builds
from ml.home.build_manifest import manifest_of
from ml.home.layout import Home, model_of, problems_with_model


def builds(*, home: "str | os.PathLike[str] | Home | None" = None) -> dict[str, Any]:
    """List every build on disk, the newest first.

    Returns
    -------
    dict
        ``builds``: for each ``build_id``, ``current`` (bool), ``published_at``, ``replaces``, ``data_clock``,
        ``load_id``, ``kind`` (full or incremental), ``rows`` (of all features, of labels), ``customers``,
        ``tests_passed``, ``seconds``, ``models`` (champion of each problem, by its name), ``model_version``
        (the first of them) and ``online_as_of`` (the instant of its values in the online store). A missing
        value is None.
    """
    home = Home.at(home)
    current, online = (home.builds / "current").resolve(), online_builds(home.root)
    return {
        "builds": [
            build_entry(build, build == current, online.get(build.name)) for build in home.published_builds()
        ]
    }


def build_entry(build: Path, current: bool, online: datetime | None) -> dict[str, Any]:
    """One build of the list."""
    manifest = manifest_of(build)
    rows = manifest.get("rows") or {}
    models = models_by_problem(build)
    return {
        "build_id": build.name,
        "current": current,
        "published_at": manifest.get("published_at"),
        "replaces": manifest.get("replaces"),
        "data_clock": manifest.get("data_clock"),
        "load_id": manifest.get("load_id"),
        "kind": manifest.get("kind"),
        "rows": {"features": feature_rows(build, rows), "labels": rows.get(CHURN)},
        "customers": rows.get("int_customers"),
        "tests_passed": (manifest.get("tests") or {}).get("passed"),
        "seconds": manifest.get("seconds"),
        "model_version": next(iter(models.values()), None),
        "models": models,
        "online_as_of": format_instant(online) if online else None,
    }


def feature_rows(build: Path, rows: dict[str, int]) -> int | None:
    """The rows of all feature tables together, by the manifest."""
    counts = [rows[table.name] for table in build.glob("features/*") if table.name in rows]
    return sum(counts) if counts else None


def models_by_problem(build: Path) -> dict[str, str]:
    """The champion of each problem that has one in ``build``, that of ``problem.yml`` first."""
    return {problem: model_of(build, problem).name for problem in problems_with_model(build)}
