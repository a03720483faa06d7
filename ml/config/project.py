"""A project of one's own: the files that come with the code, copied to be edited."""

import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from ml.common.errors import UsageError
from ml.common.paths import CODE, shipped_project

FILES = ("dbt_project", "feature_repo", "problem.yml", "actions.yml", "monitor.yml")
LEFT_OUT = shutil.ignore_patterns("target", "logs", "__pycache__", ".user.yml", "data")
# Files that a demo with raw tables of its own adds to a project, or puts in the place of the shipped ones.
DEMO_PROJECTS = CODE / "ml" / "demos" / "projects"
DECLARATIONS = "tables.yml"
SOURCES = Path("dbt_project", "models", "staging", "sources.yml")
LAST_ENTRY = "      - name: rejected_rows\n"
ORDERS = re.compile(r"      - name: orders\n.*?references: \{customer_id: customers\}\n", re.DOTALL)


def demos_with_projects() -> list[str]:
    """The demos whose raw tables the shipped project does not declare."""
    return sorted(path.name for path in DEMO_PROJECTS.iterdir() if path.is_dir())


def tables_of_demo(demo: str) -> list[str]:
    """The raw tables that such a demo declares."""
    return [table["name"] for table in yaml.safe_load((DEMO_PROJECTS / demo / DECLARATIONS).read_text())]


def write_project(folder: Path, source: Path | None = None, demo: str | None = None) -> dict[str, Any]:
    """Copy the project into a folder, which is made; with the tables, models and problem of a demo.

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
    if demo:
        add_demo(folder, DEMO_PROJECTS / demo)
    return {"folder": str(folder), "files": list(FILES)}


def add_demo(folder: Path, demo: Path) -> None:
    """Add a demo's files to a project, and declare its raw tables; orders become optional."""
    shutil.copytree(demo, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(DECLARATIONS))
    sources = folder / SOURCES
    text = ORDERS.sub(lambda match: match[0] + "            optional: true\n", sources.read_text())
    sources.write_text(text.replace(LAST_ENTRY, (demo / DECLARATIONS).read_text() + LAST_ENTRY))
