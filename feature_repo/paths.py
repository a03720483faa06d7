"""Where things are: the home folder, the published build inside it, the stores beside it.

Everything lives under one folder, ``CHURN_HOME`` (default ``var/`` at the root of the repository).
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def churn_home() -> Path:
    """The folder that holds all state."""
    return Path(os.environ.get("CHURN_HOME") or ROOT / "var").expanduser().resolve()


def published_build(home: Path | None = None) -> Path:
    """The folder of the build that readers see; it may not exist yet.

    The link is followed once, so that whoever asked keeps reading one whole build
    while a newer one is published.
    """
    return ((home or churn_home()) / "builds" / "current").resolve()


def feast_path(name: str, home: Path | None = None) -> Path:
    """Where one of Feast's own files is: ``name`` itself if absolute, else in ``<home>/feast``."""
    return (home or churn_home()) / "feast" / name
