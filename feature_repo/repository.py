"""Feast for one home folder: the settings of ``feature_store.yaml``, with every path made absolute.

Run by hand, ``feast`` finds the home through ``CHURN_HOME``; Python callers name it, and two homes can be
open in one process.
"""

from pathlib import Path

import yaml
from feast import FeatureStore, RepoConfig

from feature_repo.catalog import read_catalog
from feature_repo.objects import BEGINNING, feast_objects
from feature_repo.paths import churn_home, feast_path, published_build

FOLDER = Path(__file__).parent


def repo_config(home: Path) -> RepoConfig:
    """The settings, for ``home``."""
    settings = yaml.safe_load((FOLDER / "feature_store.yaml").read_text())
    for part in ("registry", "online_store"):
        settings[part]["path"] = str(feast_path(settings[part]["path"], home))
    return RepoConfig(**settings, repo_path=FOLDER)


def open_store(home: Path | None = None) -> FeatureStore:
    """The feature store of ``home`` (default: ``CHURN_HOME``) as it was last applied."""
    return FeatureStore(config=repo_config((home or churn_home()).resolve()))


def apply_definitions(store: FeatureStore, home: Path | None = None) -> None:
    """Register the published build of ``home`` and forget what it no longer has, as ``feast apply`` does."""
    wanted = feast_objects(read_catalog(published_build(home)))
    names = set(wanted)
    gone = [view for view in store.list_batch_feature_views() if view.name not in names]
    store.apply(list(wanted.values()), objects_to_delete=gone, partial=False)


__all__ = ["BEGINNING", "apply_definitions", "open_store", "repo_config"]
