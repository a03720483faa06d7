"""Paths: the home folder, the published build in it, and the files of the stores.

All state lives under one folder, ``CHURN_HOME`` (default ``var/`` in the project). The project is what a user
may edit: dbt models, Feast repository, problem and actions. See docs/adr/0014-where-the-project-is.md.
"""

import os
from pathlib import Path
from typing import Any

import yaml

CODE = Path(__file__).resolve().parents[2]
PACKAGED = CODE / "ml" / "project"  # in a wheel; a checkout has the files themselves
PROJECT_FILES = ("dbt_project/dbt_project.yml", "feature_repo/feature_store.yaml", "problem.yml")


def project_root(working: Path | None = None) -> Path:
    """``CHURN_PROJECT``, the working folder or one above it, the checkout, or the wheel's copy."""
    if project := os.environ.get("CHURN_PROJECT"):
        return Path(project).expanduser().resolve()
    try:
        working = (working or Path.cwd()).resolve()
    except FileNotFoundError:
        return shipped_project()
    return next((folder for folder in (working, *working.parents) if is_project(folder)), shipped_project())


def shipped_project() -> Path:
    """The project shipped with the code."""
    return CODE if is_project(CODE) else PACKAGED


def is_project(folder: Path) -> bool:
    """Whether a folder has the files that ``churn init`` writes."""
    return all((folder / name).is_file() for name in PROJECT_FILES)


def project_of_home(home: Path) -> Path | None:
    """The project that a home holds for itself, where it does: that of a demo with raw tables of its own."""
    folder = home.expanduser().resolve() / HOME_PROJECT
    return folder if is_project(folder) else None


HOME_PROJECT = "project"
BASE = project_root()


def churn_home() -> Path:
    """The folder that holds all state."""
    base = Path.cwd() if BASE == PACKAGED else BASE
    return Path(os.environ.get("CHURN_HOME") or base / "var").expanduser().resolve()


ROOT = (None if os.environ.get("CHURN_PROJECT") else project_of_home(churn_home())) or BASE
SETTINGS = ROOT / "feature_repo" / "feature_store.yaml"


def published_build(home: Path | None = None) -> Path:
    """The folder of the build that readers see; it may not exist yet.

    The link is resolved once, so that the caller reads one whole build even if a newer one is published.
    """
    return ((home or churn_home()) / "builds" / "current").resolve()


def online_file(home: Path | None = None) -> Path:
    """The file of the online store; it may not exist yet, and never does where another store is set."""
    return feast_path(settings()["online_store"].get("path", "online_store.db"), home)


def is_own_plugin(class_path: str | None) -> bool:
    """Whether settings name a class of this project, by its present or former path."""
    return str(class_path).startswith(("ml.featurestore.", "feature_repo."))


def registry_file(home: Path | None = None) -> Path:
    """The file of the registry; it may not exist yet."""
    return feast_path(settings()["registry"]["path"], home)


def settings() -> dict[str, Any]:
    """The content of ``feature_store.yaml``."""
    content: dict[str, Any] = yaml.safe_load(SETTINGS.read_text())
    return content


def feast_path(name: str, home: Path | None = None) -> Path:
    """The path of one of Feast's files: ``name`` itself if absolute, else in ``<home>/feast``."""
    return (home or churn_home()) / "feast" / name


def store_path(name: str, repo_path: str | os.PathLike[str] | None) -> Path:
    """The path of a file in settings: in the home for this repository, beside the settings for another."""
    if repo_path is None or Path(repo_path).resolve() == SETTINGS.parent:
        return feast_path(name)
    return Path(repo_path, name)
