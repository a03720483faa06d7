"""The file of evidence, ``<home>/evidence/<model>.json``, replaced in one step, used while it is current."""

import json
from pathlib import Path
from typing import Any

from ml.common.durable_files import replace_file
from ml.evaluate.evidence_schema import SHAPE
from ml.home.layout import Home
from ml.model.churn_model import ChurnModel

FOLDER = "evidence"


def evidence_file(home: Home, version: str) -> Path:
    return home.root / FOLDER / f"{version}.json"


def read_evidence(home: Home, model: ChurnModel) -> dict[str, Any] | None:
    """The stored evidence of this model; None if there is none, or it is of another manifest or shape."""
    try:
        evidence = json.loads(evidence_file(home, model.version).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    expected = (SHAPE, model.facts["card"])
    if isinstance(evidence, dict) and (evidence.get("shape"), evidence.get("model_card")) == expected:
        return evidence
    return None


def write_evidence(home: Home, evidence: dict[str, Any]) -> dict[str, Any]:
    """Store the evidence and return it as ``read_evidence`` will."""
    text = json.dumps(evidence, allow_nan=False)
    replace_file(evidence_file(home, evidence["model_version"]), f"{text}\n".encode())
    stored: dict[str, Any] = json.loads(text)
    return stored
