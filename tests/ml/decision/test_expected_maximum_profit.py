"""EMPC against published values of other programs and against an integration that knows no hull."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta as beta_distribution

from ml.decision.expected_maximum_profit import PUBLISHED, Campaign, empc
from ml.decision.threshold_totals import ThresholdTotals

TEN = np.array([1.0, 1, 0, 0, 0, 1, 1, 1, 1, 0])
SCORES = [0.6125478, 0.364271, 0.4321361, 0.1402911, 0.3848959, 0.2444155, 0.9706413, 0.8901728, 0.7817814]
TEN_SCORES = np.array([*SCORES, 0.8687518])
EIGHT = np.array([0.0, 1, 0, 1, 0, 1, 0, 1])
EIGHT_SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9])


def empc_of(churned: np.ndarray, scores: np.ndarray, campaign: Campaign = PUBLISHED) -> float:
    totals = ThresholdTotals.of(churned, scores)
    one = ThresholdTotals(totals.thresholds, totals.hits[None], totals.flagged[None])
    return empc(one, campaign)[0]


def changed(**at: float) -> np.ndarray:
    scores = TEN_SCORES.copy()
    for place, score in at.items():
        scores[int(place[1:])] = score
    return scores


@pytest.mark.parametrize(
    ("churned", "scores", "expected"),
    [
        (EIGHT, EIGHT_SCORES, 23.875593418348124),
        (TEN, TEN_SCORES, 30.3003222629848),
        (TEN, changed(_0=0.287577520124614), 30.3001182343737),
        (TEN, changed(_0=0.287577520124614, _6=0.113703411305323), 29.2002764792561),
        (np.array([0.0, 1]), np.array([0.0, 1]), 28.0000000000391),
        (np.array([0.0, 1]), np.array([1.0, 0]), 22.5007912244511),
        (np.array([1.0, 0]), np.array([0.5, 0.5]), 22.5007912244511),
    ],
)
def test_published_values(churned: np.ndarray, scores: np.ndarray, expected: float) -> None:
    """The examples of empulse 0.5 (eight rows) and of the tests of proflogit (the others)."""
    assert empc_of(churned, scores) == pytest.approx(expected, abs=1e-10)


def best_of_all(churned: np.ndarray, scores: np.ndarray, campaign: Campaign) -> Callable[[float], float]:
    """The greatest profit over every threshold and nobody, given the share that takes the offer."""
    lists = [scores >= level for level in np.unique(scores)]
    counts = [(churned[flagged].sum(), (1 - churned[flagged]).sum()) for flagged in lists]
    kept = campaign.value_kept - campaign.offer

    def best(take_up: float) -> float:
        worth = [
            hits * (take_up * kept - campaign.contact) - misses * (campaign.offer + campaign.contact)
            for hits, misses in counts
        ]
        return max(0.0, *worth) / len(churned)

    return best


def integrated(churned: np.ndarray, scores: np.ndarray, campaign: Campaign) -> float:
    best = best_of_all(churned, scores, campaign)
    density = beta_distribution(campaign.alpha, campaign.beta).pdf
    edges = np.linspace(0, 1, 201)
    return sum(
        quad(lambda share: best(share) * density(share), low, high)[0] for low, high in pairwise(edges)
    )


@pytest.mark.parametrize(
    "campaign",
    [
        PUBLISHED,
        Campaign(alpha=2, beta=14),
        Campaign(alpha=6, beta=5),
        Campaign(value_kept=50),
        Campaign(offer=100),
        Campaign(contact=15),
        Campaign(alpha=10, beta=7, value_kept=300, offer=50, contact=25),
        Campaign(value_kept=10, offer=10),
    ],
)
@pytest.mark.parametrize("decimals", [1, 8])
def test_an_integration_over_all_thresholds_agrees(campaign: Campaign, decimals: int) -> None:
    random = np.random.default_rng(decimals)
    churned = (random.random(40) < 0.3).astype(float)
    scores = np.round(churned * 0.3 + random.random(40), decimals)
    assert empc_of(churned, scores, campaign) == pytest.approx(
        integrated(churned, scores, campaign), abs=1e-6
    )


def test_knowing_the_share_beforehand_cannot_earn_less() -> None:
    random = np.random.default_rng(5)
    for _ in range(20):
        churned = np.append((random.random(60) < 0.2).astype(float), [0, 1])
        scores = random.random(62)
        at_the_mean = best_of_all(churned, scores, PUBLISHED)(0.3)
        assert empc_of(churned, scores) >= at_the_mean - 1e-12
