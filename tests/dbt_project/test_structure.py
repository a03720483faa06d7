"""The house rules that a program can check: who reads whom, one YAML a model, no clock in a model."""

import json
import re
from pathlib import Path

import pytest

from ml.common.paths import ROOT
from tests.worlds import Built

PROJECT = ROOT / "dbt_project"
MODELS = sorted((PROJECT / "models").rglob("*.sql"))
CLOCKS = re.compile(
    r"\b(now|current_timestamp|current_date|today|localtimestamp|run_started_at)\b", re.IGNORECASE
)


@pytest.fixture(scope="module")
def nodes(shop: Built) -> dict[str, dict]:
    manifest = json.loads((shop.build / "manifest.json").read_text())
    return {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}


def parents(node: dict) -> set[str]:
    return {parent.split(".")[-1] for parent in node["depends_on"]["nodes"]}


def test_only_staging_reads_sources(nodes: dict[str, dict]) -> None:
    readers = {
        name
        for name, node in nodes.items()
        if any(p.startswith("source.") for p in node["depends_on"]["nodes"])
    }
    assert readers == {name for name in nodes if name.startswith("stg_")}


def test_features_never_read_labels(nodes: dict[str, dict]) -> None:
    for name in (name for name in nodes if name.startswith(("feat_", "int_", "stg_"))):
        assert not {
            parent for parent in parents(nodes[name]) if parent.startswith(("label_", "population_"))
        }, name


def test_every_model_says_what_a_row_is(nodes: dict[str, dict]) -> None:
    assert [name for name, node in nodes.items() if not node["description"].startswith("One row per ")] == []


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_one_yaml_beside_each_model(model: Path) -> None:
    assert model.with_suffix(".yml").exists()


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_no_model_reads_a_clock(model: Path) -> None:
    assert CLOCKS.findall(model.read_text()) == []


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_models_are_short(model: Path) -> None:
    assert len(model.read_text().splitlines()) <= 120


def test_personal_data_is_no_feature(nodes: dict[str, dict]) -> None:
    personal = {
        column["name"]
        for node in nodes.values()
        for column in node["columns"].values()
        if column["config"]["meta"].get("personal")
    }
    features = {
        name for node in nodes.values() if node["name"].startswith("feat_") for name in node["columns"]
    }
    assert personal == {"email"}
    assert personal & features == set()
