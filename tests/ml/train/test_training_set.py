"""The training set: the values of the dataset as numbers and categories, without what no model may read."""

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

import ml
from ml.common.errors import UsageError
from ml.config.problem import Problem
from ml.features.dataset import dataset
from tests.ml.conftest import Workshop
from tests.worlds import Built

INSTANTS = {"first_order_at", "last_order_at", "last_session_at", "registered_at"}
TEXTS = {"city"}
FLAGS = {"email_verified"}


def dataset_of(workshop: Workshop, tmp_path: Path) -> pa.Table:
    dataset(tmp_path / "rows.parquet", home=workshop.home, problem=Problem())
    return pq.read_table(tmp_path / "rows.parquet")


def test_every_value_is_that_of_the_dataset(workshop: Workshop, tmp_path: Path) -> None:
    rows = dataset_of(workshop, tmp_path)
    found = ml.training_set(home=workshop.home, problem=Problem())
    of_time = dict.fromkeys(INSTANTS, "an instant or date, whose age is a feature of its own")
    assert found.left_out == of_time | {"never_filled": "always null in training"}
    assert list(found.left_out) == [name for name in rows.column_names if name in found.left_out]
    assert list(found.X) == [name for name in rows.column_names[4:] if name not in found.left_out]
    for name in found.X:
        wanted = rows.column(name).to_pylist()
        if name in TEXTS:
            assert found.X[name].dtype == "category"
            assert found.X[name].astype(object).where(found.X[name].notna(), None).tolist() == wanted
        else:
            assert found.X[name].dtype == np.float64
            numbers = [np.nan if value is None else float(value) for value in wanted]
            np.testing.assert_array_equal(found.X[name], numbers)
    assert (found.y.dtype, found.y.tolist()) == (np.int8, rows.column("churned").to_pylist())
    assert found.groups.tolist() == rows.column("customer_id").to_pylist()
    assert found.split.tolist() == rows.column("split").to_pylist()
    assert found.event_timestamp.tolist() == rows.column("event_timestamp").to_pandas().tolist()


def test_arrow_holds_the_same(workshop: Workshop) -> None:
    frames = ml.training_set(home=workshop.home, problem=Problem())
    tables = ml.training_set(home=workshop.home, problem=Problem(), format="arrow")
    types = {field.name: field.type for field in tables.X.schema}
    assert types.pop("city") == pa.dictionary(pa.int32(), pa.string())
    assert set(types.values()) == {pa.float64()}
    pd.testing.assert_frame_equal(tables.X.to_pandas(), frames.X)
    assert tables.y.to_pylist() == frames.y.tolist()
    part = tables.part("test")
    assert part.groups.to_pylist() == frames.part("test").groups.tolist()
    assert set(part.split.to_pylist()) == {"test"}
    assert len(part.X) == len(part.y) == (frames.split == "test").sum()


def test_what_no_model_may_read_is_left_out_unless_asked(shop: Built) -> None:
    problem = replace(Problem(), exclude=("support",))
    found = ml.training_set(home=shop.home, problem=problem)
    assert found.left_out["gender"].startswith("sensitive")
    assert found.left_out["tickets_7d"] == "excluded by the problem (support)"
    assert "updated_at" in found.left_out["city"]
    assert not set(found.X) & set(found.left_out)
    everything = ml.training_set(home=shop.home, problem=problem, every_feature=True, format="arrow")
    assert everything.left_out == {}
    assert set(everything.X.column_names) == set(found.X) | set(found.left_out)
    assert everything.X.schema.field("last_order_at").type == pa.timestamp("us")
    assert everything.X.schema.field("spend_30d").type == pa.float64()


def test_rows_of_ones_own_without_a_customer_in_two_folds(workshop: Workshop) -> None:
    """Each customer of an even number left; instants lie between the cut-offs."""
    rows = workshop.parts.train.table.select(["customer_id", "event_timestamp"]).to_pandas()
    rows["event_timestamp"] += timedelta(hours=7)
    rows["label"] = [int(customer[1:]) % 2 for customer in rows["customer_id"]]
    found = ml.training_set(home=workshop.home, problem=Problem(), labels=rows)
    given = rows.set_index(["customer_id", "event_timestamp"])["label"]
    pairs = list(zip(found.groups, found.event_timestamp, strict=True))
    assert given.loc[pairs].tolist() == found.y.tolist()
    for learn, ask in GroupKFold(3).split(found.X, found.y, found.groups):
        assert not set(found.groups.iloc[learn]) & set(found.groups.iloc[ask])


def test_an_estimator_of_ones_own_learns_from_it(workshop: Workshop) -> None:
    rows = ml.training_set(home=workshop.home, problem=Problem())
    learn, test = rows.part("train", "validation"), rows.part("test")
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
    area = roc_auc_score(test.y, model.fit(learn.X, learn.y).predict_proba(test.X)[:, 1])
    assert area > 0.75


def test_an_unknown_format_is_refused(workshop: Workshop) -> None:
    with pytest.raises(UsageError, match="format 'polars' is unknown: use pandas or arrow"):
        ml.training_set(home=workshop.home, problem=Problem(), format="polars")
    with pytest.raises(AttributeError, match="module 'ml' has no attribute 'training'"):
        ml.training  # noqa: B018


def test_the_package_loads_nothing_until_it_is_called() -> None:
    heavy = ("pandas", "pyarrow", "sklearn", "numpy", "duckdb")
    code = (
        f"import sys, ml; print([name for name in {heavy} if name in sys.modules], callable(ml.training_set))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split(" ", 1)[0] == "[]"
    assert found.stdout.endswith("True\n")
