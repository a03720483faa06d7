"""The customers whose rows differ between two builds, up to an instant that both cover.

A build made as an increment has, for each step since the last whole build, the customers that the step
touched (``changes/<build>.touched.parquet``), those whose history it restated
(``changes/<build>.restated.parquet``), and an entry in ``changes/steps.json``, the oldest step first: the
build of the step, the build it was added to, and the instant up to which rows of the latter were history.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CHANGES, STEPS = "changes", "steps.json"


def steps_of(build: Path) -> list[dict[str, Any]]:
    """The steps that lead to a build; none if it was made as a whole, or if they cannot be read."""
    try:
        steps: list[dict[str, Any]] = json.loads((build / CHANGES / STEPS).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []
    return steps


def changed_since(old: Path, new: Path, since: datetime) -> list[str] | None:
    """The files of the customers whose rows up to ``since`` may differ between two sources.

    Parameters
    ----------
    old, new : Path
        The same table in two builds, ``<build>/features/<table>``: the one online, and the one to load.
    since : datetime
        The instant as of which the first is online, UTC.

    Returns
    -------
    list of str or None
        Empty if there are no such customers; None if the steps are unknown, so that everything may differ.
    """
    if old.parent.parent.parent != new.parent.parent.parent or old.name != new.name:
        return None
    build, old_build, files = new.parents[1], old.parents[1].name, []
    steps = {step["build"]: step for step in steps_of(build)}
    name = build.name
    while name != old_build:
        step = steps.pop(name, None)
        if step is None or step["base"] is None:
            return None
        history = datetime.fromisoformat(step["split_at"].replace("Z", "+00:00")).astimezone(UTC)
        kind = "restated" if since <= history else "touched"
        file = build / CHANGES / f"{name}.{kind}.parquet"
        if not file.exists():
            return None
        files.append(str(file))
        name = step["base"]
    return files
