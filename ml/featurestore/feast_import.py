"""Importing Feast in a third of the time: without the run-time check of its arguments.

Feast decorates its classes with typeguard's ``typechecked``, which reads, rewrites and compiles the source of
each method while it is imported: 2.6 of 3.7 seconds (``python -m benchmarks.startup``). ``python -O`` leaves
the check out; here it is left out for the import of ``feast`` alone, and typeguard is restored afterwards.
Nothing else in Feast changes. If ``feast`` was imported before, as by its own command, nothing is done.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class FeastUnchecked(MetaPathFinder):
    """Finds ``feast`` once, and loads it without checks."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of ``feast``; None for any other module."""
        if name != "feast":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_unchecked(module: ModuleType) -> None:
                with without_type_checks():
                    load(module)

            spec.loader.exec_module = load_unchecked  # type: ignore[method-assign]
        return spec


@contextmanager
def without_type_checks() -> Iterator[None]:
    """Let ``typechecked`` return its argument unchanged, as it does under ``python -O``."""
    import typeguard

    typechecked = typeguard.typechecked
    typeguard.typechecked = undecorated
    try:
        yield
    finally:
        typeguard.typechecked = typechecked


def undecorated(target: Any = None, **options: Any) -> Any:
    """The target unchanged; with options only, this decorator itself."""
    return target if target is not None else undecorated


def skip_type_checks() -> None:
    """Install the finder, unless it is installed or ``feast`` is imported already."""
    if "feast" not in sys.modules and not any(isinstance(finder, FeastUnchecked) for finder in sys.meta_path):
        sys.meta_path.insert(0, FeastUnchecked())
