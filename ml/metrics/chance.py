"""Whether a model ranks better than chance: one verdict, which training, scores, pages and doctor follow."""

from collections.abc import Mapping
from typing import Any

from ml.common.errors import ModelError

PRIOR = "prior"  # the candidate that gives everybody the churn rate
CHANCE = 0.5  # ROC-AUC of an order drawn at random
NO_BETTER_THAN_CHANCE = "no model ranks better than chance; do not use these scores"


def ranks_better_than_chance(facts: Mapping[str, Any]) -> bool:
    """Whether the champion is a model at all, and the 95 % interval of its test ROC-AUC lies above 0.5.

    Parameters
    ----------
    facts : mapping
        A model's manifest: ``champion``, and ``test`` with every candidate's metrics.
    """
    champion = facts["champion"]
    return bool(champion != PRIOR and facts["test"]["candidates"][champion]["roc_auc"]["low"] > CHANCE)


def check_better_than_chance(facts: Mapping[str, Any]) -> None:
    """ModelError where scores of this model would mean nothing."""
    if not ranks_better_than_chance(facts):
        raise ModelError(f"{facts['model_version']}: {NO_BETTER_THAN_CHANCE} ('churn evaluate' shows why)")
