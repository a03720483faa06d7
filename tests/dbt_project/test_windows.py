"""One more window is one more number, given to dbt: tables, catalog, retrieval and formulas follow."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from ml.featurestore.catalog import Catalog, read_catalog
from ml.featurestore.retrieval.retrieve import point_in_time
from tests.dbt_project.hand_run import Hand, ingested
from tests.reference.brute_force import reference_features
from tests.reference.compare import compare
from tests.reference.entity_rows import asked_rows
from tests.reference.worlds import random_world
from tests.worlds import Built

pytestmark = pytest.mark.subjects("dbt_project", "ml/featurestore")

WINDOWS = (7, 14, 30, 90, 365)
NEW = {"orders_14d", "spend_14d", "tickets_14d", "sessions_14d", "average_order_value_14d"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Hand:
    """A random world after ``dbt build`` and ``dbt docs generate`` with one window more."""
    hand = ingested(tmp_path_factory.mktemp("windows"), random_world(17, customers=60))
    for command in (["build"], ["docs", "generate", "--no-compile"]):
        ran = hand.dbt(*command, windows=WINDOWS)
        assert ran.returncode == 0, ran.stdout
    return hand


@pytest.fixture(scope="module")
def build(made: Hand) -> Path:
    """What dbt made, laid out as a build."""
    folder = made.folder / "build"
    shutil.copytree(made.output, folder)
    for name in ("manifest.json", "catalog.json"):
        shutil.copyfile(made.target / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def catalog(build: Path) -> Catalog:
    return read_catalog(build)


def test_the_catalog_has_the_new_features_and_no_others(catalog: Catalog, world: Built) -> None:
    usual = set(read_catalog(world.build).feature_names)
    assert set(catalog.feature_names) - usual == NEW
    assert usual - set(catalog.feature_names) == set()


def test_the_new_features_are_described(catalog: Catalog) -> None:
    described = {one.name: (one.window, one.description) for one in catalog.features if one.name in NEW}
    assert described == {
        "orders_14d": (14, "Kept orders placed in the last 14 days."),
        "spend_14d": (14, "Amount of the kept orders placed in the last 14 days."),
        "tickets_14d": (14, "Tickets opened in the last 14 days."),
        "sessions_14d": (14, "Sessions started in the last 14 days."),
        "average_order_value_14d": (14, "Average amount of the kept orders placed in the last 14 days."),
    }
    assert catalog.formulas["average_order_value_14d"] == "spend_14d / orders_14d"


def test_every_value_is_right(made: Hand, build: Path, catalog: Catalog) -> None:
    asked = asked_rows(made.raw, 600, seed=2, max_edges=1800)
    expected = reference_features(made.raw, asked, windows=WINDOWS)
    assert set(expected.column_names) >= NEW
    comparison = compare(expected, point_in_time(build, asked.select(["customer_id", "event_timestamp"])))
    assert comparison.differences == []
    assert comparison.cells == asked.num_rows * len(catalog.feature_names)


def test_the_new_window_holds_what_the_smaller_one_lacks(made: Hand, build: Path) -> None:
    asked = asked_rows(made.raw, 600, seed=2, max_edges=1800).select(["customer_id", "event_timestamp"])
    found: pa.Table = point_in_time(build, asked)
    orders = zip(*(found[f"orders_{days}d"].to_pylist() for days in (7, 14, 30)), strict=True)
    assert {a < b < c for a, b, c in orders if c is not None} == {True, False}
