"""Attributes without a clock: never inputs, unless declared constant; named by train, dataset and explore."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from ml.common.errors import CatalogError
from ml.config.problem import Problem, Tuning
from ml.explore import explore
from ml.features.dataset import dataset
from ml.featurestore.attributes import undated_features
from ml.featurestore.catalog import read_catalog
from ml.home.layout import Home
from ml.ingest import ingest
from ml.ingest.rows_without_updated_at import undated_customers
from ml.train import train
from ml.warehouse import build
from tests.ml.ended_world import LAST_RETURN, START, write_ended_world
from tests.worlds import Built

pytestmark = pytest.mark.subjects("ml/featurestore", "ml/features")

ATTRIBUTES = ["gender", "city", "country", "acquisition_channel", "email_verified", "phone_verified"]
NAMES = ("prior", "recency_rule", "logistic_regression")
QUICK = replace(Problem(), candidates=NAMES, tuning=Tuning(trials=0), training_rows_max=2000)


def undated(home: Path) -> list[str]:
    current = Home.at(home).current_build()
    return list(undated_features(current, read_catalog(current)))


def test_attributes_without_a_clock_are_no_inputs(ended: Built) -> None:
    assert undated(ended.home) == ATTRIBUTES
    manifest = json.loads((ended.build / "build.json").read_text())
    assert manifest["customers"] == {"customers": 240, "undated": 240}


def test_a_risk_score_of_the_end_never_enters_the_champion(ended: Built, tmp_path: Path) -> None:
    home = shutil.copytree(ended.home, tmp_path / "home", symlinks=True)
    result = train(home=home, problem=QUICK)
    names = {each["name"] for each in model_card(home)["inputs"]}
    assert names.isdisjoint(ATTRIBUTES)
    assert {"orders_90d", "tenure_days"} <= names
    assert result["undated"] == ATTRIBUTES
    assert result["left_out"]["city"] == (
        "240 of 240 customers have a row without updated_at, which may hold the end of history"
    )
    from ml.cli.train import summary

    assert "note: gender, city, country" in summary(result)
    assert "declare a column that never changes constant" in summary(result)


def model_card(home: Path) -> dict[str, Any]:
    return json.loads((Home.at(home).current_model() / "model.json").read_text())


def test_the_data_set_keeps_them_and_names_them(ended: Built, tmp_path: Path) -> None:
    result = dataset(tmp_path / "rows.parquet", home=ended.home)
    assert result["undated"] == ATTRIBUTES
    assert set(ATTRIBUTES) <= set(pq.read_schema(tmp_path / "rows.parquet").names)


def test_exploration_names_them_and_what_stands_still(ended: Built, tmp_path: Path) -> None:
    findings = {
        each["what"]: each for each in explore(out=tmp_path / "page.html", home=ended.home)["findings"]
    }
    assert findings["without a clock"]["features"] == ATTRIBUTES
    assert "deliver updated_at" in findings["without a clock"]["said"]
    assert findings["stands still"]["features"] == ["city", "acquisition_channel", "email_verified"]


def test_rows_with_a_clock_are_inputs_and_one_without_is_enough(tmp_path: Path) -> None:
    raw, home = write_ended_world(tmp_path / "raw", customers=30), tmp_path / "home"
    people = pd.read_parquet(raw / "customers.parquet")
    people.assign(updated_at=people["registered_at"]).to_parquet(raw / "customers.parquet")
    ingest(raw, home=home)
    build(home=home)
    assert undated(home) == []
    more = people.tail(1).assign(customer_id="new", updated_at=pd.NaT)
    (tmp_path / "more").mkdir()
    more.to_parquet(tmp_path / "more" / "customers.parquet")
    ingest(tmp_path / "more", home=home, append=True)
    load = Home.at(home).current_load()
    assert undated_customers(load, LAST_RETURN) == {"customers": 31, "undated": 1}
    assert undated_customers(load, START)["undated"] == 0


def edited(build: Path, edit: Any) -> Path:
    """The build with its manifest changed by hand."""
    path = build / "manifest.json"
    manifest = json.loads(path.read_text())
    edit(manifest["nodes"])
    path.write_text(json.dumps(manifest))
    return build


@pytest.fixture
def copied(ended: Built, tmp_path: Path) -> Path:
    """Metadata of the planted build, to be changed."""
    for name in ("manifest.json", "catalog.json", "build.json"):
        (tmp_path / name).write_bytes((ended.build / name).read_bytes())
    return tmp_path


def profile_of(nodes: dict[str, Any]) -> dict[str, Any]:
    return next(node for node in nodes.values() if node["name"] == "feat_customer_profile")


def set_meta(nodes: dict[str, Any], column: str, meta: dict[str, Any]) -> None:
    entry = profile_of(nodes)["columns"][column]
    entry["meta"] = entry["config"]["meta"] = meta


def test_a_column_declared_constant_is_an_input(copied: Path) -> None:
    def declare(nodes: dict[str, Any]) -> None:
        set_meta(nodes, "country", {"constant": "the country of the contract"})

    edited(copied, declare)
    assert list(undated_features(copied, read_catalog(copied))) == [
        name for name in ATTRIBUTES if name != "country"
    ]


@pytest.mark.parametrize("reason", [True, "", "  ", 3])
def test_constant_needs_a_reason(copied: Path, reason: Any) -> None:
    def declare(nodes: dict[str, Any]) -> None:
        set_meta(nodes, "city", {"constant": reason})

    edited(copied, declare)
    with pytest.raises(
        CatalogError, match=r"city in feat_customer_profile\.yml is declared constant without"
    ):
        undated_features(copied, read_catalog(copied))


def test_what_is_computed_from_them_is_left_out_too(copied: Path) -> None:
    def undeclare(nodes: dict[str, Any]) -> None:
        set_meta(nodes, "birth_date", {})
        profile_of(nodes)["config"]["meta"]["on_demand"].append(
            {"name": "age_decades", "formula": "age_years / 10", "description": "Decades."}
        )

    edited(copied, undeclare)
    assert list(undated_features(copied, read_catalog(copied)))[-3:] == [
        "birth_date",
        "age_years",
        "age_decades",
    ]


def test_a_feature_model_of_ones_own_over_customers_rows_is_judged_too(copied: Path) -> None:
    def reads_raw_rows(nodes: dict[str, Any]) -> None:
        orders = next(node for node in nodes.values() if node["name"] == "feat_customer_orders")
        orders["depends_on"]["nodes"].append("model.tidemark.stg_customers")

    assert "orders_30d" not in undated_features(copied, read_catalog(copied))
    edited(copied, reads_raw_rows)
    assert {"orders_30d", "overdue_ratio"} <= set(undated_features(copied, read_catalog(copied)))
