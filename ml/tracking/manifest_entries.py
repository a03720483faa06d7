"""A model's manifest in MLflow's terms: parameters (settings), metrics (results), tags (origin)."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 500  # characters of a parameter; older MLflow servers refuse longer ones
MANIFEST_TAG = "tidemark.card"


def parameters(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Candidate, problem, calibration and tuning as flat text; long lists are in the manifest alone."""
    settings = {
        "candidate": manifest["kind"],
        "seed": manifest.get("seed"),
        "inputs": len(manifest["inputs"]),
        "problem": manifest["problem"],
        "calibration": manifest.get("calibration"),
        "tuning": manifest.get("tuning"),
    }
    texts = {name: str(value) for name, value in flatten(settings) if value is not None}
    return {name: text for name, text in texts.items() if len(text) <= LONGEST}


def metrics(manifest: Mapping[str, Any]) -> dict[str, float]:
    """Every number of the evidence; those of the champion on the test part also under their plain names."""
    test = manifest.get("test", {})
    own = test.get("candidates", {}).get(manifest["kind"], {})
    plain = {name: interval["value"] for name, interval in own.items() if isinstance(interval, Mapping)}
    groups = {
        "test": test,
        "selection": {row["candidate"]: row for row in manifest.get("selection", [])},
        "parts": manifest.get("parts", {}),
        "threshold": manifest.get("threshold"),
        "promotion": (manifest.get("promotion") or {}).get("difference"),
    }
    numbers = {name: value for name, value in flatten(groups, "/") if is_finite(value)}
    return {metric_name(name): float(value) for name, value in (plain | numbers).items()}


def tags(manifest: Mapping[str, Any], version: str) -> dict[str, str]:
    """The model's origin, by which it can be repeated or found."""
    origin = {
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
    entries = {f"tidemark.{name}": str(value) for name, value in flatten(origin) if value is not None}
    commit = entries.get("tidemark.code.commit")
    return entries | ({"mlflow.source.git.commit": commit.removesuffix("-dirty")} if commit else {})


def flatten(values: Any, separator: str = ".", prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested mappings with their whole names; a list stays one value."""
    if not isinstance(values, Mapping):
        yield prefix, values
        return
    for name, value in values.items():
        yield from flatten(value, separator, f"{prefix}{separator}{name}" if prefix else str(name))


def is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def metric_name(name: str) -> str:
    return re.sub(r"[^\w./ :-]", "_", name, flags=re.ASCII)
