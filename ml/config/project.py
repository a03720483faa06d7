"""A project of one's own: the files that come with the code, copied to be edited."""

import shutil
from pathlib import Path
from typing import Any

from ml.common.errors import UsageError
from ml.common.paths import shipped_project

FILES = ("dbt_project", "feature_repo", "problem.yml", "actions.yml")
LEFT_OUT = shutil.ignore_patterns("target", "logs", "__pycache__", ".user.yml", "data")


def write_project(folder: Path, source: Path | None = None) -> dict[str, Any]:
    """Copy the project into a folder, which is made.

    Raises
    ------
    UsageError
        One of the files is there already; nothing is written.
    """
    source, folder = source or shipped_project(), folder.expanduser().resolve()
    if there := [name for name in FILES if (folder / name).exists()]:
        raise UsageError(f"{folder} has {', '.join(there)} already: give another folder, nothing was written")
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name, ignore=LEFT_OUT)
        else:
            shutil.copyfile(source / name, folder / name)
    return {"folder": str(folder), "files": list(FILES)}
