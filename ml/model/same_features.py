"""Whether a model's inputs have the same type and formula as when it was trained."""

from collections.abc import Mapping
from typing import Any


def changed_inputs(facts: Mapping[str, Any], features: Mapping[str, Any]) -> list[str]:
    """The inputs of a model that are gone, or have another type or formula.

    Parameters
    ----------
    facts : mapping
        The model's manifest: ``inputs``, ``service_hash`` and, since models record them, ``definitions``.
    features : mapping
        ``service_hash`` and ``definitions`` of a build, or the manifest of a model trained on it.
    """
    recorded, now = facts.get("definitions"), features.get("definitions")
    inputs = [feature["name"] for feature in facts.get("inputs", [])]
    if recorded is not None and now is not None:
        return [name for name in inputs if recorded.get(name) != now.get(name)]
    return [] if facts.get("service_hash") == features.get("service_hash") else inputs or ["all features"]
