"""The performance of predictions whose outcomes are not known yet, under two assumptions side by side.

Covariate shift: who is asked has changed, what a probability means has not, so the calibrated probabilities
are the outcomes to expect (confidence-based performance estimation, NannyML, 2022). Label shift: the rate of
churn has changed, churners and the others look as before; the new rate comes from the predictions by
expectation and maximisation (Saerens, Latinne & Decaestecker, 2002). The truth may keep to neither.
"""

from dataclasses import dataclass

import numpy as np

from ml.common.array_types import Floats

STEPS_MAX = 1000
CLOSE = 1e-8


@dataclass(frozen=True)
class Expected:
    """What is expected of predictions: their churn rate, Brier score and ROC-AUC."""

    assumption: str
    rate: float
    brier: float
    roc_auc: float


def estimated_performance(probability: Floats, prior: float) -> list[Expected]:
    """Both estimates.

    Parameters
    ----------
    probability : array of shape (rows,)
        Calibrated probabilities.
    prior : float
        The churn rate for which they were calibrated.
    """
    if not len(probability):
        return []
    shifted = label_shift(probability, prior)
    return [
        expected("covariate shift", probability, probability),
        expected("label shift", probability, shifted),
    ]


def expected(assumption: str, probability: Floats, chance: Floats) -> Expected:
    """The figures of ``probability`` when each row churns with its own ``chance``."""
    brier = float((chance * (1 - probability) ** 2 + (1 - chance) * probability**2).mean())
    return Expected(assumption, float(chance.mean()), brier, expected_auc(probability, chance))


def expected_auc(probability: Floats, chance: Floats) -> float:
    """The ROC-AUC to expect: each row is in part a churner and in part not; ties count half."""
    order = np.argsort(probability, kind="stable")
    chance, ends = chance[order], np.append(np.diff(probability[order]) != 0, True)
    misses, hits = np.cumsum(1 - chance)[ends], np.cumsum(chance)[ends]
    if not misses[-1] or not hits[-1]:
        return float("nan")
    below = np.concatenate([[0.0], misses[:-1]])
    new_hits, new_misses = np.diff(hits, prepend=0.0), np.diff(misses, prepend=0.0)
    return float((new_hits * (below + new_misses / 2)).sum() / (hits[-1] * misses[-1]))


def label_shift(probability: Floats, prior: float) -> Floats:
    """The probabilities under the churn rate that explains them best.

    Parameters
    ----------
    probability : array of shape (rows,)
    prior : float
        Above 0 and below 1; else the probabilities come back as they are.
    """
    if not 0 < prior < 1:
        return probability
    rate, moved = prior, probability
    for _ in range(STEPS_MAX):
        churns = probability * rate / prior
        stays = (1 - probability) * (1 - rate) / (1 - prior)
        moved = np.divide(churns, churns + stays, out=probability.copy(), where=churns + stays > 0)
        before, rate = rate, float(moved.mean())
        if abs(rate - before) < CLOSE:
            break
    return moved
