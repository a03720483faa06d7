"""A copy of the dbt project with faults in it."""

import shutil
from pathlib import Path
from typing import NamedTuple

from ml.common.paths import ROOT

PROJECT = ROOT / "dbt_project"


class Fault(NamedTuple):
    """One text in one file of the project, and what stands there instead."""

    file: str
    text: str
    instead: str


def planted(folder: Path, *faults: Fault) -> Path:
    """Copy the project to ``folder`` with ``faults`` in it; each text must be there once."""
    project = shutil.copytree(
        PROJECT, folder, ignore=shutil.ignore_patterns("target", "logs", "*_unit_tests.yml")
    )
    for fault in faults:
        file = project / fault.file
        before = file.read_text()
        assert before.count(fault.text) == 1, f"{fault.file} no longer says {fault.text!r} once"
        file.write_text(before.replace(fault.text, fault.instead))
        assert file.read_text() != before
    return project
