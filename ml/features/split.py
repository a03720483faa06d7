"""The split by time of labelled cut-offs into training, validation and test, with gaps between them.

A label at ``t`` depends on orders up to ``t + horizon`` and is settled ``label_delay`` later. So each part
begins only when every label of the part before it is settled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.common.errors import ModelError, NotReadyError
from ml.common.instants import format_instant
from ml.common.number_words import counted
from ml.config.problem import Problem

PARTS = ("train", "validation", "test")
MOST_BURN_IN = 0.25  # of the cut-offs to learn from


@dataclass(frozen=True)
class TimeSplit:
    """Cut-offs by part, each tuple ascending.

    ``left_out`` are those in the two gaps, ``burn_in`` the first ones where nobody learns from them.
    """

    train: tuple[datetime, ...]
    validation: tuple[datetime, ...]
    test: tuple[datetime, ...]
    left_out: tuple[datetime, ...]
    burn_in: tuple[datetime, ...] = ()

    def part_of(self) -> dict[datetime, str]:
        """Cut-off to part, without those left out."""
        return {cutoff: part for part in PARTS for cutoff in getattr(self, part)}

    def as_dict(self) -> dict[str, Any]:
        """First and last cut-off and their number, by part, for JSON."""
        return {part: span(getattr(self, part)) for part in (*PARTS, "left_out", "burn_in")}

    def after_burn_in(self, days: int) -> "TimeSplit":
        """Without the training cut-offs of the first ``days``; see ``count_burn_in``."""
        number = count_burn_in(self.train, days)
        return replace(self, train=self.train[number:], burn_in=self.train[:number])


def count_burn_in(cutoffs: Sequence[datetime], days: int) -> int:
    """How many of the cut-offs are within the first ``days``; a quarter of them at most."""
    first = cutoffs[0] + timedelta(days=days)
    return min(sum(cutoff < first for cutoff in cutoffs), int(MOST_BURN_IN * len(cutoffs)))


def span(cutoffs: tuple[datetime, ...]) -> dict[str, Any]:
    """Number of cut-offs, the first and the last."""
    first, last = (format_instant(cutoffs[0]), format_instant(cutoffs[-1])) if cutoffs else (None, None)
    return {"cutoffs": len(cutoffs), "first": first, "last": last}


def split_by_time(cutoffs: Sequence[datetime], problem: Problem) -> TimeSplit:
    """Split ascending labelled cut-offs: test is the last, validation before it, training the rest.

    The shares in ``problem.split`` are of the cut-offs outside both gaps.

    Raises
    ------
    NotReadyError
        There are too few cut-offs for three parts and two gaps.
    """
    gap = problem.gap
    between = -(-problem.gap_days // problem.cutoff_every_days) - 1
    usable = len(cutoffs) - 2 * between
    if usable < len(PARTS):
        raise too_few(len(cutoffs), 2 * between + len(PARTS), problem)
    tests = share_of(usable, problem.split.test, usable - 2)
    validations = share_of(usable, problem.split.validation, usable - tests - 1)
    test = cutoffs[-tests:]
    before_test = [cutoff for cutoff in cutoffs if cutoff + gap <= test[0]]
    validation = before_test[-validations:]
    train = [cutoff for cutoff in before_test if validation and cutoff + gap <= validation[0]]
    if not train:
        raise too_few(len(cutoffs), 2 * between + len(PARTS), problem)
    used = {*train, *validation, *test}
    left_out = tuple(cutoff for cutoff in cutoffs if cutoff not in used)
    split = TimeSplit(tuple(train), tuple(validation), tuple(test), left_out)
    check_split(split, problem)
    return split


def split_rows(rows: Mapping[datetime, int], problem: Problem) -> TimeSplit:
    """Split arbitrary instants by their numbers of rows, near to the shares of the problem.

    All rows of one instant are in one part. For each possible beginning of the test part, validation begins
    where its rows are nearest to the problem's proportion to the test rows; of these pairs the one is taken
    whose shares of the rows outside the gaps are nearest to those in ``problem.split``.

    Parameters
    ----------
    rows : mapping
        Instant to its number of rows, ascending.

    Raises
    ------
    NotReadyError
        The instants are too few, or too close together, for three parts and two gaps.
    """
    instants = list(rows)
    at = np.array(instants, dtype="datetime64[us]")
    before = np.concatenate([[0], np.cumsum(list(rows.values()), dtype=np.int64)])
    settled = np.searchsorted(at, at - np.timedelta64(problem.gap), side="right")
    begins = best_beginnings(before, settled, problem) if len(at) else None
    if begins is None:
        raise too_close(instants, problem)
    validation, test = begins
    split = TimeSplit(
        tuple(instants[: settled[validation]]),
        tuple(instants[validation : settled[test]]),
        tuple(instants[test:]),
        tuple(instants[settled[validation] : validation] + instants[settled[test] : test]),
    )
    check_split(split, problem)
    return split


def best_beginnings(
    before: NDArray[np.int64], settled: NDArray[np.intp], problem: Problem
) -> tuple[int, int] | None:
    """The indices of the instants at which validation and test begin; None if there are none.

    Parameters
    ----------
    before : array of shape (instants + 1,)
        Rows before each instant, then all.
    settled : array of shape (instants,)
        Number of instants whose labels are settled at each one.
    """
    shares, tests = problem.split, np.flatnonzero(settled)
    latest = settled[tests] - 1
    target = (before[-1] - before[tests]) * (shares.validation / shares.test)
    in_proportion = np.clip(nearest(before, before[latest + 1] - target), 0, latest)
    # The latest beginning leaves most rows to train on: it is possible wherever any is.
    test, validation = np.concatenate([tests, tests]), np.concatenate([in_proportion, latest])
    possible = settled[validation] > 0
    test, validation = test[possible], validation[possible]
    if not len(test):
        return None
    parts = np.array([before[settled[test]] - before[validation], before[-1] - before[test]])
    used = before[settled[validation]] + parts.sum(axis=0)
    distance = np.abs(parts / used - [[shares.validation], [shares.test]]).sum(axis=0)
    best = int(np.argmin(distance))
    return int(validation[best]), int(test[best])


def nearest(ascending: NDArray[np.int64], targets: NDArray[np.float64]) -> NDArray[np.intp]:
    """The index of the value nearest to each target."""
    after = np.clip(np.searchsorted(ascending, targets), 1, len(ascending) - 1)
    return after - (targets - ascending[after - 1] <= ascending[after] - targets)


def too_close(instants: Sequence[datetime], problem: Problem) -> NotReadyError:
    where = f" from {format_instant(instants[0])} to {format_instant(instants[-1])}" if instants else ""
    return NotReadyError(
        f"{counted(len(instants), 'different event_timestamp')}{where} give no training, validation and test "
        f"with {problem.gap_days} days between them (horizon_days and label_delay_days of the problem): "
        "label rows over a longer time, or make horizon_days smaller and build again"
    )


def share_of(usable: int, share: float, most: int) -> int:
    """A part's number of cut-offs: at least one, at most ``most``, so that the other parts have one too."""
    return max(1, min(round(usable * share), most))


def check_split(split: TimeSplit, problem: Problem) -> None:
    """Check that no label of one part depends on orders of a later part.

    Raises
    ------
    ModelError
        A cut-off's horizon and label delay end after a later part has begun.
    """
    gap = problem.gap
    for earlier, later in (("train", "validation"), ("validation", "test"), ("train", "test")):
        settled, begins = max(getattr(split, earlier)) + gap, min(getattr(split, later))
        if settled > begins:
            raise ModelError(
                f"the split leaks: a {earlier} label is settled only at {format_instant(settled)}, after "
                f"{later} begins at {format_instant(begins)}; leave {problem.gap_days} days between them"
            )


def too_few(cutoffs: int, needed: int, problem: Problem) -> NotReadyError:
    return NotReadyError(
        f"{cutoffs} labelled cut-offs are too few for training, validation and test with {problem.gap_days} "
        f"days between them: at least {needed} are needed; load a longer history, or make horizon_days or "
        "cutoff_every_days smaller and build again"
    )
