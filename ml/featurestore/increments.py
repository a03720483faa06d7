"""Which customers' rows a later build says otherwise than an earlier one, up to an instant both know.

A build made as an increment keeps, beside its features, whom each step since an earlier whole build touched
(``changes/<build>.touched.parquet``), whose history it restated (``changes/<build>.restated.parquet``), and
``changes/steps.json``, oldest step first: each with the build it made, the build it was added to and the
instant up to which rows of the latter were history.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CHANGES, STEPS = "changes", "steps.json"


def is_build(view: Any) -> bool:
    """Whether a view's source is a table of a build."""
    path = Path(getattr(view.batch_source, "path", None) or "")
    return path.parent.name == "features" and path.parents[1].parent.name == "builds"


def steps_of(build: Path) -> list[dict[str, Any]]:
    """The steps that lead to a build; none where it was made as a whole, or where they cannot be read."""
    try:
        steps: list[dict[str, Any]] = json.loads((build / CHANGES / STEPS).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []
    return steps


def changed_since(held: Path, present: Path, since: datetime) -> list[str] | None:
    """The files of the customers whose rows up to ``since`` may differ between two sources.

    Parameters
    ----------
    held, present : Path
        The same table in two builds, ``<build>/features/<table>``: what is online, and what shall be.
    since : datetime
        The instant as of which the first is online, UTC.

    Returns
    -------
    list of str or None
        Empty when there are no such customers; None when nothing is known, so that everything may differ.
    """
    if held.parent.parent.parent != present.parent.parent.parent or held.name != present.name:
        return None
    build, wanted, files = present.parents[1], held.parents[1].name, []
    steps = {step["build"]: step for step in steps_of(build)}
    name = build.name
    while name != wanted:
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
