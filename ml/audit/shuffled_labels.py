"""Shuffled-label check: a model of shuffled labels must rank at random, or rows have leaked.

Labels change places within each cut-off, a quick model that can learn rows by heart is fitted on the
training part, and judged by AUC on the validation part. Rows that are in both parts show at once.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ml.audit.findings import Audit
from ml.common.array_types import Floats
from ml.features.labels import count_rows, labelled_rows
from ml.features.split import TimeSplit
from ml.features.training_parts import positive_rows
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.model.inputs import TEXT, choose_inputs, make_frame

ROWS_MAX = 5_000  # a fit takes a second or less
SHUFFLES = 4
# Four standard errors are exceeded by chance once in 16,000 runs; the floor covers rows that are not
# independent.
FLOOR, STANDARD_ERRORS = 0.02, 4.0
KEYS = ["customer_id", "event_timestamp"]


@dataclass(frozen=True)
class ShuffledLabelResult:
    """The AUC of models of shuffled labels.

    Parameters
    ----------
    rows : int
        Rows that were scored, in each shuffle.
    auc : float
        Mean over the shuffles.
    allowed : float
        How far from 0.5 it may be: four standard errors, at least 0.02. Without a fault it is farther off in
        fewer than one run in ten thousand.
    """

    rows: int
    auc: float
    allowed: float

    @property
    def holds(self) -> bool:
        return abs(self.auc - 0.5) <= self.allowed


def shuffled_label_check(audit: Audit, split: TimeSplit) -> ShuffledLabelResult | None:
    """Fit and score a few shuffles; None if a part has too few rows or one class.

    Raises
    ------
    ModelError
        No feature varies.
    """
    counts = count_rows(audit.build, split, audit.own_labels)
    rows = labelled_rows(audit.build, split, audit.own_labels, most=ROWS_MAX, rows=counts, seed=audit.seed)
    rows = rows.filter(pc.is_in(rows["split"], pa.array(["train", "validation"])))
    table = point_in_time(audit.build, rows)
    train = pc.equal(table["split"], "train").to_numpy()
    cutoffs = table["event_timestamp"].to_numpy()
    frame = numbers(table, audit.catalog.feature_names, table.filter(train))
    identity = table.select(KEYS).to_pandas().groupby(KEYS, sort=False).ngroup().to_numpy()
    draw = np.random.default_rng([audit.seed, SHUFFLES])
    scores, errors, labels = [], [], positive_rows(table).astype(np.int64)
    for _ in range(SHUFFLES):
        churned = shuffle_labels(labels, identity, cutoffs, draw)
        if len(np.unique(churned[train])) < 2:
            return None
        auc, error = within_cutoffs(
            churned[~train], model_scores(frame, churned, train, audit.seed), cutoffs[~train]
        )
        if np.isnan(auc):
            return None
        scores.append(auc)
        errors.append(error)
    standard_error = sqrt(float(np.mean(np.square(errors))) / SHUFFLES)
    allowed = max(FLOOR, STANDARD_ERRORS * standard_error)
    return ShuffledLabelResult(int((~train).sum()), float(np.mean(scores)), allowed)


def numbers(table: pa.Table, names: tuple[str, ...], train: pa.Table) -> Floats:
    """The features that vary in training, as a matrix; a text is the number of its category."""
    inputs, _ = choose_inputs(train, names)
    frame = make_frame(table, inputs)
    columns = [
        pd.factorize(frame[column.name])[0] if column.kind == TEXT else frame[column.name].to_numpy()
        for column in inputs
    ]
    return np.column_stack(columns).astype(np.float64)


def shuffle_labels(
    churned: NDArray[np.int64],
    identity: NDArray[np.int64],
    cutoffs: NDArray[np.datetime64],
    draw: np.random.Generator,
) -> NDArray[np.int64]:
    """Labels shuffled within their cut-off; a duplicate row keeps the same label."""
    first_seen = np.unique(identity, return_index=True)[1]
    labels, cutoffs_of_rows = churned[first_seen].copy(), cutoffs[first_seen]
    for cutoff in np.unique(cutoffs_of_rows):
        rows = np.flatnonzero(cutoffs_of_rows == cutoff)
        labels[rows] = labels[draw.permutation(rows)]
    return labels[identity]


def model_scores(frame: Floats, churned: NDArray[np.int64], train: NDArray[np.bool_], seed: int) -> Floats:
    """Scores of the rows that are not ``train`` by a model fitted on those that are."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    model = HistGradientBoostingClassifier(
        max_iter=30,
        max_leaf_nodes=63,
        min_samples_leaf=2,
        learning_rate=0.3,
        early_stopping=False,
        random_state=seed,
    )
    with threadpool_limits(1):  # beside other work, threads that wait for one another take ten times as long
        model.fit(frame[train], churned[train])
        return np.asarray(model.predict_proba(frame[~train])[:, 1], dtype=np.float64)


def within_cutoffs(
    churned: NDArray[np.int64], scores: Floats, cutoffs: NDArray[np.datetime64]
) -> tuple[float, float]:
    """AUC over pairs of rows of one cut-off, and its standard error when scores mean nothing.

    Pairs across cut-offs would tell that churn was more frequent at some of them, which is no fault.
    """
    from scipy.stats import rankdata

    won, variance, pairs = 0.0, 0.0, 0.0
    for cutoff in np.unique(cutoffs):
        is_at_cutoff = cutoffs == cutoff
        has_churned = churned[is_at_cutoff] == 1
        ones, zeros = int(has_churned.sum()), int((~has_churned).sum())
        won += rankdata(scores[is_at_cutoff])[has_churned].sum() - ones * (ones + 1) / 2
        variance += ones * zeros * (ones + zeros + 1) / 12
        pairs += ones * zeros
    return (won / pairs, sqrt(variance) / pairs) if pairs else (float("nan"), float("nan"))
