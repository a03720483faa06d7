"""How well one feature alone tells the label: its ROC-AUC, whichever way round it points.

Columns of features and labels come in; the audit's stand-ins and the exploration read what goes out.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.model.inputs import UNKNOWN_TEXT, doubles

# No honest behaviour tells so well who will leave; models with all features reach 0.8 to 0.9.
LIMIT = 0.95
SALT = 9
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def as_numbers(column: pa.ChunkedArray, asked: pa.ChunkedArray) -> Floats:
    """A feature as numbers, NaN where null; an instant as its age when asked, in days."""
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        age = asked.to_numpy() - column.cast(pa.timestamp("us")).to_numpy()
        return np.where(np.isnat(age), np.nan, age / np.timedelta64(1, "D"))
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return doubles(column).to_numpy().astype(np.float64)


def of_numbers(values: Floats, churned: NDArray[np.bool_]) -> float:
    """ROC-AUC of one feature, whichever way round; a null is below or above all else, whatever tells more."""
    missing = np.isnan(values)
    if not missing.any():
        return either_way(area(values, churned))
    below, above = np.where(missing, -np.inf, values), np.where(missing, np.inf, values)
    return max(either_way(area(below, churned)), either_way(area(above, churned)))


def of_text(column: pa.ChunkedArray, churned: NDArray[np.bool_], half: NDArray[np.bool_]) -> float:
    """ROC-AUC of the churn rate of each text, learned on one half of the customers, judged on the other."""
    texts = np.asarray(column.fill_null(UNKNOWN_TEXT).to_pylist(), dtype=object)
    _, codes = np.unique(texts, return_inverse=True)
    seen, gone = (
        np.bincount(codes[half], minlength=codes.max() + 1),
        np.bincount(codes[half], weights=churned[half], minlength=codes.max() + 1),
    )
    overall = churned[half].mean() if half.any() else 0.5
    rates = np.where(seen > 0, gone / np.maximum(seen, 1), overall)
    return either_way(area(rates[codes[~half]], churned[~half]))


def area(values: Floats, churned: NDArray[np.bool_]) -> float:
    """ROC-AUC by ranks, ties sharing the middle one; 0.5 where one class is missing."""
    from scipy.stats import rankdata

    ones, zeros = int(churned.sum()), int((~churned).sum())
    if not ones or not zeros:
        return 0.5
    return float((rankdata(values)[churned].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def either_way(auc: float) -> float:
    """The same whether high or low values churn."""
    return max(auc, 1 - auc)


def halves(customers: pa.ChunkedArray, seed: int) -> NDArray[np.bool_]:
    """A coin for each customer, the same in every row."""
    codes = customers.combine_chunks().dictionary_encode()
    coins = np.random.default_rng([seed, SALT]).integers(0, 2, len(codes.dictionary)) == 1
    return coins[codes.indices.to_numpy()]
