"""New segments continue earlier ones by their customers: pairs by hand."""

import numpy as np

from ml.segments.matching import matched_positions


def test_the_same_segments_in_another_order() -> None:
    earlier = np.array([0, 0, 1, 1, 2, 2, 2])
    fresh = np.array([2, 2, 0, 0, 1, 1, 1])
    assert matched_positions(fresh, earlier, 3, 3) == {2: 0, 0: 1, 1: 2}


def test_a_segment_that_is_half_gone_is_not_continued() -> None:
    earlier = np.array([0] * 10 + [1] * 10)
    # The new first segment has 9 of 10, and 3 of the other: 9 of the 13 in either. The second has 4 of 10,
    # the third 3: neither is half of what is in either.
    fresh = np.array([0] * 9 + [1] + [0] * 3 + [1] * 4 + [2] * 3)
    assert matched_positions(fresh, earlier, 3, 2) == {0: 0}


def test_the_best_pairs_in_all_and_not_the_best_one_first() -> None:
    # New 0 has 5 of earlier 0 and 6 of earlier 1, new 1 is in earlier 1: in all 0-0 and 1-1 overlap most.
    earlier = np.array([0] * 5 + [1] * 6 + [1] * 12)
    fresh = np.array([0] * 5 + [0] * 6 + [1] * 12)
    assert matched_positions(fresh, earlier, 2, 2) == {1: 1}
    earlier, fresh = np.array([0] * 7 + [1] * 18), np.array([0] * 12 + [1] * 13)
    assert matched_positions(fresh, earlier, 2, 2) == {0: 0, 1: 1}
