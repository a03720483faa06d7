"""How well one feature alone orders the labels: its ROC-AUC, whichever way round it points.

Exploration, audit and training look for leaky features by this one measure, on rows of the training part.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.common.arrays import Flags, Floats
from ml.model.inputs import UNKNOWN_TEXT, doubles

# No honest behaviour tells so well who will leave; models with all features reach 0.8 to 0.9.
LIMIT = 0.95
SALT = 9


def as_numbers(column: pa.ChunkedArray, asked: pa.ChunkedArray) -> Floats:
    """A feature as numbers, NaN where null; an instant as its age when asked, in days."""
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        age = asked.to_numpy() - column.cast(pa.timestamp("us")).to_numpy()
        return np.where(np.isnat(age), np.nan, age / np.timedelta64(1, "D"))
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return doubles(column).to_numpy().astype(np.float64)


def of_column(column: pa.ChunkedArray, as_of: pa.ChunkedArray, churned: Flags, half: Flags) -> float:
    """ROC-AUC of one feature as it comes from a build, 0.5 or more.

    Parameters
    ----------
    column, as_of : ChunkedArray of shape (rows,)
        The feature, and the instant of each row.
    churned, half : array of shape (rows,)
        The label, and a coin for each customer (``halves``): the rate of each text is learned on one half and
        judged on the other.
    """
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return of_text(column, churned, half)
    return of_numbers(as_numbers(column, as_of), churned)


def of_numbers(values: Floats, churned: Flags) -> float:
    """ROC-AUC of one feature, whichever way round; a null is below or above all else, whatever tells more."""
    missing = np.isnan(values)
    if not missing.any():
        return either_way(area(values, churned))
    below, above = np.where(missing, -np.inf, values), np.where(missing, np.inf, values)
    return max(either_way(area(below, churned)), either_way(area(above, churned)))


def of_text(column: pa.ChunkedArray, churned: Flags, half: Flags) -> float:
    """ROC-AUC of the churn rate of each text, learned on one half of the customers, judged on the other."""
    texts = np.asarray(column.fill_null(UNKNOWN_TEXT).to_pylist(), dtype=object)
    return either_way(area(rates_of_texts(texts, churned, half), churned[~half]))


def rates_of_texts(texts: NDArray[np.object_], churned: Flags, half: Flags) -> Floats:
    """For each row outside ``half`` the churn rate of its text in ``half``; of an unseen text that of all."""
    _, codes = np.unique(texts.astype(str), return_inverse=True)
    seen = np.bincount(codes[half], minlength=codes.max() + 1)
    gone = np.bincount(codes[half], weights=churned[half], minlength=codes.max() + 1)
    overall = churned[half].mean() if half.any() else 0.5
    return np.where(seen > 0, gone / np.maximum(seen, 1), overall)[codes[~half]]


def area(values: Floats, churned: Flags) -> float:
    """ROC-AUC by ranks, ties sharing the middle one; 0.5 where one class is missing."""
    from scipy.stats import rankdata

    ones, zeros = int(churned.sum()), int((~churned).sum())
    if not ones or not zeros:
        return 0.5
    return float((rankdata(values)[churned].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def either_way(auc: float) -> float:
    """The same whether high or low values churn."""
    return max(auc, 1 - auc)


def halves(customers: pa.ChunkedArray, seed: int) -> Flags:
    """A coin for each customer, the same in every row."""
    codes = customers.combine_chunks().dictionary_encode()
    coins = np.random.default_rng([seed, SALT]).integers(0, 2, len(codes.dictionary)) == 1
    return coins[codes.indices.to_numpy()]
