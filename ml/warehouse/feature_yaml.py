"""The keys that a feature model's YAML may hold under ``meta``: those that the product reads.

A dbt project comes in; nothing comes out, or an error that names file, place and the key nearly written.
docs/feature-yaml.md says what each key does.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from ml.common.errors import BuildError

OF_MODEL = ("feature_view", "subject", "on_demand")
OF_COLUMN = ("constant", "feature", "minimum", "personal", "reason", "role", "unit")
OF_ON_DEMAND = ("name", "formula", "description", "reason", "role", "unit")


def check_feature_yaml(project: Path) -> None:
    """Refuse a key under ``meta`` that nothing reads, in the models whose meta says ``feature_view: true``.

    Raises
    ------
    BuildError
        The first such key, with its file and place.
    """
    for file in sorted((project / "models").rglob("*.yml")):
        for place, keys, known in described(file):
            for key in keys:
                if key not in known:
                    near = get_close_matches(str(key), known, 1)
                    hint = f"did you mean {near[0]}?" if near else f"known there: {', '.join(known)}"
                    raise BuildError(
                        f"{file.relative_to(project)}, {place}: nothing reads the key {key}; {hint} "
                        "(docs/feature-yaml.md says what each does)"
                    )


def described(file: Path) -> Iterator[tuple[str, Iterable[str], tuple[str, ...]]]:
    """Each place that has keys, its keys, and the known ones; a file that is no YAML is left to dbt."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return
    models = content.get("models") if isinstance(content, Mapping) else None
    for model in models or []:
        meta = meta_of(model)
        if not meta.get("feature_view"):
            continue
        yield f"model {model.get('name')}", meta, OF_MODEL
        for entry in meta.get("on_demand") or []:
            yield f"on-demand feature {entry.get('name')}", entry, OF_ON_DEMAND
        for column in model.get("columns") or []:
            yield f"column {column.get('name')}", meta_of(column), OF_COLUMN


def meta_of(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The ``meta`` of a model or column, under ``config`` or beside it."""
    return (entry.get("config") or {}).get("meta") or entry.get("meta") or {}
