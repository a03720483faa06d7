"""The labelled rows as a training set for the user's own estimators: features, labels, groups and parts.

The rows and parts are those of ``churn dataset``; the features are those that ``churn train`` may use.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml.common.errors import UsageError
from ml.common.progress import SILENT, Progress
from ml.config.problem import Problem
from ml.features.label_models import labels_with_notes
from ml.features.labels import check_same_problem, labelled_rows, split_labels
from ml.features.own_labels import LabelSource
from ml.features.training_parts import CHURNED, label_column
from ml.featurestore.attributes import undated_features
from ml.featurestore.catalog import read_catalog
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.model.inputs import FLAG, NUMBER, column_values, doubles, kind_of, nothing_to_learn
from ml.train.permitted_features import excluded_features

PANDAS, ARROW = "pandas", "arrow"
OF_TIME = "an instant or date, whose age is a feature of its own"


@dataclass(frozen=True)
class TrainingSet:
    """Labelled rows with their features, all of one length and order: by instant, then customer.

    Parameters
    ----------
    X : DataFrame or Table of shape (rows, features)
        Numbers, money and flags as float64 (null is NaN in pandas), texts as categories (dictionaries in
        Arrow), instants as they are.
    y : Series or ChunkedArray of shape (rows,)
        1 if the customer churned, else 0; int8.
    groups : Series or ChunkedArray of shape (rows,)
        The customer of each row, for ``GroupKFold`` and the like.
    split : Series or ChunkedArray of shape (rows,)
        train, validation or test.
    event_timestamp : Series or ChunkedArray of shape (rows,)
        The instant as of which the features are known, UTC without a zone.
    left_out : dict
        Each feature that is not in ``X``, with the reason.
    """

    X: Any
    y: Any
    groups: Any
    split: Any
    event_timestamp: Any
    left_out: dict[str, str]

    def part(self, *names: str) -> "TrainingSet":
        """The rows of some parts.

        Parameters
        ----------
        *names : str
            train, validation or test.

        Examples
        --------
        >>> training_set().part("train", "validation")  # doctest: +SKIP
        """
        if isinstance(self.X, pd.DataFrame):
            mask: Any = self.split.isin(names)
            rows = {name: getattr(self, name)[mask] for name in ROW_FIELDS}
        else:
            mask = pa.array([name in names for name in self.split.to_pylist()], pa.bool_())
            rows = {name: getattr(self, name).filter(mask) for name in ROW_FIELDS}
        return replace(self, **rows)


ROW_FIELDS = ("X", "y", "groups", "split", "event_timestamp")


def training_set(
    *,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
    labels: "LabelSource | None" = None,
    format: str = PANDAS,
    every_feature: bool = False,
    progress: Progress = SILENT,
) -> TrainingSet:
    """The labelled rows of the current build, or of the user's own labels, for the user's own estimators.

    Parameters
    ----------
    home : path or Home, optional
    problem : Problem or path, optional
    labels : path, Table or DataFrame, optional
        Rows of customer_id, event_timestamp and label instead of the build's labels (docs/own-labels.md).
    format : str
        ``pandas`` or ``arrow``.
    every_feature : bool
        Also the features that ``churn train`` leaves out: sensitive and excluded ones, attributes without a
        clock, instants, and features that are constant or null in the training part.
    progress : Progress

    Returns
    -------
    TrainingSet

    Raises
    ------
    NotReadyError
        There is no build, it is for another problem, or there is too little for three parts.
    UsageError
        The labels cannot be used, or ``format`` is unknown.
    ModelError
        A feature holds an infinite value.

    Examples
    --------
    >>> rows = training_set(labels="cancellations.csv").part("train")  # doctest: +SKIP
    >>> estimator.fit(rows.X, rows.y)  # doctest: +SKIP
    """
    if format not in (PANDAS, ARROW):
        raise UsageError(f"format {format!r} is unknown: use {PANDAS} or {ARROW}")
    home = Home.at(home)
    problem = problem_for(home, problem, progress)
    with home.reading() as build:
        check_same_problem(build, problem)
        own = labels_with_notes(labels, build, problem, progress)
        table = own.table if own else None
        rows = labelled_rows(build, split_labels(build, problem, table), table)
        catalog = read_catalog(build)
        left_out: dict[str, str] = {}
        if not every_feature:
            left_out = undated_features(build, catalog) | excluded_features(catalog, problem)
        names = [name for name in catalog.feature_names if name not in left_out]
        rows = point_in_time(build, rows, features=names)
    if not every_feature:
        train = rows.filter(pc.equal(rows.column("split"), "train"))
        left_out |= {name: reason for name in names if (reason := unusable(train.column(name), name))}
    names = [name for name in names if name not in left_out]
    reasons = {name: left_out[name] for name in catalog.feature_names if name in left_out}
    return as_training_set(rows, names, reasons, format)


def unusable(column: pa.ChunkedArray, name: str) -> str | None:
    """Why no model can learn from a column of the training rows, if so."""
    kind = kind_of(column.type)
    return OF_TIME if kind is None else nothing_to_learn(column_values(column, name, kind))


def as_training_set(
    rows: pa.Table, names: Sequence[str], left_out: dict[str, str], format: str
) -> TrainingSet:
    features = pa.table({name: as_estimator_column(rows.column(name)) for name in names})
    label = label_column(rows)
    columns = {
        "y": rows.column(label).cast(pa.int8() if label == CHURNED else pa.float64()),
        "groups": rows.column("customer_id"),
        "split": rows.column("split"),
        "event_timestamp": rows.column("event_timestamp"),
    }
    if format == ARROW:
        return TrainingSet(features, **columns, left_out=left_out)
    series = {name: pd.Series(column.to_pandas(), name=name) for name, column in columns.items()}
    return TrainingSet(features.to_pandas(), **series, left_out=left_out)


def as_estimator_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers and flags as float64, texts as dictionaries, instants as they are."""
    kind = kind_of(column.type)
    if kind == FLAG:
        return column.cast(pa.int8()).cast(pa.float64())
    if kind == NUMBER:
        return doubles(column)
    return column if kind is None else column.dictionary_encode().unify_dictionaries()
