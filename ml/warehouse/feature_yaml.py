"""Check the keys under ``meta`` in the YAML of feature models against those that the product reads.

A dbt project comes in; an error with file, location and a similar key is raised for an unknown key.
docs/feature-yaml.md describes the keys.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

from ml.common.errors import BuildError
from ml.featurestore.catalog import meta_of

OF_MODEL = ("feature_view", "subject", "on_demand")
OF_COLUMN = ("constant", "feature", "levels", "minimum", "personal", "planned", "reason", "role", "unit")
OF_ON_DEMAND = ("name", "formula", "description", "levels", "reason", "role", "unit")


def check_feature_yaml(project: Path) -> None:
    """Refuse a key under ``meta`` that nothing reads, in the models whose meta says ``feature_view: true``.

    Raises
    ------
    BuildError
        The first such key, with its file and location.
    """
    for file in sorted((project / "models").rglob("*.yml")):
        for location, keys, known in entries_of(file):
            for key in keys:
                if key not in known:
                    similar = get_close_matches(str(key), known, 1)
                    hint = f"did you mean {similar[0]}?" if similar else f"known there: {', '.join(known)}"
                    raise BuildError(
                        f"{file.relative_to(project)}, {location}: nothing reads the key {key}; {hint} "
                        "(docs/feature-yaml.md says what each does)"
                    )
            check_reason(keys.get("reason"), f"{file.relative_to(project)}, {location}")
            check_levels(keys.get("levels"), f"{file.relative_to(project)}, {location}")


def check_reason(sentence: Any, location: str) -> None:
    """Refuse a reason whose placeholders cannot be filled with numbers."""
    try:
        fields = [(name, spec) for _, name, spec, _ in Formatter().parse(sentence or "") if name is not None]
        for name, spec in fields:
            format(1.0, spec or "")
            if not name.replace("{w}", "").isidentifier():
                raise ValueError(f"{name!r} is no name of a feature")
    except (ValueError, TypeError) as error:
        raise BuildError(
            f"{location}: the reason {sentence!r} is no sentence with features in braces ({error}): write "
            'such as "{late_share:.0%} of payments came late"'
        ) from error


def check_levels(levels: Any, location: str) -> None:
    """Refuse levels that are not the words for a low and for a high value."""
    is_pair = isinstance(levels, list) and len(levels) == 2
    if levels is not None and not (is_pair and all(isinstance(word, str) and word for word in levels)):
        raise BuildError(
            f"{location}: levels are the words for a low and for a high value, such as [rare, frequent], "
            f"not {levels!r}"
        )


def entries_of(file: Path) -> Iterator[tuple[str, Mapping[str, Any], tuple[str, ...]]]:
    """Of every entry with keys: location, keys, allowed keys. dbt reports invalid YAML."""
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
