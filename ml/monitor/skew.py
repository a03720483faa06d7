"""Online values beside offline ones at the same instant: the audit's check, in a sentence."""

import tempfile
from pathlib import Path

from ml.common.errors import TidemarkError
from ml.config.problem import Problem
from ml.home.layout import Home

SECONDS = 60


def skew(home: Home, problem: Problem) -> str:
    """What the comparison found; why there is none where nothing is online."""
    from ml.audit.all_checks import audit
    from ml.featurestore.online.status import online_views

    try:
        is_online = bool(online_views(home.root))
    except TidemarkError as error:
        return f"not compared: {error}"
    if not is_online or not any(home.raw.glob("load-*")):
        return "not compared: nothing is online"
    try:
        with tempfile.TemporaryDirectory(prefix="tidemark-") as folder:
            page = Path(folder, "audit.html")
            result = audit(home=home, problem=problem, only=["online"], seconds=SECONDS, out=page)
    except TidemarkError as error:
        return f"not compared: {error}"
    (check,) = result["checks"]
    if check["breaches"]:
        return f"BREACH: {check['breaches'][0]['what']}"
    return check["detail"] or check["skipped"] or "not compared"
