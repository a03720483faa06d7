"""Reports in the home: ``monitoring/<as-of>.json``, written whole or not at all."""

import json
from pathlib import Path
from typing import Any

from ml.common.durable_files import replace_file
from ml.config.problem import DEFAULT_NAME
from ml.home.layout import Home
from ml.monitor.report import MonitorReport

FOLDER = "monitoring"


def report_file(home: Home, as_of: str, problem: str = DEFAULT_NAME) -> Path:
    """Where the report of an instant is; those of another problem file are in a folder of its name."""
    folder = home.root / FOLDER
    return (folder if problem == DEFAULT_NAME else folder / problem) / f"{as_of.replace(':', '')}.json"


def write_report(home: Home, report: MonitorReport) -> Path:
    """Write a report; one of the same instant is replaced."""
    file = report_file(home, report.as_of, report.problem)
    replace_file(file, (json.dumps(report.as_dict()) + "\n").encode())
    return file


def last_report(home: Home, problem: str = DEFAULT_NAME) -> dict[str, Any] | None:
    """The report of the latest as-of instant; None where there is none that can be read."""
    folder = report_file(home, "", problem).parent
    for file in sorted(folder.glob("*.json"), reverse=True):
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(content, dict) and "alerts" in content:
            return content
    return None
