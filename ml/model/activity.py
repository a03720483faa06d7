"""When a customer was last seen at all: what several streams of events say together.

Someone who leaves stops ordering, visiting and writing at the same time. One stream alone must be silent for
long before it says so; all of them together say it sooner.
"""

import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ml.common.arrays import Floats
from ml.model.repeat_purchase import Habits, Histories, chance_of_purchase, learn_habits, with_nulls_kept

TENURE = "tenure_days"
SILENCE = re.compile(r"days_since_last_(\w+)")
COLUMNS = ("days_since_last_activity", "activity", "activity_missed", "churn_by_activity")


@dataclass(frozen=True)
class Streams:
    """The inputs that tell when each stream was last seen and how often within one window.

    Parameters
    ----------
    counts, silences : tuple of str
        One each a stream, in the same order.
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
    there = list(names)
    windows: dict[str, set[int]] = {}
    for match in filter(None, map(SILENCE.fullmatch, there)):
        counted = re.compile(rf"{re.escape(match[1])}s_(\d+)d")
        if found := {int(hit[1]) for hit in map(counted.fullmatch, there) if hit}:
            windows[match[1]] = found
    common = set.intersection(*windows.values()) if windows else set()
    if TENURE not in there or len(windows) < 2 or not common:
        return None
    longest = max(common)
    counts = tuple(f"{event}s_{longest}d" for event in windows)
    return Streams(counts, tuple(f"days_since_last_{event}" for event in windows), longest)


class Activity(TransformerMixin, BaseEstimator):
    """Four columns from several streams: the silence of all, how much there was, how much the silence lacks,
    and the log-odds of churn that the modified BG/NBD model gives for all events as one stream.

    Parameters
    ----------
    horizon_days : int
        How far ahead the labels look.
    window_days : int
        The window that events are counted in.

    Attributes
    ----------
    habits_ : array of shape (4,)
        r, alpha (days), a, b.
    """

    def __init__(self, horizon_days: int = 30, window_days: int = 365) -> None:
        self.horizon_days = horizon_days
        self.window_days = window_days

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        values, churned = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        _, codes = np.unique(churned, return_inverse=True)
        events, silence, span = self._together(values)
        known = ~np.isnan(silence)
        seen = Histories(events, span - silence, span).take(known)
        habits = learn_habits(seen, codes[known], self.horizon_days) if known.any() else Habits(1, 1, 1, 1)
        self.habits_ = np.array(astuple(habits))
        return self

    def _together(self, values: Floats) -> tuple[Floats, Floats, Floats]:
        """Events in the window, days of silence (null where nothing is known), days observed."""
        streams = (values.shape[1] - 1) // 2
        events, silence = np.zeros(len(values)), np.full(len(values), np.inf)
        for place in range(streams):
            events += np.nan_to_num(values[:, 1 + place])
            silence = np.fmin(silence, values[:, 1 + streams + place])
        span = np.fmin(np.maximum(values[:, 0], 1.0), float(self.window_days))
        silence = np.where(np.isinf(silence) | np.isnan(values[:, 0]), np.nan, np.clip(silence, 0, None))
        return events, np.fmin(silence, np.where(np.isnan(silence), np.nan, span)), span

    def transform(self, X: Any) -> Floats:  # noqa: N803
        """Shape (rows, 4); null where nothing is known."""
        check_is_fitted(self)
        values = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        events, silence, span = self._together(values)
        seen = Histories(*map(np.ascontiguousarray, (events, np.nan_to_num(span - silence), span)))
        chance = chance_of_purchase(Habits(*self.habits_), seen, self.horizon_days, True)
        churn = np.where(np.isnan(silence), np.nan, 1 - chance)
        return np.column_stack([silence, events, events * silence / span, with_nulls_kept(churn)])

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        return np.array(COLUMNS, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags
