"""Where evidence is kept: ``<home>/evidence/<model>.json``, replaced in one step, used while it fits."""

import json
from pathlib import Path
from typing import Any

from ml.common.disk import replace_file
from ml.evaluate.evidence import SHAPE
from ml.home.layout import Home
from ml.model.churn_model import ChurnModel

FOLDER = "evidence"


def evidence_file(home: Home, version: str) -> Path:
    """The file of one model."""
    return home.root / FOLDER / f"{version}.json"


def read_evidence(home: Home, model: ChurnModel) -> dict[str, Any] | None:
    """What is kept of this very model; None when there is nothing, or it is of another model or shape."""
    try:
        found = json.loads(evidence_file(home, model.version).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    fits = isinstance(found, dict) and (found.get("shape"), found.get("model_card")) == (
        SHAPE,
        model.facts["card"],
    )
    return found if fits else None


def write_evidence(home: Home, evidence: dict[str, Any]) -> dict[str, Any]:
    """Keep it; readers see the old file or the new one. Gives it as it will be read."""
    text = json.dumps(evidence, allow_nan=False)
    replace_file(evidence_file(home, evidence["model_version"]), f"{text}\n".encode())
    kept: dict[str, Any] = json.loads(text)
    return kept
