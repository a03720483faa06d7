"""Which problem a home answers: the file given last to a build or a training, until another is given.

A problem, a path or nothing comes in; a checked ``Problem`` goes out. ``<home>/problem.json`` has the path.
"""

import json
import os
from pathlib import Path

from ml.common.disk import replace_file
from ml.common.errors import ProblemError
from ml.common.progress import SILENT, Progress
from ml.config.problem import Problem, read_problem
from ml.home.layout import Home

REMEMBERED = "problem.json"


def problem_for(
    home: Home, given: Problem | str | Path | None = None, progress: Progress = SILENT
) -> Problem:
    """The problem itself, or that of the file given, remembered, or in the project; in this order.

    Raises
    ------
    ProblemError
        The file is gone, or states no usable problem.
    """
    if isinstance(given, Problem):
        return given
    remembered = None if given else remembered_file(home)
    if remembered:
        progress.say(f"problem: {remembered}, as given to this home before")
        if not remembered.is_file():
            raise ProblemError(
                f"{remembered}, which this home was built or trained with, is gone: name another with "
                "--problem FILE"
            )
    return read_problem(given or remembered)


def remember_problem(home: Home, given: Problem | str | Path | None) -> None:
    """Let later commands without a problem answer this file's."""
    if isinstance(given, str | os.PathLike):
        content = json.dumps({"problem": str(Path(given).resolve())})
        replace_file(home.root / REMEMBERED, content.encode())


def remembered_file(home: Home) -> Path | None:
    """The file given last, if any was."""
    try:
        return Path(json.loads((home.root / REMEMBERED).read_text(encoding="utf-8"))["problem"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
