"""The cause of one difference, from what the value was and is in between."""

from typing import Any

import pytest

from ml.monitor.replay_causes import NOT_KNOWN, Evidence, causes_of, is_cast


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (3, 3.0, True),
        ("12.3400", 12.34, True),
        (True, 1, True),
        (0.1, 0.10000000149011612, True),  # in single precision
        ("2024-01-01T00:00:00Z", "2024-01-01", True),
        (3, 3, False),
        (0.1, 0.1000000001, False),
        (0.1, 0.2, False),
        (None, 0, False),
        ("Lyon", "Turin", False),
        ("2024-01-01T00:00:00Z", "2024-01-02", False),
    ],
)
def test_a_cast_changes_the_type_alone(one: Any, other: Any, same: bool) -> None:
    assert (is_cast(one, other), is_cast(other, one)) == (same, same)


MOVED = {"late row": 1}
BOTH = {"late row": 1, "correction": 2}


@pytest.mark.parametrize(
    ("evidence", "causes"),
    [
        # logged, now, own, then, reverted
        (Evidence(1, 2, own=1, then=1, reverted=MOVED), ("late row",)),
        (Evidence(1, 2, own=1, then=1, reverted={"erased": 1}), ("erased",)),
        (Evidence(1, 3, own=1, then=1, reverted=BOTH), ("late row", "correction")),
        (
            Evidence(1, 3, own=1, then=1, reverted={"late row": 2, "correction": 1}),
            ("correction", "late row"),
        ),
        (Evidence(1, 3, own=1, then=1, reverted={"late row": 3, "correction": 1}), ("correction",)),
        (
            Evidence("1", "13", own="1", then="1", reverted={"late row": "11", "correction": "3"}),
            ("correction", "late row"),
        ),
        (Evidence(1, 2, own=1, then=2), ("definition changed",)),
        (Evidence(1, 3, own=1, then=2, reverted={"late row": 2}), ("definition changed", "late row")),
        (Evidence(None, 0, own=None, then=0), ("null vs zero",)),
        (Evidence(1, 1.0, own=1, then=1), ("cast",)),
        (Evidence(1, 2.0, own=1, then=1.0, reverted={"late row": 1.0}), ("cast", "late row")),
        (Evidence(7, 1, own=1, then=1), ("store",)),
        (Evidence(7, 2, own=1, then=1, reverted=MOVED), ("store", "late row")),
        (Evidence(None, 0, own=0, then=0), ("null vs zero",)),
        (Evidence(None, 4, own=4, then=4), ("store",)),
        (Evidence(None, 4, own=4, then=4, is_expired=True), ("time-to-live",)),
        # the logged build is gone
        (Evidence(1, 2, then=1, reverted=MOVED), ("late row",)),
        (Evidence(1, 2, then=2, is_redefined=True), ("definition changed",)),
        (Evidence(1, 2, then=2), ("unknown",)),
        (Evidence(1, 2), ("unknown",)),
    ],
)
def test_the_cause_that_explains_most_comes_first(evidence: Evidence, causes: tuple[str, ...]) -> None:
    assert causes_of(evidence) == causes


def test_null_is_a_value_and_no_value_is_none() -> None:
    assert Evidence(None, 1).own is NOT_KNOWN
    assert causes_of(Evidence(None, 1, own=None, then=None, reverted={"late row": None})) == ("late row",)
