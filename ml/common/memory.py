"""The memory limit of DuckDB, beyond which it spills to disk: ``CHURN_MEMORY_LIMIT``, for all steps.

dbt's profile reads it too. Without it each step has a limit of its own.
"""

import os
import re

from ml.common.errors import UsageError

VARIABLE = "CHURN_MEMORY_LIMIT"
SIZE = re.compile(r"[1-9]\d*(\.\d+)? ?([KMGT]i?B)", re.IGNORECASE)


def memory_limit(usual: str) -> str:
    """The limit of a step: the environment's, else ``usual``.

    Raises
    ------
    UsageError
        The environment's is no size.
    """
    limit = os.environ.get(VARIABLE)
    if not limit:
        return usual
    if not SIZE.fullmatch(limit):
        raise UsageError(f"{VARIABLE} is {limit!r}: give a size such as 3GB or 512MB")
    return limit
