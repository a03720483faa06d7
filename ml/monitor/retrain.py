"""Whether a new training is due, by the policy in ``monitor.yml``."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ml.monitor.groups import PERFORMANCE, SCORE
from ml.monitor.settings import Retrain


def retrain_due(
    policy: Retrain, trained_at: datetime, as_of: datetime, groups: Sequence[str]
) -> tuple[bool, str]:
    """Whether, and why or why not.

    Parameters
    ----------
    trained_at : datetime
        The data clock of the champion's training.
    groups : sequence of str
        The groups that page.
    """
    days = (as_of - trained_at) / timedelta(days=1)
    if policy.when_performance_alarm and PERFORMANCE in groups:
        return True, "the realised performance is worse than the evaluated one"
    if policy.when_score_alarm and SCORE in groups:
        return True, "the score has drifted"
    if policy.every_days is not None and days >= policy.every_days:
        return (
            True,
            f"the champion is of data {days:.0f} days old, and the policy says every {policy.every_days}",
        )
    return False, f"no reason of the policy holds; the champion is of data {max(days, 0):.0f} days old"
