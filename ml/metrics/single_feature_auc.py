"""How well one feature alone orders the labels: its ROC-AUC, whether high or low values churn.

Exploration, audit and training find leaky features by this one measure, on rows of the training part.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.common.array_types import Flags, Floats
from ml.model.inputs import UNKNOWN_TEXT, doubles

# No feature known in time predicts churn so well alone; models with all features reach 0.8 to 0.9.
LEAK_AUC_MIN = 0.95
SALT = 9  # halves differ from what else is drawn with the same seed


def as_numbers(column: pa.ChunkedArray, as_of: pa.ChunkedArray) -> Floats:
    """A feature as numbers, NaN where null; an instant as its age at ``as_of``, in days."""
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        age = as_of.to_numpy() - column.cast(pa.timestamp("us")).to_numpy()
        return np.where(np.isnat(age), np.nan, age / np.timedelta64(1, "D"))
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return doubles(column).to_numpy().astype(np.float64)


def of_column(column: pa.ChunkedArray, as_of: pa.ChunkedArray, churned: Flags, half: Flags) -> float:
    """ROC-AUC of one feature of a build, 0.5 or more.

    Parameters
    ----------
    column, as_of : ChunkedArray of shape (rows,)
        The feature, and the instant of each row.
    churned, half : array of shape (rows,)
        The label, and whether the customer is in the first half (``halves``): the churn rate of each text
        comes from the first half, its ROC-AUC from the other.
    """
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return of_text(column, churned, half)
    return of_numbers(as_numbers(column, as_of), churned)


def of_numbers(values: Floats, churned: Flags) -> float:
    """ROC-AUC of one feature; nulls are below or above all values, whichever gives the greater ROC-AUC."""
    missing = np.isnan(values)
    if not missing.any():
        return unsigned_auc(values, churned)
    below, above = np.where(missing, -np.inf, values), np.where(missing, np.inf, values)
    return max(unsigned_auc(below, churned), unsigned_auc(above, churned))


def of_text(column: pa.ChunkedArray, churned: Flags, half: Flags) -> float:
    """ROC-AUC on one half of the customers of the churn rate that each text has on the other."""
    texts = np.asarray(column.fill_null(UNKNOWN_TEXT).to_pylist(), dtype=object)
    return unsigned_auc(rates_of_texts(texts, churned, half), churned[~half])


def rates_of_texts(texts: NDArray[np.object_], churned: Flags, half: Flags) -> Floats:
    """For each row outside ``half`` the churn rate of its text in ``half``; of an unseen text that of all."""
    _, codes = np.unique(texts.astype(str), return_inverse=True)
    rows = np.bincount(codes[half], minlength=codes.max() + 1)
    churners = np.bincount(codes[half], weights=churned[half], minlength=codes.max() + 1)
    overall = churned[half].mean() if half.any() else 0.5
    return np.where(rows > 0, churners / np.maximum(rows, 1), overall)[codes[~half]]


def unsigned_auc(values: Floats, churned: Flags) -> float:
    """ROC-AUC whether high or low values churn, 0.5 or more."""
    auc = roc_auc(values, churned)
    return max(auc, 1 - auc)


def roc_auc(values: Floats, churned: Flags) -> float:
    """ROC-AUC by ranks, of ties the mean rank; 0.5 where one class is missing."""
    from scipy.stats import rankdata

    ones, zeros = int(churned.sum()), int((~churned).sum())
    if not ones or not zeros:
        return 0.5
    return float((rankdata(values)[churned].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def halves(customers: pa.ChunkedArray, seed: int) -> Flags:
    """Whether each row's customer is in the first half, drawn at random."""
    codes = customers.combine_chunks().dictionary_encode()
    in_first = np.random.default_rng([seed, SALT]).integers(0, 2, len(codes.dictionary)) == 1
    return in_first[codes.indices.to_numpy()]
