"""What is served now beside what the champion learned from: features, their models' code, rejected rows."""

import json
from pathlib import Path
from typing import Any

from ml.common.errors import DamagedError, NotReadyError
from ml.featurestore.catalog import read_catalog, read_nodes
from ml.home.layout import Home
from ml.ingest.manifest import read_load_manifest
from ml.model.fitted_model import FittedModel
from ml.model.same_features import changed_inputs
from ml.monitor.causes import Cause


def changed_definitions(home: Home, build: Path, model: FittedModel) -> list[Cause]:
    """Inputs of the champion that have another type or formula now, and feature models with other code."""
    catalog = read_catalog(build)
    causes = []
    if inputs := changed_inputs(model.facts, catalog.facts()):
        causes.append(
            changed(
                ", ".join(inputs[:5]),
                f"the definition of {', '.join(inputs[:5])} is no longer that of {model.version}",
            )
        )
    trained_on = home.builds / str(model.facts.get("build_id", ""))
    if trained_on != build and (trained_on / "manifest.json").is_file():
        before, now = model_codes(trained_on), model_codes(build)
        names = sorted(name for name in now if name in before and now[name] != before[name])
        if names:
            listed = ", ".join(names[:5])
            causes.append(
                changed(
                    listed,
                    f"the code of {listed} in {build.name} is not that in {trained_on.name}, which taught "
                    f"{model.version}",
                )
            )
    return causes


def changed(subject: str, sentence: str) -> Cause:
    return Cause("definition changed", subject, "", sentence, 1.0)


def model_codes(build: Path) -> dict[str, str]:
    """The hash of the SQL of each feature and label model of a build."""
    nodes = read_nodes(build / "manifest.json").values()
    return {
        str(node["name"]): json.dumps(node["checksum"], sort_keys=True)
        for node in nodes
        if node.get("resource_type") == "model" and "checksum" in node
    }


def rejected_rows(load: Path) -> list[Cause]:
    """Tables of the last ingest with a larger share of rejected rows than any ingest before."""
    try:
        ingests: list[dict[str, Any]] = read_load_manifest(load).get("ingests", [])
    except (NotReadyError, DamagedError):
        return []
    if not ingests:
        return []
    causes = []
    for name, counts in ingests[-1].get("tables", {}).items():
        share = rejected_share(counts)
        before = max(
            [rejected_share(each.get("tables", {}).get(name, {})) for each in ingests[:-1]], default=0.0
        )
        if share > before:
            sentence = (
                f"the last load rejected {share:.1%} of the rows of {name} (at most {before:.1%} before)"
            )
            causes.append(Cause("rejected rows", name, "", sentence, share / max(before, 0.001)))
    return causes


def rejected_share(counts: dict[str, int]) -> float:
    """Rejected rows among those read."""
    return counts.get("rejected", 0) / counts["read"] if counts.get("read") else 0.0
