"""``monitor.yml``: how many false pages one bears, and what else the monitor is told."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Interval, Predicate

from ml.common.paths import ROOT
from ml.common.yaml_settings import MayBeNull, Says, is_printable, read_settings, read_yaml

FILE = "monitor.yml"
DAY = r"\d{4}-\d{2}-\d{2}"


def are_days(days: tuple[str, ...]) -> bool:
    """Whether each text is a day of the calendar."""
    return all(isinstance(day, str) and re.fullmatch(DAY, day) and is_day(day) for day in days)


def is_day(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


Share = Annotated[float, Interval(gt=0, lt=1)]
Flag = Annotated[bool, Says("true or false")]
Url = Annotated[
    str,
    Predicate(lambda text: re.fullmatch(r"https?://\S+", text) is not None),
    Says("an address that begins with http:// or https://"),
]
FileName = Annotated[str, is_printable, Says("the name of a file")]
Days = Annotated[tuple[str, ...], Predicate(are_days), Says('a list of days such as ["2024-12-25"]')]
EveryDays = Annotated[int, Interval(ge=1, le=3650), MayBeNull()]


@dataclass(frozen=True)
class Retrain:
    """When a new training is due: so many days after the last, or an alarm of performance or of the score."""

    every_days: EveryDays | None = None
    when_performance_alarm: Flag = True
    when_score_alarm: Flag = False


@dataclass(frozen=True)
class MonitorSettings:
    """The settings; the defaults are those of the ``monitor.yml`` that comes with the project.

    Parameters
    ----------
    false_pages_per_quarter : float
        What all groups together may page in a quarter in which nothing happens.
    reference_weeks : int
        A week is judged by at most so many before it.
    baseline_weeks : int
        A week's deviation is from the mean of so many weeks before it.
    customers_max : int
        More customers of a week are sampled, by a hash of their key.
    decay_that_matters : float
        Share by which the realised Brier score may exceed the evaluated one.
    feature_false_share : float
        Share of false entries that the list of drifted features may have.
    leave_out : tuple of str
        Days of known events: weeks that hold one are judged, but judge no other.
    skew : bool
        Whether online values are compared with offline ones.
    retrain : Retrain
    webhook, prometheus_file : str, optional
        Where the summary is sent, and the file for Prometheus' node exporter; relative to the home.
    """

    false_pages_per_quarter: Annotated[float, Interval(ge=0.01, le=100)] = 1.0
    reference_weeks: Annotated[int, Interval(ge=4, le=520)] = 104
    baseline_weeks: Annotated[int, Interval(ge=1, le=52)] = 6
    customers_max: Annotated[int, Interval(ge=50, le=10_000_000)] = 2000
    decay_that_matters: Annotated[float, Interval(ge=0, le=10)] = 0.1
    feature_false_share: Share = 0.1
    leave_out: Days = ()
    skew: Flag = True
    retrain: Retrain = Retrain()
    webhook: Url | None = None
    prometheus_file: FileName | None = None

    def left_out(self, instant: datetime, days_between: float) -> bool:
        """Whether the week that ends at an instant holds a day of a known event."""
        first = instant - timedelta(days=days_between)
        days = [datetime.fromisoformat(day) for day in self.leave_out]
        return any(day < instant and day + timedelta(days=1) > first for day in days)


def read_monitor_settings(path: str | Path | None = None) -> MonitorSettings:
    """The settings of a file; by default ``monitor.yml`` beside ``problem.yml``, or the defaults without one.

    Raises
    ------
    ProblemError
        The file is no YAML, or holds an unknown key, a wrong type or a value out of range; or a file that was
        named is missing.
    """
    file = Path(path) if path else ROOT / FILE
    if path is None and not file.exists():
        return MonitorSettings()
    values, _ = read_settings(read_yaml(file), MonitorSettings, str(file))
    return from_values(values)


def from_values(values: dict[str, Any]) -> MonitorSettings:
    """Settings from checked plain values."""
    retrain = Retrain(**values.get("retrain", {}))
    return MonitorSettings(**{**values, "retrain": retrain})
