"""One measure of a leaky feature for exploration, audit and training, on the training part alone."""

from pathlib import Path

import numpy as np
import pytest

from ml.audit import leaky_features
from ml.config.problem import Problem
from ml.explore.feature_columns import columns_of
from ml.explore.feature_summary import shape_of
from ml.features.training_parts import read_parts
from ml.featurestore.catalog import read_catalog
from ml.home.layout import Home
from ml.metrics.single_feature_auc import halves
from ml.model.inputs import choose_inputs
from ml.train import leakage_suspects
from tests.ml.audit.audit_context import audit_context
from tests.ml.synthetic_build import write_build

SEED = 5


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("leaky")
    write_build(folder, customers=200)
    return folder


def test_training_audit_and_exploration_give_the_same(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = Home.at(home).current_build()
    catalog, table = read_catalog(build), read_parts(build, Problem()).train.table
    churned = table.column("churned").to_numpy() == 1
    by_audit = leaky_features.aucs(table, catalog, churned, SEED)
    monkeypatch.setattr(leakage_suspects, "LEAK_AUC_MIN", 0.0)
    inputs, _ = choose_inputs(table, catalog.feature_names)
    by_training = {
        each["feature"]: each["roc_auc"]
        for each in leakage_suspects.find_leakage_suspects(table, inputs, SEED)
    }
    assert {"city", "email_verified", "orders_90d"} <= by_training.keys()
    assert by_training == {name: by_audit[name] for name in by_training}
    half = halves(table.column("customer_id"), SEED)
    by_exploration = {each.name: shape_of(each, churned, half)["auc"] for each in columns_of(table, catalog)}
    assert {"last_order_at", "city", "email_verified", "orders_90d"} <= by_exploration.keys()
    assert by_exploration == pytest.approx(by_audit, abs=1e-12)


def test_the_audit_reads_no_row_after_the_training_part(home: Path, tmp_path: Path) -> None:
    """Were the labels of later rows all wrong, it would find the same."""
    audit = audit_context(home, tmp_path)
    split, part = leaky_features.training_rows(audit)
    assert part == "training rows"
    last = max(split.train)
    later = read_parts(audit.build, audit.problem)
    for each in (later.selection, later.calibration, later.test):
        assert np.min(each.table.column("event_timestamp").to_numpy()) > np.datetime64(last)
    assert (split.validation, split.test) == ((), ())
    assert not (home / "looks.jsonl").exists()
