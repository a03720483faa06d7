"""What the candidates of one task are made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml.config.problem import Problem
from ml.model.inputs import Input


@dataclass(frozen=True)
class Recipes:
    """The candidates of one task.

    Parameters
    ----------
    models : mapping
        Name to its preparation and to its estimator for a number of rows, the simplest first: of candidates
        that are equally good the first becomes champion.
    preparations : mapping
        Name of a preparation to its transformer.
    baselines : tuple of str
        Candidates that always compete; the last is the one that others are compared with.
    impossible : callable
        From the inputs to the candidates that lack theirs.
    """

    models: Mapping[str, tuple[str, Callable[[Problem, int], Any]]]
    preparations: Mapping[str, Callable[[Sequence[Input], Problem], Any]]
    baselines: tuple[str, ...]
    impossible: Callable[[Sequence[Input]], set[str]]
