"""A model's manifest as MLflow keeps it: parameters (settings), metrics (results), tags (origin)."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 500
MANIFEST_TAG = "tidemark.card"


def parameters(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The problem, the choice and how it was trained, as flat text; long lists are in the manifest alone."""
    asked = {
        "candidate": manifest["kind"],
        "seed": manifest.get("seed"),
        "inputs": len(manifest["inputs"]),
        "problem": manifest["problem"],
        "calibration": manifest["calibration"],
        "tuning": manifest.get("tuning"),
    }
    texts = {name: str(value) for name, value in flat(asked) if value is not None}
    return {name: text for name, text in texts.items() if len(text) <= LONGEST}


def metrics(manifest: Mapping[str, Any]) -> dict[str, float]:
    """Every number of the evidence; those of the champion on the test part also under their plain names."""
    test = manifest.get("test", {})
    own = test.get("candidates", {}).get(manifest["kind"], {})
    found = {name: measured["value"] for name, measured in own.items() if isinstance(measured, Mapping)}
    groups = {
        "test": test,
        "selection": {row["candidate"]: row for row in manifest.get("selection", [])},
        "parts": manifest.get("parts", {}),
        "threshold": manifest["threshold"],
        "promotion": (manifest.get("promotion") or {}).get("difference"),
    }
    numbers = {name: value for name, value in flat(groups, "/") if is_number(value)}
    return {metric_name(name): float(value) for name, value in (found | numbers).items()}


def tags(manifest: Mapping[str, Any], version: str) -> dict[str, str]:
    """Where the model comes from: what one needs to repeat it, or to find it again."""
    known = {
        "model_version": version,
        "card": manifest["card"],
        "build_id": manifest.get("build_id"),
        "data_clock": manifest.get("data_clock"),
        "service_hash": manifest.get("service_hash"),
        "dataset": manifest.get("dataset"),
        "code": manifest.get("code"),
        "versions": manifest.get("versions"),
        "promotion": (manifest.get("promotion") or {}).get("why"),
    }
    found = {f"tidemark.{name}": str(value) for name, value in flat(known) if value is not None}
    commit = found.get("tidemark.code.commit")
    return found | ({"mlflow.source.git.commit": commit.removesuffix("-dirty")} if commit else {})


def flat(values: Any, between: str = ".", above: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings with their whole names; a list stays one value."""
    if not isinstance(values, Mapping):
        yield above, values
        return
    for name, value in values.items():
        yield from flat(value, between, f"{above}{between}{name}" if above else str(name))


def is_number(value: Any) -> bool:
    """Whether MLflow can draw it."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def metric_name(name: str) -> str:
    """A name that MLflow accepts."""
    return re.sub(r"[^\w./ :-]", "_", name, flags=re.ASCII)
