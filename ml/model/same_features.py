"""Whether features still mean to a model what they meant when it learned: its own inputs, and no others."""

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
    then, now = facts.get("definitions"), features.get("definitions")
    inputs = [each["name"] for each in facts.get("inputs", [])]
    if then is not None and now is not None:
        return [name for name in inputs if then.get(name) != now.get(name)]
    return [] if facts.get("service_hash") == features.get("service_hash") else inputs or ["all features"]
