"""Repeated trials in time: learn from earlier cut-offs, be asked about later ones, with the gap between.

The last fold learns from the whole training part and is asked about the selection rows. Up to two earlier
ones lie within the training part; its last cut-offs are asked about, then those before them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ml.common.arrays import Floats
from ml.common.instants import format_instant
from ml.config.problem import Problem
from ml.features.parts import Part, Parts
from ml.model.inputs import Input, make_frame
from ml.train.candidates import Candidate
from ml.train.fitting import Instants, Rows, fit

EARLIER_FOLDS = 2
LEAST_SHARE = 0.25


@dataclass(frozen=True)
class Asked:
    """Labelled rows as a model reads them.

    Parameters
    ----------
    frame : DataFrame of shape (rows, inputs)
    churned : array of shape (rows,)
    customers, at : arrays of shape (rows,)
        Whose row it is, and its cut-off.
    """

    frame: pd.DataFrame
    churned: Floats
    customers: NDArray[Any]
    at: Instants

    @classmethod
    def of(cls, part: Part, inputs: Sequence[Input]) -> "Asked":
        at = part.table.column("event_timestamp").to_numpy().astype("datetime64[us]")
        return cls(make_frame(part.table, inputs), part.churned, part.customers, at)

    def take(self, rows: NDArray[np.bool_]) -> "Asked":
        chosen = self.frame[rows].reset_index(drop=True)
        return Asked(chosen, self.churned[rows], self.customers[rows], self.at[rows])

    def and_then(self, later: "Asked") -> "Asked":
        """These rows, then those."""
        frame = pd.concat([self.frame, later.frame], ignore_index=True)
        names = ("churned", "customers", "at")
        return Asked(frame, *(np.concatenate([getattr(self, name), getattr(later, name)]) for name in names))

    @property
    def classes(self) -> int:
        return len(np.unique(self.churned))


@dataclass
class Fold:
    """Rows to learn from and later rows to be asked about.

    What a preparation makes of them is kept until ``forget``, for the next candidate that shares it.
    """

    learn: Asked
    ask: Asked
    gap: timedelta
    last: bool = False
    kept: dict[str, tuple[Any, NDArray[Any], NDArray[Any]]] = field(default_factory=dict, repr=False)

    def facts(self) -> dict[str, Any]:
        """Its cut-offs and rows, for the record."""
        return {name: span_of(rows) for name, rows in (("learned", self.learn), ("asked", self.ask))}

    def prepared(self, candidate: Candidate) -> tuple[Any, NDArray[Any], NDArray[Any]]:
        """The preparation, fitted on the rows to learn from, those rows, and the others."""
        if candidate.preparation not in self.kept:
            step = clone(candidate.pipeline.named_steps["prepare"])
            values = step.fit_transform(self.learn.frame, self.learn.churned.astype(int))
            self.kept[candidate.preparation] = (step, np.asarray(values), step.transform(self.ask.frame))
        return self.kept[candidate.preparation]

    def forget(self) -> None:
        """Let the prepared rows go."""
        self.kept.clear()

    def trial(self, candidate: Candidate, *, stopping: bool = True) -> tuple[Pipeline, Floats]:
        """The fitted pipeline, and its raw probability of each row it is asked about."""
        step, values, asked = self.prepared(candidate)
        rows = Rows(values, self.learn.churned.astype(int), self.learn.at, self.gap)
        pipeline = fit(candidate, step, rows, stopping=stopping)
        return pipeline, pipeline.named_steps["model"].predict_proba(asked)[:, 1].astype(np.float64)


def span_of(rows: Asked) -> dict[str, Any]:
    """How many rows and cut-offs, from when to when."""
    cutoffs = np.unique(rows.at).astype(object)
    first, last = format_instant(cutoffs[0]), format_instant(cutoffs[-1])
    return {"rows": len(rows.churned), "cutoffs": len(cutoffs), "first": first, "last": last}


def make_folds(parts: Parts, inputs: Sequence[Input], problem: Problem) -> list[Fold]:
    """The folds from the earliest to the last; only the last where the training part is short."""
    train = Asked.of(parts.train, inputs)
    gap = problem.gap
    earlier = list(earlier_folds(train, len(parts.split.validation), gap))
    return [*earlier[::-1], Fold(train, Asked.of(parts.selection, inputs), gap, last=True)]


def earlier_folds(train: Asked, most: int, gap: timedelta) -> Iterator[Fold]:
    """Folds within the training rows, the latest first, each with a quarter of the cut-offs to learn from."""
    cutoffs = np.unique(train.at)
    width = max(1, min(most, len(cutoffs) // 4))
    for number in range(1, EARLIER_FOLDS + 1):
        if len(cutoffs) < (number * width) + LEAST_SHARE * len(cutoffs):
            return
        begins = cutoffs[-number * width]
        ends = cutoffs[-(number - 1) * width] if number > 1 else None
        settled = train.at + np.timedelta64(gap) <= begins
        known = len(np.unique(train.at[settled]))
        if known < max(1, LEAST_SHARE * len(cutoffs)):
            return
        asked = (train.at >= begins) & (True if ends is None else train.at < ends)
        fold = Fold(train.take(settled), train.take(asked), gap)
        if fold.learn.classes == fold.ask.classes == 2:
            yield fold
