"""Stand-ins: honest features pass; one that says the label is named, whichever way round it points."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ml.audit.leaky_features import check
from ml.features.labels import LABELS
from ml.metrics.single_feature_auc import halves, of_numbers, of_text, roc_auc
from tests.ml.audit.audit_context import audit_context, copied, rewrite
from tests.ml.synthetic_build import write_build

GONE = np.array([True, True, False, False])


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("plain")
    write_build(home, customers=200)
    return home


def relabelled(plain: Path, tmp_path: Path, churned: str) -> Any:
    """The check, once churned is what an expression over the features says."""
    audit = audit_context(copied(plain, tmp_path / "home"), tmp_path / "scratch")
    orders = f"read_parquet('{audit.build}/features/feat_customer_orders/*.parquet')"
    rewrite(
        audit.build / LABELS,
        f"select customer_id, event_timestamp, ({churned})::int as churned "
        f"from rows join {orders} using (customer_id, event_timestamp)",
    )
    return check(audit)


def test_honest_features_pass(plain: Path, tmp_path: Path) -> None:
    found = check(audit_context(plain, tmp_path))
    assert (found.passed, found.compared) == (True, 17)
    assert found.detail.startswith("the best single feature, ")
    assert found.detail.endswith("training rows; the limit is 0.95")


def test_a_label_made_from_recency_is_named(plain: Path, tmp_path: Path) -> None:
    found = relabelled(plain, tmp_path, "last_order_at < event_timestamp - interval 21 day")
    named = {breach.example["feature"]: breach for breach in found.breaches}
    follows_orders = {"days_since_last_session", "last_session_at"}
    assert named.keys() == {"days_since_last_order", "last_order_at"} | follows_orders
    assert named["last_order_at"].what.startswith(
        "feat_customer_orders.last_order_at alone tells the label: ROC-AUC 1.000 on "
    )
    assert named["days_since_last_order"].what.startswith(
        "days_since_last_order = days(last_order_at, asked_at) alone tells the label: ROC-AUC 1.000 on "
    )
    assert named["last_order_at"].example["auc"] == 1.0


def test_a_count_that_falls_with_the_label_is_named(plain: Path, tmp_path: Path) -> None:
    found = relabelled(plain, tmp_path, "orders_90d < 4")
    named = {breach.example["feature"] for breach in found.breaches}
    follows = {"spend_90d", "sessions_90d", "orders_placed_lifetime"}
    assert named == {"orders_90d"} | follows, "they follow orders in the first months"


def test_a_null_that_says_the_label_is_named(tmp_path: Path) -> None:
    leak = "case when random() < 2 and orders_90d < 4 then null else 1 end"
    write_build(tmp_path / "home", customers=200, never_filled=leak)
    found = relabelled(tmp_path / "home", tmp_path / "copy", "orders_90d < 4")
    assert "never_filled" in {breach.example["feature"] for breach in found.breaches}


def test_too_few_of_a_class_are_not_checked(plain: Path, tmp_path: Path) -> None:
    found = relabelled(plain, tmp_path, "false")
    assert found.skipped == "0 rows of one class are too few, 25 are needed: load more customers"


def test_without_a_split_all_labelled_rows_are_looked_at(plain: Path, tmp_path: Path) -> None:
    home = copied(plain, tmp_path / "home")
    rewrite(
        home / "builds" / "build-000001" / LABELS,
        "from rows where event_timestamp between '2023-06-01' and '2023-08-01'",
    )
    found = check(audit_context(home, tmp_path / "scratch"))
    assert "labelled rows (too few cut-offs for a training part)" in found.detail


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([4, 3, 2, 1], 1.0),
        ([1, 2, 3, 4], 0.0),
        ([1, 1, 1, 1], 0.5),
        ([2, 1, 1, 0], 0.875),
        ([0, 2, 1, 3], 0.25),
    ],
)
def test_area_by_hand(values: list[float], expected: float) -> None:
    """Of the four pairs of one gone and one not, a tie counts half."""
    assert roc_auc(np.array(values, float), GONE) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3, 4], 1.0),
        ([np.nan, np.nan, 1, 2], 1.0),
        ([np.nan, np.nan, -1, 1], 1.0),
        ([np.nan, 5, np.nan, 5], 0.5),
        ([np.nan, 7, 5, 6], 1.0),
    ],
)
def test_either_way_round_and_a_null_at_either_end(values: list[float], expected: float) -> None:
    assert of_numbers(np.array(values, float), GONE) == expected


def texts(of: Callable[[int], str | None]) -> float:
    """The area of a text over 400 customers of whom every other one is gone."""
    gone = np.arange(400) % 2 == 0
    column = pa.chunked_array([pa.array([of(number) for number in range(400)], pa.string())])
    return of_text(column, gone, halves(pa.chunked_array([pa.array([str(n) for n in range(400)])]), seed=3))


def test_a_text_that_says_the_label_is_seen() -> None:
    assert texts(lambda number: "gone" if number % 2 == 0 else None) == 1.0


def test_a_text_that_is_another_for_everyone_says_nothing() -> None:
    assert texts(str) == 0.5


def test_a_customer_is_in_one_half_in_every_row() -> None:
    customers = pa.chunked_array([pa.array(["a", "b", "c"] * 50)])
    found = halves(customers, seed=1).reshape(50, 3)
    assert (found == found[0]).all()
