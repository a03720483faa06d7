"""The problem of a home: the last file of a build or a training.

A problem, a path or None comes in; a checked ``Problem`` goes out. ``<home>/problem.json`` has the path.
"""

import json
import os
from pathlib import Path

from ml.common.durable_files import replace_file
from ml.common.errors import ProblemError
from ml.common.progress import SILENT, Progress
from ml.config.problem import Problem, read_problem
from ml.home.layout import Home

FILE = "problem.json"


def problem_for(
    home: Home, problem: Problem | str | Path | None = None, progress: Progress = SILENT
) -> Problem:
    """The problem itself, or that of the given file, the remembered one, or the project's, in this order.

    Raises
    ------
    ProblemError
        The file is gone, or has no usable problem.
    """
    if isinstance(problem, Problem):
        return problem
    remembered = None if problem else remembered_file(home)
    if remembered:
        progress.say(f"problem: {remembered}, as given to this home before")
        if not remembered.is_file():
            raise ProblemError(
                f"{remembered}, which this home was built or trained with, is gone: name another with "
                "--problem FILE"
            )
    return read_problem(problem or remembered)


def remember_problem(home: Home, problem: Problem | str | Path | None) -> None:
    """Remember the file for later commands without a problem."""
    if isinstance(problem, str | os.PathLike):
        content = json.dumps({"problem": str(Path(problem).resolve())})
        replace_file(home.root / FILE, content.encode())


def remembered_file(home: Home) -> Path | None:
    """The remembered file, if there is one."""
    try:
        return Path(json.loads((home.root / FILE).read_text(encoding="utf-8"))["problem"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
