"""``churn anomalies``: customers whose behaviour changed against their own past.

Counts of the published build at an instant come in; the customers whose recent counts their own past does not
explain go out, with a stated share of false alarms among them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ml.common.array_types import Floats
from ml.common.errors import NotReadyError, UsageError
from ml.common.instants import format_instant
from ml.common.progress import SILENT, Progress
from ml.common.row_files import check_out, write_rows
from ml.config.problem import Problem
from ml.features.label_models import eligible_at
from ml.featurestore.catalog import Catalog, Feature, read_catalog
from ml.featurestore.windowed_families import WINDOW_MARK
from ml.home.build_manifest import checked_as_of, score_instant
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.model.activity import TENURE
from ml.segments.inputs import declared_inputs, read_values, rows_at
from ml.segments.rhythm import Counts, Usual, adjusted, learn_usual

FALSE_SHARE = 0.1  # one false alarm in ten is what a list to look through bears
PAST_DAYS_MIN = 90  # a past that is shorter is no habit yet
CUSTOMERS_MIN = 20  # fewer do not say how counts vary
COLUMNS = pa.schema(
    [
        ("customer_id", pa.string()),
        ("event_timestamp", pa.timestamp("us")),
        ("stream", pa.string()),
        ("days", pa.int64()),
        ("count", pa.int64()),
        ("expected", pa.float64()),
        ("change", pa.string()),
        ("p_value", pa.float64()),
        ("q_value", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Stream:
    """A windowed family of counts, such as ``orders_{w}d``."""

    family: str
    windows: tuple[int, ...]

    @property
    def name(self) -> str:
        """``orders`` of ``orders_{w}d``."""
        return self.family.replace(f"_{WINDOW_MARK}d", "").replace(WINDOW_MARK, "")

    def feature(self, days: int) -> str:
        return self.family.replace(WINDOW_MARK, str(days))


@dataclass(frozen=True)
class JudgedWindow:
    """The customers that were tested on one window of one stream.

    Parameters
    ----------
    customers : list of str
    counts : Counts
    usual : Usual
    p_values : array of shape (customers,)
    """

    stream: Stream
    customers: list[str]
    counts: Counts
    usual: Usual
    p_values: Floats

    def as_dict(self) -> dict[str, Any]:
        """What was learned, for people."""
        return {
            "stream": self.stream.name,
            "days": self.counts.days,
            "customers": len(self.customers),
            "level": self.usual.level,
            "precision": self.usual.precision,
        }


@dataclass(frozen=True)
class ChangedCustomers:
    """What one run found.

    Parameters
    ----------
    rows : Table
        Columns of ``COLUMNS``, the least likely first: the window that fits the past least, the count in it,
        the expected one, ``drop`` or ``rise``.
    tested : list of JudgedWindow
    customers : int
        The customers with at least one test.
    """

    rows: pa.Table
    tested: list[JudgedWindow]
    customers: int
    as_of: datetime
    build_id: str
    false_share: float

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "build_id": self.build_id,
            "as_of": format_instant(self.as_of),
            "false_share": self.false_share,
            "customers": self.customers,
            "tests": [one.as_dict() for one in self.tested],
            "anomalies": self.rows.to_pylist(),
        }


def anomalies(
    *,
    as_of: datetime | None = None,
    days: Sequence[int] = (),
    false_share: float = FALSE_SHARE,
    out: str | Path | None = None,
    json_lines: bool = False,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
    progress: Progress = SILENT,
) -> ChangedCustomers:
    """The customers whose recent counts their own past year does not explain.

    Parameters
    ----------
    as_of : datetime, optional
        The as-of instant, naive UTC; by default that of scoring. Only what was known then counts.
    days : sequence of int, optional
        Windows to test; by default every window of the build but the longest. A customer's smallest p-value
        is multiplied by the number of windows tested.
    false_share : float
        The share of false alarms among the listed that is borne, between 0 and 1.
    out : path, optional
        File of the rows: Parquet, CSV or JSON lines; ``-`` is standard output.

    Raises
    ------
    UsageError
        A window that the build does not have, or no counts at all; ``as_of`` is after the data clock.
    NotReadyError
        No window has enough customers with a past of 90 days before it.
    """
    if not 0 < false_share < 1:
        raise UsageError(f"--false-share {false_share:g} is not between 0 and 1")
    if out is not None:
        check_out(out)
    home = Home.at(home)
    problem = problem_for(home, problem, progress)
    with home.reading() as build:
        instant = checked_as_of(build, as_of) if as_of else score_instant(build)[0]
        tested = []
        for stream in streams_of(read_catalog(build), problem, days):
            for window in stream.windows[:-1]:
                one = judge_window(build, problem, stream, window, instant)
                tested += [one] if one else []
        if not tested:
            raise NotReadyError(
                f"fewer than {CUSTOMERS_MIN} customers have a past of {PAST_DAYS_MIN} days and two windows "
                f"after it at {format_instant(instant)}: choose shorter windows (--days) or a later --as-of"
            )
    rows, customers = listed(tested, instant, false_share)
    if out is not None:
        write_rows(rows, out, json_lines=json_lines)
    return ChangedCustomers(rows, tested, customers, instant, build.name, false_share)


def streams_of(catalog: Catalog, problem: Problem, days: Sequence[int]) -> list[Stream]:
    """The windowed counts among the features that segments are told apart by, windows ascending.

    The last window of each is its longest, which the past is counted in.
    """
    if TENURE not in catalog.feature_names:
        raise UsageError(f"the build has no feature {TENURE}, which says how long a customer's past is")
    streams = []
    for feature in declared_inputs(catalog, problem):
        if not isinstance(feature, Feature) or feature.window is None or feature.sql_type != "BIGINT":
            continue
        family = feature.name.replace(str(feature.window), WINDOW_MARK)
        windows = sorted(
            other.window
            for other in catalog.stored
            if other.window and other.name == family.replace(WINDOW_MARK, str(other.window))
        )
        if unknown := [str(window) for window in days if window not in windows[:-1]]:
            raise UsageError(
                f"--days {', '.join(unknown)}: {family} has the windows {', '.join(map(str, windows))}, and "
                "the longest is the past"
            )
        chosen = [window for window in windows[:-1] if not days or window in days]
        streams += [Stream(family, (*chosen, windows[-1]))] if chosen else []
    if not streams:
        raise UsageError(
            "none of the features that segments are told apart by is a count with two windows, such as "
            "orders_{w}d: name one under segments in the problem file"
        )
    return streams


def judge_window(
    build: Path, problem: Problem, stream: Stream, days: int, as_of: datetime
) -> JudgedWindow | None:
    """The p-values of one window; None where too few have a past."""
    customers, now = read_counts(build, problem, stream, days, as_of)
    earlier, before = read_counts(build, problem, stream, days, as_of - timedelta(days=days))
    if min(len(customers), len(earlier)) < CUSTOMERS_MIN:
        return None
    came_again = read_values(build, rows_at(earlier, as_of), [stream.feature(days)])[:, 0] > 0
    if came_again.sum() < CUSTOMERS_MIN:
        return None
    usual = learn_usual(now, before, came_again)
    return JudgedWindow(stream, customers, now, usual, usual.p_values(now))


def read_counts(
    build: Path, problem: Problem, stream: Stream, days: int, as_of: datetime
) -> tuple[list[str], Counts]:
    """Customers of the population when the window began, and their counts at its end.

    Who is in the population at the end has ordered again, which would hide those who stopped.
    """
    began = as_of - timedelta(days=days)
    customers = eligible_at(build, problem, began).column("customer_id").to_pylist()
    longest = stream.windows[-1]
    past = read_values(build, rows_at(customers, began), [stream.feature(longest), TENURE])
    recent = read_values(build, rows_at(customers, as_of), [stream.feature(days)])[:, 0]
    past_days = np.minimum(past[:, 1], float(longest))
    enough = past_days >= PAST_DAYS_MIN
    names = [name for name, is_enough in zip(customers, enough, strict=True) if is_enough]
    return names, Counts(recent, past[:, 0], past_days, days).take(enough)


def listed(tested: Sequence[JudgedWindow], as_of: datetime, false_share: float) -> tuple[pa.Table, int]:
    """The rows of the customers to list, and how many were tested."""
    best: dict[str, tuple[float, JudgedWindow, int]] = {}
    tests: dict[str, int] = {}
    for one in tested:
        for position, (customer, p_value) in enumerate(
            zip(one.customers, one.p_values.tolist(), strict=True)
        ):
            tests[customer] = tests.get(customer, 0) + 1
            if customer not in best or p_value < best[customer][0]:
                best[customer] = p_value, one, position
    p_values = np.array([min(best[customer][0] * tests[customer], 1.0) for customer in best])
    q_values = adjusted(p_values)
    rows = [
        row_of(customer, *best[customer][1:], as_of, float(p_value), float(q_value))
        for customer, p_value, q_value in zip(best, p_values, q_values, strict=True)
        if q_value <= false_share
    ]
    rows.sort(key=lambda row: (row["p_value"], row["customer_id"]))
    return pa.Table.from_pylist(rows, COLUMNS), len(best)


def row_of(
    customer: str, tested: JudgedWindow, position: int, as_of: datetime, p_value: float, q_value: float
) -> Mapping[str, Any]:
    """One row of the list."""
    count = float(tested.counts.recent[position])
    expected = float(tested.usual.expected(tested.counts)[position])
    return {
        "customer_id": customer,
        "event_timestamp": as_of,
        "stream": tested.stream.name,
        "days": tested.counts.days,
        "count": int(count),
        "expected": expected,
        "change": "drop" if count < expected else "rise",
        "p_value": p_value,
        "q_value": q_value,
    }
