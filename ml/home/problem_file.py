"""The problem of a home: the last file of a build or a training.

A problem, a path or None comes in; a checked ``Problem`` goes out. ``<home>/problem.json`` has the path, and
the last path for each label, so that a build makes the labels of every problem of the home.
"""

import json
import os
from pathlib import Path
from typing import Any

from ml.common.durable_files import replace_file
from ml.common.errors import ProblemError
from ml.common.progress import SILENT, Progress
from ml.config.problem import CHURN, PROBLEM_FILE, LabelTerms, Problem, read_problem
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
    """Remember the file for later commands without a problem, and as the file of its label.

    Without a file the home's last one stays, and where there is none, ``problem.yml`` of the project is the
    file of its label.
    """
    remembered = read_file(home)
    if isinstance(problem, str | os.PathLike):
        file = Path(problem).resolve()
        remembered["problem"] = str(file)
    elif problem is None and "problem" not in remembered:
        file = PROBLEM_FILE
    else:
        return
    remembered["files"] = files_of(remembered) | {read_problem(file).label: str(file)}
    replace_file(home.root / FILE, json.dumps(remembered).encode())


def remembered_file(home: Home) -> Path | None:
    """The remembered file, if there is one."""
    file = read_file(home).get("problem")
    return Path(file) if isinstance(file, str) else None


def label_terms(home: Home, problem: Problem, progress: Progress = SILENT) -> LabelTerms:
    """The terms of every label that the home has a problem for, so that one build has all their labels.

    The terms of the churn label are those of the build; without a problem for it, those of ``problem``. Where
    two files are for one label, the last one counts.
    """
    problems = {problem.label: problem}
    for label, file in files_of(read_file(home)).items():
        if label in problems:
            continue
        try:
            problems[label] = read_problem(file)
        except ProblemError as error:
            progress.say(f"note: {label} is made with the terms of {problem.label}: {error}")
    terms = {label: other.label_terms() for label, other in problems.items()}
    return LabelTerms(terms.pop(CHURN, problem.label_terms()), terms)


def read_file(home: Home) -> dict[str, Any]:
    """The content of ``problem.json``; empty where there is none, or it cannot be read."""
    try:
        content = json.loads((home.root / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def files_of(remembered: dict[str, Any]) -> dict[str, str]:
    """The last problem file of each label."""
    files = remembered.get("files")
    return files if isinstance(files, dict) else {}
