"""Where things are: the home folder, the published build inside it, the stores beside it.

Everything lives under one folder, ``CHURN_HOME`` (default ``var/`` at the root of the repository).
"""

import os
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / "feature_repo" / "feature_store.yaml"


def churn_home() -> Path:
    """The folder that holds all state."""
    return Path(os.environ.get("CHURN_HOME") or ROOT / "var").expanduser().resolve()


def published_build(home: Path | None = None) -> Path:
    """The folder of the build that readers see; it may not exist yet.

    The link is followed once, so that whoever asked keeps reading one whole build
    while a newer one is published.
    """
    return ((home or churn_home()) / "builds" / "current").resolve()


def online_file(home: Path | None = None) -> Path:
    """The file of the online store; it may not exist yet, and never does where another store is set."""
    return feast_path(settings()["online_store"].get("path", "online_store.db"), home)


def is_own_online_store(stated: dict[str, Any]) -> bool:
    """Whether the settings name this repository's online store, and not one of Feast's such as Redis."""
    return str(stated["online_store"]["type"]).startswith(("ml.featurestore.", "feature_repo."))


def registry_file(home: Path | None = None) -> Path:
    """The file of the registry; it may not exist yet."""
    return feast_path(settings()["registry"]["path"], home)


def settings() -> dict[str, Any]:
    """What ``feature_store.yaml`` says."""
    said: dict[str, Any] = yaml.safe_load(SETTINGS.read_text())
    return said


def feast_path(name: str, home: Path | None = None) -> Path:
    """Where one of Feast's own files is: ``name`` itself if absolute, else in ``<home>/feast``."""
    return (home or churn_home()) / "feast" / name


def store_path(name: str, repo_path: str | os.PathLike[str] | None) -> Path:
    """Where a file named in settings is: of this repository in the home, of another beside its settings."""
    if repo_path is None or Path(repo_path).resolve() == SETTINGS.parent:
        return feast_path(name)
    return Path(repo_path, name)
