"""Planted leaks are flagged, each by its own sign; honest features and shuffled labels are not."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ml.explore.exploration import look_at
from ml.featurestore.catalog import Catalog

CUSTOMERS, CUTOFFS = 120, 12
NOBODY = Catalog((), ())
START = np.datetime64("2024-01-01T00:00:00", "us")
WEEK = np.timedelta64(7, "D")


def honest(seed: int = 1) -> dict[str, Any]:
    """Rows in which recency tells something, as in life."""
    random = np.random.default_rng(seed)
    rows = CUSTOMERS * CUTOFFS
    customer, week = np.divmod(np.arange(rows), CUTOFFS)
    recency = random.exponential(20, rows)
    churned = (random.random(rows) < 1 / (1 + np.exp(1.5 - recency / 15))).astype(np.int64)
    cutoff = START + week * WEEK
    return {
        "customer_id": [f"c{each}" for each in customer],
        "event_timestamp": cutoff,
        "churned": churned,
        "split": np.where(week < 8, "train", np.where(week < 10, "validation", "test")),
        "days_since_last_order": recency,
        "last_order_at": cutoff - (recency * 86_400_000_000).astype("timedelta64[us]"),
        "orders_90d": random.poisson(3, rows),
        "city": [["Bergen", "Lyon", None][each % 3] for each in customer],
        "email_verified": [each % 2 == 0 for each in customer],
    }


def found(columns: dict[str, Any]) -> dict[str, list[str]]:
    """What is found -> the features it is found of."""
    told: dict[str, list[str]] = {}
    for each in look_at(pa.table(columns), NOBODY, seed=17)["findings"]:
        told.setdefault(each["what"], []).extend(each["features"])
    return told


def customers_of(columns: dict[str, Any]) -> np.ndarray:
    return np.array([int(name[1:]) for name in columns["customer_id"]])


def test_honest_features_raise_no_suspicion() -> None:
    assert found(honest()) == {}


def test_a_future_column_is_flagged() -> None:
    columns = honest()
    noise = np.random.default_rng(2).normal(size=len(columns["churned"]))
    columns["orders_next_30d"] = np.where(columns["churned"] == 1, 0.0, 2.0) + 0.3 * noise
    assert found(columns)["tells the label"] == ["orders_next_30d"]
    result = look_at(pa.table(columns), NOBODY, seed=17)
    assert result["findings"][0]["tone"] == "bad"
    assert "ROC-AUC" in result["findings"][0]["said"]


def test_it_is_flagged_whichever_way_it_comes() -> None:
    columns = honest()
    gone = columns["churned"] == 1
    columns["as_text"] = np.where(gone, "closed", "open")
    columns["as_flag"] = gone
    columns["as_null"] = pa.array(np.where(gone, np.nan, 1.0), from_pandas=True)
    columns["as_less"] = -1.0 * gone
    assert sorted(found(columns)["tells the label"]) == ["as_flag", "as_less", "as_null", "as_text"]


def test_an_instant_after_the_one_asked_about_is_flagged() -> None:
    columns = honest()
    columns["next_ticket_at"] = columns["event_timestamp"] + np.timedelta64(3, "D")
    assert found(columns)["from the future"] == ["next_ticket_at"]


def test_a_mark_made_only_afterwards_is_flagged() -> None:
    columns = honest()
    gone, customer = columns["churned"] == 1, customers_of(columns)
    columns["closing_reason"] = np.where(gone & (customer % 3 == 0), "closed by mail", "none")
    told = found(columns)
    assert "closing_reason" in told["a sure sign"]
    assert "tells the label" not in told


def test_a_final_state_joined_to_every_row_is_flagged() -> None:
    columns = honest()
    columns["orders_in_the_end"] = (customers_of(columns) * 7) % 40
    assert found(columns)["stands still"] == ["orders_in_the_end"]


def test_a_shuffled_label_tells_nothing() -> None:
    columns = honest()
    columns["churned"] = np.random.default_rng(5).permutation(columns["churned"])
    shapes = look_at(pa.table(columns), NOBODY, seed=17)["features"]
    assert max(shape["auc"] for shape in shapes) < 0.56


@pytest.mark.parametrize("later", [0, 1])
def test_labels_of_later_parts_are_never_looked_at(later: int) -> None:
    columns = honest()
    train = columns["split"] == "train"
    changed = columns | {"churned": np.where(train, columns["churned"], later)}
    hidden = columns | {
        "churned": pa.array(
            [int(one) if known else None for one, known in zip(columns["churned"], train, strict=True)]
        )
    }
    assert look_at(pa.table(changed), NOBODY, 17) == look_at(pa.table(hidden), NOBODY, 17)


def test_infinite_values_are_flagged() -> None:
    columns = honest()
    columns["orders_90d"] = np.where(np.arange(CUSTOMERS * CUTOFFS) == 3, np.inf, columns["orders_90d"])
    assert found(columns)["infinite"] == ["orders_90d"]


def test_features_with_nothing_in_them_are_told() -> None:
    rows = CUSTOMERS * CUTOFFS
    columns = honest() | {
        "empty": pa.nulls(rows, pa.float64()),
        "same": np.full(rows, 7),
        "rare": pa.array(np.where(np.arange(rows) % 40, np.nan, 1.0 * np.arange(rows)), from_pandas=True),
    }
    told = found(columns)
    assert (told["always null"], told["always the same"], told["mostly null"]) == (
        ["empty"],
        ["same"],
        ["rare"],
    )


def test_a_feature_that_moves_with_time_is_told() -> None:
    columns = honest()
    week = np.arange(CUSTOMERS * CUTOFFS) % CUTOFFS
    columns["grows"] = 1.0 * week + np.random.default_rng(3).random(len(week))
    assert found(columns)["moves with time"] == ["grows"]


@pytest.mark.parametrize("only", [0, 1])
def test_one_class_is_told_and_nothing_breaks(only: int) -> None:
    columns = honest()
    columns["churned"] = np.full(len(columns["churned"]), only)
    assert "one class only" in found(columns)
