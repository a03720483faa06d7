"""Tidemark's Python layer: what a command does, as one function each.

Every public function takes a ``home`` (the folder that holds all state) and returns plain values.
Nothing heavy is imported before a function is first asked for.
"""

from importlib import import_module

__version__ = "0.1.0"

_FUNCTIONS = {
    "ingest": "ml.ingest",
    "build": "ml.build",
    "features": "ml.features",
    "dataset": "ml.dataset",
    "train": "ml.train",
    "evaluate": "ml.evaluate",
    "materialize": "ml.materialize",
    "score": "ml.score",
    "doctor": "ml.doctor",
}


def __getattr__(name: str) -> object:
    if name not in _FUNCTIONS:
        raise AttributeError(f"module 'ml' has no attribute {name!r}")
    return getattr(import_module(_FUNCTIONS[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_FUNCTIONS])
