"""The lock file says what the models' YAML says, so a feature cannot change unseen."""

import json
from pathlib import Path

import yaml

from ml.common.paths import ROOT
from ml.featurestore.catalog import read_catalog
from ml.featurestore.service_lock import LOCK, lock_content
from tests.worlds import declared_windows


def declared(windows: list[int]) -> dict[str, str]:
    """Stored feature -> SQL type, as the YAML of the feature models declares them for ``windows``."""
    found = {}
    for path in (ROOT / "dbt_project/models/marts/features").glob("feat_*.yml"):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            for column in model["columns"]:
                for window in windows if "{w}" in column["name"] else [0]:
                    found[column["name"].replace("{w}", str(window))] = column["data_type"].upper()
    return {name: kind for name, kind in found.items() if name not in ("customer_id", "event_timestamp")}


def test_the_lock_file_is_that_of_the_declared_features() -> None:
    locked = json.loads(LOCK.read_text())["features"]
    stored = {name: entry["sql_type"] for name, entry in locked.items() if "view" in entry}

    assert stored == declared(list(declared_windows()))


def test_what_a_lock_file_says(home: Path) -> None:
    catalog = read_catalog(home / "builds" / "build-000001")
    content = lock_content(catalog)

    assert content["hash"] == catalog.hash()
    assert list(content["features"]) == list(catalog.feature_names)
    assert content["features"]["spend_30d"] == {
        "view": "feat_customer_orders",
        "sql_type": "DECIMAL(38,4)",
        "feast_type": "Float64",
    }
    assert content["features"]["tenure_days"] == {
        "formula": "days(registered_at, asked_at)",
        "feast_type": "Float64",
    }
