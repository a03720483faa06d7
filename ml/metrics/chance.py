"""Whether a model ranks better than chance: one rule for training, scores, pages and doctor."""

from collections.abc import Mapping
from typing import Any

from ml.common.errors import ModelError

MEAN = "mean"  # the candidate that gives every customer the mean amount
PRIOR = "prior"  # the candidate that gives every customer the churn rate
CHANCE = 0.5  # ROC-AUC of a random order
NO_BETTER_THAN_CHANCE = "no model ranks better than chance; do not use these scores"


def ranks_better_than_chance(facts: Mapping[str, Any]) -> bool:
    """Whether the champion is a model at all, and ranks the test rows better than chance.

    The 95 % interval of its ROC-AUC lies above 0.5, or for amounts that of its Gini index above 0.

    Parameters
    ----------
    facts : mapping
        A model's manifest: ``champion``, and ``test`` with every candidate's metrics.
    """
    champion = facts["champion"]
    metrics = facts["test"]["candidates"][champion]
    if "gini" in metrics:
        return bool(champion != MEAN and metrics["gini"]["low"] > 0)
    return bool(champion != PRIOR and metrics["roc_auc"]["low"] > CHANCE)


def check_better_than_chance(facts: Mapping[str, Any]) -> None:
    """ModelError if the model does not rank better than chance."""
    if not ranks_better_than_chance(facts):
        raise ModelError(f"{facts['model_version']}: {NO_BETTER_THAN_CHANCE} ('churn evaluate' shows why)")
