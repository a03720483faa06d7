"""Demos with raw tables of their own: their project goes to the home, and the command runs in it."""

import os
import sys

from ml.common.errors import UsageError
from ml.common.paths import HOME_PROJECT, project_of_home
from ml.common.progress import Progress
from ml.config.project import demos_with_projects, tables_of_demo, write_project
from ml.home.layout import Home
from ml.ingest.declaration import raw_tables


def enter_project(demo: str, home: Home, progress: Progress) -> None:
    """Restart the command in the demo's project, written to the home, unless this one declares its tables.

    Raises
    ------
    UsageError
        The home has the project of another demo.
    """
    if demo not in demos_with_projects():
        if project_of_home(home.root):
            raise UsageError(
                f"{home.root} works with the project in {home.root / HOME_PROJECT}, which is not that of "
                f"{demo}: give another --home"
            )
        return
    if {*tables_of_demo(demo)} <= {table.name for table in raw_tables()}:
        return
    folder = home.root / HOME_PROJECT
    if not project_of_home(home.root):
        write_project(folder, demo=demo)
        progress.say(f"wrote the project of the demo to {folder}: commands with this home use it")
    os.environ |= {"CHURN_PROJECT": str(folder), "CHURN_HOME": str(home.root)}
    # The paths of the project are settled when the code is loaded.
    os.execv(sys.executable, [sys.executable, "-m", "ml", *sys.argv[1:]])
