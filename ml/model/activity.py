"""Activity: recency and frequency over several streams of events together.

A customer who leaves stops ordering, visiting and writing at the same time. One stream alone must be silent
for long before that is a sign of churn; all streams together show it sooner.
"""

import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ml.common.array_types import Floats
from ml.model.repeat_purchase import (
    Histories,
    Parameters,
    as_churn,
    fit_parameters,
    log_odds_or_null,
    purchase_probability,
)

TENURE = "tenure_days"
SILENCE = re.compile(r"days_since_last_(\w+)")
COLUMNS = ("days_since_last_activity", "activity", "activity_missed", "churn_by_activity")


@dataclass(frozen=True)
class Streams:
    """The inputs with the last event of each stream and its number of events in one window.

    Parameters
    ----------
    counts, silences : tuple of str
        One input a stream, in the same order.
    window_days : int
    """

    counts: tuple[str, ...]
    silences: tuple[str, ...]
    window_days: int

    @property
    def columns(self) -> list[str]:
        """In the order in which ``Activity`` reads them."""
        return [TENURE, *self.counts, *self.silences]


def find_streams(names: Iterable[str]) -> Streams | None:
    """Streams with ``days_since_last_<event>`` and ``<event>s_<window>d``, if there are two or more.

    The window is the longest that all of them have.
    """
    names = list(names)
    windows: dict[str, set[int]] = {}
    for silence in filter(None, map(SILENCE.fullmatch, names)):
        count = re.compile(rf"{re.escape(silence[1])}s_(\d+)d")
        if days := {int(match[1]) for match in map(count.fullmatch, names) if match}:
            windows[silence[1]] = days
    common = set.intersection(*windows.values()) if windows else set()
    if TENURE not in names or len(windows) < 2 or not common:
        return None
    longest = max(common)
    counts = tuple(f"{event}s_{longest}d" for event in windows)
    return Streams(counts, tuple(f"days_since_last_{event}" for event in windows), longest)


class Activity(TransformerMixin, BaseEstimator):
    """Four columns from several streams: the silence of all, the number of events, the number expected during
    the silence, and the log-odds of churn by the modified BG/NBD model for all events as one stream.

    Parameters
    ----------
    horizon_days : int
        How far ahead the labels look.
    window_days : int
        The window that events are counted in.
    amounts : bool
        Labels are amounts spent, of which none above 0 is churn.

    Attributes
    ----------
    habits_ : array of shape (4,)
        r, alpha (days), a, b; named so in stored models.
    """

    def __init__(self, horizon_days: int = 30, window_days: int = 365, amounts: bool = False) -> None:
        self.horizon_days = horizon_days
        self.window_days = window_days
        self.amounts = amounts

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        values, churned = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        _, codes = np.unique(as_churn(churned, self.amounts), return_inverse=True)
        events, silence, span = self._as_one_stream(values)
        known = ~np.isnan(silence)
        histories = Histories(events, span - silence, span).take(known)
        self.habits_ = np.array(astuple(fit_parameters(histories, codes[known], self.horizon_days)))
        return self

    def _as_one_stream(self, values: Floats) -> tuple[Floats, Floats, Floats]:
        """Events in the window, days of silence (null where no event is known), days observed."""
        streams = (values.shape[1] - 1) // 2
        events, silence = np.zeros(len(values)), np.full(len(values), np.inf)
        # Column after column in a fixed order: a customer's score is the same alone or among a million.
        for stream in range(streams):
            events += np.nan_to_num(values[:, 1 + stream])
            silence = np.fmin(silence, values[:, 1 + streams + stream])
        span = np.fmin(np.maximum(values[:, 0], 1.0), float(self.window_days))
        silence = np.where(np.isinf(silence) | np.isnan(values[:, 0]), np.nan, np.clip(silence, 0, None))
        return events, np.fmin(silence, np.where(np.isnan(silence), np.nan, span)), span

    def transform(self, X: Any) -> Floats:  # noqa: N803
        """Shape (rows, 4); null where no event is known."""
        check_is_fitted(self)
        values = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        events, silence, span = self._as_one_stream(values)
        histories = Histories(*map(np.ascontiguousarray, (events, np.nan_to_num(span - silence), span)))
        purchase = purchase_probability(Parameters(*self.habits_), histories, self.horizon_days, True)
        churn = np.where(np.isnan(silence), np.nan, 1 - purchase)
        return np.column_stack([silence, events, events * silence / span, log_odds_or_null(churn)])

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        return np.array(COLUMNS, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags
