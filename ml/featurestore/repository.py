"""Feast for one home folder: the settings of ``feature_store.yaml``, with every path made absolute.

Run by hand, ``feast`` finds the home through ``CHURN_HOME``; Python callers name it, and two homes can be
open in one process.
"""

from pathlib import Path

from feast import FeatureStore, RepoConfig

from ml.common.paths import (
    SETTINGS,
    churn_home,
    is_own_plugin,
    online_file,
    published_build,
    registry_file,
    settings,
)
from ml.featurestore.catalog import read_catalog
from ml.featurestore.feast_objects import BEGINNING, feast_objects
from ml.featurestore.registry.store import WholeFileRegistryStore


def repo_config(home: Path) -> RepoConfig:
    """The settings, for ``home``."""
    stated = settings()
    stated["registry"]["path"] = str(registry_file(home))
    if is_own_plugin(stated["online_store"]["type"]):
        stated["online_store"]["path"] = str(online_file(home))
    return RepoConfig(**stated, repo_path=SETTINGS.parent)


def open_store(home: Path | None = None) -> FeatureStore:
    """The feature store of ``home`` (default: ``CHURN_HOME``) as it was last applied."""
    return FeatureStore(config=repo_config((home or churn_home()).resolve()))


def apply_definitions(store: FeatureStore, home: Path | None = None, build: Path | None = None) -> None:
    """Register a build and forget what it no longer has, as ``feast apply`` does.

    Parameters
    ----------
    store : FeatureStore
    home : Path, optional
        The home whose published build it is (default: ``CHURN_HOME``).
    build : Path, optional
        That build's folder instead.
    """
    wanted = feast_objects(read_catalog(build or published_build(home)))
    names = set(wanted)
    gone = [view for view in store.list_batch_feature_views() if view.name not in names]
    store.apply(list(wanted.values()), objects_to_delete=gone, partial=False)


def registry_of(store: FeatureStore) -> WholeFileRegistryStore:
    """The file that ``store`` keeps its objects in."""
    return store.registry._registry_store


__all__ = ["BEGINNING", "apply_definitions", "open_store", "registry_of", "repo_config"]
