"""The split by time, at its edges."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ml.common.errors import ModelError, NotReadyError
from ml.config.problem import Problem, Split
from ml.features.split import TimeSplit, check_split, split_by_time

PROBLEM = Problem()
WEEK = timedelta(days=7)
START = datetime(2024, 1, 1)


def weekly(number: int) -> list[datetime]:
    return [START + WEEK * week for week in range(number)]


def test_twenty_eight_weeks_leave_four_out_in_each_gap() -> None:
    split = split_by_time(weekly(28), PROBLEM)
    assert split.test == tuple(weekly(28)[24:])
    assert split.validation == tuple(weekly(28)[16:20])
    assert split.train == tuple(weekly(28)[:12])
    assert split.left_out == tuple(weekly(28)[12:16] + weekly(28)[20:24])


def test_the_next_part_may_begin_exactly_when_the_last_label_is_settled() -> None:
    split = split_by_time(
        [START + timedelta(days=10 * n) for n in range(9)], replace(PROBLEM, cutoff_every_days=10)
    )
    assert max(split.train) + timedelta(days=30) == min(split.validation)
    assert max(split.validation) + timedelta(days=30) == min(split.test)


def test_the_label_delay_widens_the_gap() -> None:
    split = split_by_time(weekly(40), replace(PROBLEM, label_delay_days=6))
    assert min(split.validation) - max(split.train) == timedelta(days=42)


def test_eleven_weeks_are_enough_and_ten_are_not() -> None:
    split = split_by_time(weekly(11), PROBLEM)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [1, 1, 1]
    with pytest.raises(NotReadyError, match=r"10 labelled cut-offs are too few.*at least 11 are needed"):
        split_by_time(weekly(10), PROBLEM)
    with pytest.raises(NotReadyError, match="0 labelled cut-offs"):
        split_by_time([], PROBLEM)


def test_shares_that_round_up_still_leave_something_to_train_on() -> None:
    split = split_by_time(weekly(12), replace(PROBLEM, split=Split(0.45, 0.45)))
    assert split.train == (START,)


def test_a_hole_in_the_cut_offs_does_not_close_the_gap() -> None:
    holed = [cutoff for week, cutoff in enumerate(weekly(40)) if week not in range(20, 24)]
    check_split(split_by_time(holed, PROBLEM), PROBLEM)


def test_a_leaky_split_is_found() -> None:
    weeks = weekly(12)
    leaky = TimeSplit((weeks[0], weeks[1]), (weeks[5],), (weeks[11],), ())
    with pytest.raises(
        ModelError, match=r"a train label is settled only at 2024-02-07.*after validation begins"
    ):
        check_split(leaky, PROBLEM)


def test_the_whole_is_told_by_first_last_and_number() -> None:
    told = split_by_time(weekly(28), PROBLEM).as_dict()
    assert told["test"] == {"cutoffs": 4, "first": "2024-06-17T00:00:00Z", "last": "2024-07-08T00:00:00Z"}
    assert told["left_out"]["cutoffs"] == 8
