"""Folds in time: a candidate is fitted on earlier cut-offs and scores later ones, with the gap between.

The last fold fits on the whole training part and validates on the selection rows. Up to two earlier folds lie
within the training part: one validates on its last cut-offs, the other on those before them.
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

from ml.common.array_types import Floats
from ml.common.instants import format_instant
from ml.config.problem import Problem
from ml.features.training_parts import Part, Parts
from ml.model.fitted_model import raw_prediction
from ml.model.inputs import Input, make_frame
from ml.train.candidates import Candidate
from ml.train.fitting import Instants, PreparedRows, fit

EARLIER_FOLDS = 2  # each costs one more fit of every candidate
LEAST_SHARE = 0.25  # of the training cut-offs: a fold that would fit on fewer is left out


@dataclass(frozen=True)
class LabelledRows:
    """Labelled rows as a model reads them.

    Parameters
    ----------
    frame : DataFrame of shape (rows, inputs)
    labels : array of shape (rows,)
        0 or 1, or amounts.
    customers, at : arrays of shape (rows,)
        The customer and the cut-off of each row.
    """

    frame: pd.DataFrame
    labels: Floats
    customers: NDArray[Any]
    at: Instants

    @classmethod
    def of(cls, part: Part, inputs: Sequence[Input]) -> "LabelledRows":
        at = part.table.column("event_timestamp").to_numpy().astype("datetime64[us]")
        return cls(make_frame(part.table, inputs), part.labels, part.customers, at)

    def take(self, rows: NDArray[np.bool_]) -> "LabelledRows":
        frame = self.frame[rows].reset_index(drop=True)
        return LabelledRows(frame, self.labels[rows], self.customers[rows], self.at[rows])

    def append(self, later: "LabelledRows") -> "LabelledRows":
        frame = pd.concat([self.frame, later.frame], ignore_index=True)
        names = ("labels", "customers", "at")
        return LabelledRows(
            frame, *(np.concatenate([getattr(self, name), getattr(later, name)]) for name in names)
        )

    @property
    def classes(self) -> int:
        """The number of different labels."""
        return len(np.unique(self.labels))


@dataclass
class Fold:
    """Rows to fit on and later rows to validate on.

    The prepared rows stay in memory until ``clear_cache``, for the next candidate with the same preparation.
    """

    train: LabelledRows
    validation: LabelledRows
    gap: timedelta
    last: bool = False
    cache: dict[str, tuple[Any, NDArray[Any], NDArray[Any]]] = field(default_factory=dict, repr=False)

    def facts(self) -> dict[str, Any]:
        """Its cut-offs and rows, as ``model.json`` has them."""
        return {"learned": span_of(self.train), "asked": span_of(self.validation)}

    def prepare(self, candidate: Candidate) -> tuple[Any, NDArray[Any], NDArray[Any]]:
        """The preparation, fitted on the training rows, and the prepared training and validation rows."""
        if candidate.preparation not in self.cache:
            preparation = clone(candidate.pipeline.named_steps["prepare"])
            train = preparation.fit_transform(self.train.frame, labels_for(candidate, self.train.labels))
            validation = preparation.transform(self.validation.frame)
            self.cache[candidate.preparation] = (preparation, np.asarray(train), validation)
        return self.cache[candidate.preparation]

    def clear_cache(self) -> None:
        self.cache.clear()

    def trial(self, candidate: Candidate, *, stopping: bool = True) -> tuple[Pipeline, Floats]:
        """The fitted pipeline, and its raw probability, or its amount, of each validation row."""
        preparation, train, validation = self.prepare(candidate)
        pipeline = fit(candidate, preparation, self.prepared_rows(candidate, train), stopping=stopping)
        return pipeline, raw_prediction(pipeline.named_steps["model"], validation)

    def prepared_rows(self, candidate: Candidate, values: NDArray[Any]) -> PreparedRows:
        """The training rows with ``values`` as their prepared columns."""
        return PreparedRows(values, labels_for(candidate, self.train.labels), self.train.at, self.gap)


def span_of(rows: LabelledRows) -> dict[str, Any]:
    """Number of rows and cut-offs, and the first and the last cut-off."""
    cutoffs = np.unique(rows.at).astype(object)
    first, last = format_instant(cutoffs[0]), format_instant(cutoffs[-1])
    return {"rows": len(rows.labels), "cutoffs": len(cutoffs), "first": first, "last": last}


def make_folds(parts: Parts, inputs: Sequence[Input], problem: Problem) -> list[Fold]:
    """The folds from the earliest to the last; only the last where the training part is short."""
    train, selection = (LabelledRows.of(part, inputs) for part in (parts.train, parts.selection))
    earlier = list(earlier_folds(train, len(parts.split.validation), problem.gap))
    return [*earlier[::-1], Fold(train, selection, problem.gap, last=True)]


def earlier_folds(train: LabelledRows, most: int, gap: timedelta) -> Iterator[Fold]:
    """Folds within the training rows, the latest first; each fits on a quarter of the cut-offs at least.

    ``most`` is the greatest number of cut-offs that a fold validates on.
    """
    cutoffs = np.unique(train.at)
    width = max(1, min(most, len(cutoffs) // 4))  # so that two folds leave half of the cut-offs before them
    for number in range(1, EARLIER_FOLDS + 1):
        if len(cutoffs) < (number * width) + LEAST_SHARE * len(cutoffs):
            return
        begins = cutoffs[-number * width]
        ends = cutoffs[-(number - 1) * width] if number > 1 else None
        settled = train.at + np.timedelta64(gap) <= begins
        if len(np.unique(train.at[settled])) < max(1, LEAST_SHARE * len(cutoffs)):
            return
        validation = (train.at >= begins) & (True if ends is None else train.at < ends)
        fold = Fold(train.take(settled), train.take(validation), gap)
        if min(fold.train.classes, fold.validation.classes) > 1:
            yield fold


def labels_for(candidate: Candidate, labels: Floats) -> NDArray[Any]:
    """Labels as the candidate learns from them: whole numbers for a classifier."""
    return labels.astype(int) if hasattr(candidate.model, "predict_proba") else labels
