"""Module names of the release before: they lead to where the module is now, for one release, with a warning.

``feature_store.yaml`` files, MLflow's recorded models and notebooks name them.
"""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

FORMER = {
    "feature_repo.compute_engine": "ml.featurestore.online.compute_engine",
    "feature_repo.offline_store": "ml.featurestore.offline.store",
    "feature_repo.online_store": "ml.featurestore.online.store",
    "feature_repo.registry_store": "ml.featurestore.registry.store",
    "feature_repo.retrieval": "ml.featurestore.retrieval.retrieve",
    "ml.build": "ml.warehouse",
    "ml.builds": "ml.warehouse.list_builds",
    "ml.common.feature_errors": "ml.common.errors",
    "ml.dataset": "ml.features.dataset",
    "ml.doctor": "ml.warehouse.doctor",
    "ml.errors": "ml.common.errors",
    "ml.features.dictionary": "ml.features.data_dictionary",
    "ml.materialize": "ml.warehouse.materialize",
    "ml.problem": "ml.config.problem",
    "ml.record.flavor": "ml.tracking.flavor",
    "ml.report": "ml.reports",
    "ml.rollback": "ml.warehouse.rollback",
    "ml.warehouse.builds": "ml.warehouse.list_builds",
}


class FormerNames(MetaPathFinder, Loader):
    """Finds a module by its former name."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of the module that bears the name now; None for any other name."""
        return ModuleSpec(name, self) if name in FORMER else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module itself, so that both names are one object."""
        warnings.warn(f"{spec.name} is now {FORMER[spec.name]}", DeprecationWarning, stacklevel=2)
        module = import_module(FORMER[spec.name])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back, which the import has replaced; it is loaded already."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def find_former_names() -> None:
    """From now on former names are found, after all others; once."""
    if not any(isinstance(finder, FormerNames) for finder in sys.meta_path):
        sys.meta_path.append(FormerNames())
