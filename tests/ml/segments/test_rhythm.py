"""Counts against their own past: tails by hand, adjusted p-values by hand, placebo and planted changes."""

from fractions import Fraction
from math import comb, prod

import numpy as np
import pytest

from ml.segments.rhythm import Counts, Usual, adjusted, fit_precision, learn_usual


def counts(recent: list[float], past: list[float], days: int = 30, past_days: float = 300) -> Counts:
    return Counts(np.array(recent, float), np.array(past, float), np.full(len(past), past_days), days)


def rising(start: Fraction, times: int) -> Fraction:
    """start (start + 1) ... with so many factors."""
    return prod((start + step for step in range(times)), start=Fraction(1))


@pytest.mark.parametrize(("recent", "past"), [(0, 20), (1, 40), (9, 30), (2, 20), (0, 0), (5, 0)])
@pytest.mark.parametrize("level", [Fraction(1), Fraction(1, 2)])
@pytest.mark.parametrize("precision", [6, 2_000])
def test_p_values_are_exact_tails(recent: int, past: int, level: Fraction, precision: int) -> None:
    total, share = recent + past, level * 30 / (level * 30 + 300)
    alpha, beta = share * precision, (1 - share) * precision
    chances = [
        comb(total, count) * rising(alpha, count) * rising(beta, total - count) / rising(alpha + beta, total)
        for count in range(total + 1)
    ]
    assert sum(chances) == 1
    expected = min(1.0, 2 * float(min(sum(chances[: recent + 1]), sum(chances[recent:]))))
    (p_value,) = Usual(float(level), precision).p_values(counts([recent], [past]))
    assert p_value == pytest.approx(expected, rel=1e-6)


def test_expected_counts_and_level_by_hand() -> None:
    two = counts([3, 5], [20, 60])
    assert two.usual.tolist() == [2.0, 6.0]
    assert two.level() == 1.0
    assert Usual(0.5, 10).expected(two).tolist() == [1.0, 3.0]


def test_adjusted_p_values_by_hand() -> None:
    """Sorted .01, .02, .03, .5: times 4 / rank .04, .04, .04, .5; each no more than those after it."""
    assert adjusted(np.array([0.5, 0.03, 0.01, 0.02])) == pytest.approx([0.5, 0.04, 0.04, 0.04])
    assert adjusted(np.array([0.9, 0.8])) == pytest.approx([0.9, 0.9])
    assert adjusted(np.array([])).tolist() == []


def test_more_variation_than_chance_is_learned() -> None:
    generator = np.random.default_rng(3)
    rate = generator.exponential(0.3, 2_000)
    noise = generator.gamma(4, 1 / 4, 2_000)  # variance 1/4 beside that of chance
    even, uneven = (
        Counts(
            generator.poisson(rate * 90 * factor).astype(float),
            generator.poisson(rate * 365).astype(float),
            np.full(2_000, 365.0),
            90,
        )
        for factor in (1.0, noise)
    )
    assert fit_precision(even, 1.0) > 500
    assert 5 < fit_precision(uneven, 1.0) < 50


def test_leavers_are_no_low_level() -> None:
    """A third leaves in each window: the level of all falls to 2/3, that of those who stay is 1."""
    before = counts([2.0] * 60 + [0.0] * 30, [20.0] * 90)
    now = counts([2.0] * 60 + [0.0] * 30, [20.0] * 90)
    came_again = np.array([True] * 60 + [False] * 30)
    assert now.level() == pytest.approx(2 / 3)
    assert learn_usual(now, before, came_again).level == pytest.approx(1.0)
    # A season that halves the counts of everyone now is a level.
    half = counts([1.0] * 60 + [0.0] * 30, [20.0] * 90)
    assert learn_usual(half, before, came_again).level == pytest.approx(0.5)


def simulated(seed: int, planted: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """q-values of 600 customers of half an event a day, and which of them changed."""
    generator, size, days = np.random.default_rng(seed), 600, 90
    changed = np.arange(size) < planted
    first, middle, before = (generator.poisson(0.5 * span, size) for span in (days, 365 - days, days))
    recent = generator.poisson(0.5 * days * np.where(changed, factor, 1.0))
    span = np.full(size, 365.0)
    earlier = Counts(before.astype(float), (first + middle).astype(float), span, days)
    now = Counts(recent.astype(float), (middle + before).astype(float), span, days)
    return adjusted(learn_usual(now, earlier, recent > 0).p_values(now)), changed


def test_where_nothing_changes_hardly_anyone_is_listed() -> None:
    """At a false share of a tenth, at most about a tenth of such worlds list anyone."""
    listed = [int((simulated(seed, 0, 1.0)[0] <= 0.1).sum()) for seed in range(40)]
    assert sum(number > 0 for number in listed) <= 8  # 4 expected at most; above 8 once in 60 runs
    assert max(listed) <= 2


def test_planted_changes_are_listed_and_few_others() -> None:
    for factor in (0.2, 2.5):
        q_values, changed = simulated(7, 30, factor)
        listed = q_values <= 0.1
        assert (listed & changed).sum() == 30
        assert (listed & ~changed).sum() <= 6
