"""Tidemark's Python layer. What a command does is one function: ``from ml.train import train``.

Every such function takes ``home``, the folder that holds all state (default ``CHURN_HOME``), and returns
plain values. Importing the package loads nothing heavy; ``ml.training_set`` and ``ml.register`` load what
they need when they are called. Its packages, in the data's order:

common, config, home     what all use; ``problem.yml``; the folder of state
demos, mapping, ingest   exports mapped to raw tables, and raw tables in, each row accepted or rejected
warehouse                dbt makes features and labels; builds are published, rolled back, put online
featurestore             what Feast plugs in, and point-in-time retrieval
features                 labels, the split by time, the labelled dataset, the data dictionary
model, decision, metrics a model, what is done with its scores, how good they are
train, tracking          candidates to a champion, and its record in MLflow
explain, score           reasons, and scores with them
segments                 customers by behaviour, and those who changed
serve, predictions       scores over HTTP, and the log of those that left
evaluate, reports        the evidence on the test part, the model card
monitor, daily_run       scores recomputed, late facts; the day in one command
explore, audit, receipt  pages before training, proof on the data at hand, the rows behind one value
monitor                  past weeks judge the newest one: alarms with their causes
page, cli                parts of pages; the command line
"""

from importlib import import_module
from typing import Any

from ml.former_names import find_former_names

__version__ = "0.1.0"

# What a notebook calls by ``import ml``, and the module that is loaded when it does.
LAZY = {"training_set": "ml.train.training_set", "register": "ml.train.register"}


def __getattr__(name: str) -> Any:
    """Load a function only when it is used."""
    if name in LAZY:
        return getattr(import_module(LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


find_former_names()
