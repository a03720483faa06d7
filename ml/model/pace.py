"""Totals as daily rates, over the days that the customer has been known.

Totals since the beginning, and ages, grow as the data grows older: a model that was trained on a short
history would later read values that it has never seen. The same totals per day do not grow.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ml.common.array_types import Floats
from ml.model.activity import TENURE, find_streams

LIFETIME = "_lifetime"
PLACED, SINCE_LAST, SINCE_FIRST = "orders_placed_lifetime", "days_since_last_order", "days_since_first_order"
NONE = -1


@dataclass(frozen=True)
class Totals:
    """The inputs that become daily rates.

    Parameters
    ----------
    lifetime : tuple of str
        Totals since the beginning, per day of tenure.
    windowed : tuple of str
        Counts of each stream in one window, per day of the window that the customer has been known.
    window_days : int
    placed : int
        Which of the lifetime totals counts orders, for the orders expected during the silence; -1 for none.
    """

    lifetime: tuple[str, ...]
    windowed: tuple[str, ...]
    window_days: int
    placed: int

    @property
    def columns(self) -> list[str]:
        """In the order of ``Pace``; each but the first is the source of one of its columns."""
        return [TENURE, *self.lifetime, *self.windowed, *([SINCE_LAST] if self.placed != NONE else [])]

    @property
    def replaced(self) -> set[str]:
        """Inputs that grow with the data's age, of which models read only the rate."""
        return {*self.lifetime, TENURE, SINCE_FIRST}

    def transformer(self) -> "Pace":
        return Pace(len(self.lifetime), len(self.windowed), self.window_days, self.placed)


def find_totals(names: Iterable[str]) -> Totals | None:
    """The totals among the inputs; None without a tenure or without totals."""
    names = list(names)
    lifetime = tuple(name for name in names if name.endswith(LIFETIME))
    if TENURE not in names or not lifetime:
        return None
    streams = find_streams(names)
    windowed, window = (streams.counts, streams.window_days) if streams else ((), 365)
    placed = lifetime.index(PLACED) if {PLACED, SINCE_LAST} <= set(names) else NONE
    return Totals(lifetime, windowed, window, placed)


class Pace(TransformerMixin, BaseEstimator):
    """Totals per day, and the orders expected during the silence, from the columns of ``Totals``.

    Parameters
    ----------
    lifetime, windowed : int
        The number of columns of each kind.
    window_days : int
    placed : int
        Which of the lifetime columns counts orders; if one does, the last column is the days since the last.
    """

    def __init__(
        self, lifetime: int = 0, windowed: int = 0, window_days: int = 365, placed: int = NONE
    ) -> None:
        self.lifetime = lifetime
        self.windowed = windowed
        self.window_days = window_days
        self.placed = placed

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        return self

    def transform(self, X: Any) -> Floats:  # noqa: N803
        """Shape (rows, columns - 1); null where a total or its span is."""
        check_is_fitted(self)
        values = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        tenure = np.maximum(values[:, 0], 1.0)
        known = np.minimum(tenure, float(self.window_days))
        spans = [tenure] * self.lifetime + [known] * self.windowed
        rates = [values[:, 1 + index] / span for index, span in enumerate(spans)]
        if self.placed != NONE:
            rates.append(rates[self.placed] * values[:, -1])
        return np.column_stack(rates)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        return np.array([f"pace_{index}" for index in range(self.n_features_in_ - 1)], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
