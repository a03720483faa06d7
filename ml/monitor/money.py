"""What an alarm may cost: the profit that a week's contacts would lose, by the costs of the problem."""

from dataclasses import dataclass

import numpy as np

from ml.common.array_types import Flags, Floats
from ml.decision.contact_profit import gain, loss
from ml.model.churn_model import ChurnModel
from ml.monitor.weeks import WEEK, ScoredRows


@dataclass(frozen=True)
class ProfitAtRisk:
    """Money of one week of contacts.

    Parameters
    ----------
    usual : float
        What the contacts of the weeks before were expected to earn.
    if_scores_hold : float
        What those of this week earn if its scores are right.
    if_customers_are_as_before : float
        What they earn if the scores are wrong and the customers churn as those before, rank by rank.
    """

    usual: float
    if_scores_hold: float
    if_customers_are_as_before: float

    @property
    def at_risk(self) -> float:
        """The larger loss of the two readings, not below 0."""
        return max(0.0, self.usual - min(self.if_scores_hold, self.if_customers_are_as_before))


def profit_at_risk(
    scored: ScoredRows, population: Floats, model: ChurnModel, span: int, threshold_rule: str
) -> ProfitAtRisk | None:
    """The profit of this week's contacts; None where the problem's threshold does not follow from costs."""
    if threshold_rule != "profit":
        return None
    week, prediction = scored.rows[WEEK].to_numpy(), scored.prediction
    last = len(population) - 1
    now, before = prediction[week == last], prediction[(week < last) & (week >= last - span)]
    if not len(now) or not len(before):
        return None
    scale = 7 / model.problem.refresh_days
    usual_rows = float(np.mean(population[max(0, last - span) : last]))
    as_before = np.quantile(before, (np.argsort(np.argsort(now, kind="stable")) + 0.5) / len(now))
    flagged = model.decision(now)
    costs = model.problem.costs

    def earned(chance: Floats, contacted: Flags, rows: float) -> float:
        each = np.where(contacted, chance * gain(costs) - (1 - chance) * loss(costs), 0.0)
        return float(each.mean()) * rows * scale

    return ProfitAtRisk(
        usual=earned(before, model.decision(before), usual_rows),
        if_scores_hold=earned(now, flagged, float(population[last])),
        if_customers_are_as_before=earned(as_before, flagged, float(population[last])),
    )
