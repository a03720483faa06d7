"""Importing Feast in a third of the time: without the run-time check of its arguments.

Feast decorates its classes with typeguard's ``typechecked``, which reads, rewrites and compiles the source of
each method while it is imported: 2.6 of 3.7 seconds (``python -m benchmarks.startup``). ``python -O`` leaves
the check out; here it is left out for the import of ``feast`` alone, and typeguard is as it was afterwards.
Nothing else of Feast changes. When ``feast`` was imported before, as by its own command, nothing is done.
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
    """Finds ``feast`` where it is, and has it loaded without checks; steps aside once it was found."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module, if it is the one; all others are left to Python."""
        if name != "feast":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_unchecked(module: ModuleType) -> None:
                with unchecked():
                    load(module)

            spec.loader.exec_module = load_unchecked  # type: ignore[method-assign]
        return spec


@contextmanager
def unchecked() -> Iterator[None]:
    """While it holds, ``typechecked`` returns what it is given, as it does under ``python -O``."""
    import typeguard

    checked = typeguard.typechecked
    typeguard.typechecked = untouched
    try:
        yield
    finally:
        typeguard.typechecked = checked


def untouched(target: Any = None, **options: Any) -> Any:
    """What was given; called with options only, a decorator that gives back what it is given."""
    return target if target is not None else untouched


def leave_checks_out() -> None:
    """From now on, import Feast so; once."""
    if "feast" not in sys.modules and not any(isinstance(one, FeastUnchecked) for one in sys.meta_path):
        sys.meta_path.insert(0, FeastUnchecked())
