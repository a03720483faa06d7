"""Labels: recounted from raw orders; a flipped, lost or early one is named, and so is a leaking split."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ml.audit import labels
from ml.audit import shuffled_labels as chance_module
from ml.audit.labels import check, check_gaps, check_instants, check_shuffled_labels, recount_labels
from ml.audit.shuffled_labels import shuffle_labels, shuffled_label_check, within_cutoffs
from ml.config.problem import Problem
from ml.features.labels import LABELS, labelled_rows, read_cutoffs
from ml.features.split import TimeSplit, split_by_time
from tests.ml.audit.audit_context import audit_context, copied, rewrite
from tests.ml.synthetic_build import write_build
from tests.worlds import Built

MODEL = "label_customer_churn"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic build, whose labels follow from its features."""
    home = tmp_path_factory.mktemp("plain")
    write_build(home, customers=200)
    return home


def test_a_true_build_passes(shop: Built, tmp_path: Path) -> None:
    audit = audit_context(shop.home, tmp_path / "scratch")
    found = check(audit)
    published = audit.manifest["rows"]["label_customer_churn"]
    assert (found.breaches, found.compared) == ((), published + 70)
    assert found.detail.startswith(
        f"{published:,} labels recounted from raw orders, one microsecond deciding in 0 of them; "
        "70 made to turn on a microsecond; gaps between splits hold; 5 instants at "
    )
    assert found.notes == (
        "not checked: the split of the current model, because no model goes with build-000001 yet: "
        "run 'churn train' first",
    )


def test_every_edge_case_is_recounted_alike(world: Built, tmp_path: Path) -> None:
    audit = audit_context(world.home, tmp_path / "scratch")
    found = recount_labels(audit)
    assert (found.breaches, found.compared) == ([], audit.manifest["rows"]["label_customer_churn"])


@pytest.fixture
def home(shop: Built, tmp_path: Path) -> Path:
    return copied(shop.home, tmp_path / "home")


def spoiled(home: Path, tmp_path: Path, select: str) -> list[tuple[str, int]]:
    """What the recount says once the labels are those of ``select``."""
    audit = audit_context(home, tmp_path / "scratch")
    rewrite(audit.build / LABELS, select)
    part = recount_labels(audit)
    return [(breach.what, breach.count) for breach in part.breaches]


def first(churned: int) -> str:
    """The condition for one label."""
    one = f"select min((customer_id, event_timestamp)) from rows where churned = {churned}"
    return f"(customer_id, event_timestamp) = ({one})"


def test_a_stayer_called_churned_is_named(home: Path, tmp_path: Path) -> None:
    flipped = f"select * replace (if({first(0)}, 1, churned) as churned) from rows"
    assert spoiled(home, tmp_path, flipped) == [
        (f"{MODEL} says churned = 1 in 1 rows although a kept order was placed within 30 days", 1)
    ]


def test_a_churner_called_a_stayer_is_named(home: Path, tmp_path: Path) -> None:
    flipped = f"select * replace (if({first(1)}, 0, churned) as churned) from rows"
    assert spoiled(home, tmp_path, flipped) == [
        (f"{MODEL} says churned = 0 in 1 rows although no kept order was placed within 30 days", 1)
    ]


def test_a_lost_label_is_named(home: Path, tmp_path: Path) -> None:
    assert spoiled(home, tmp_path, f"from rows where not {first(1)}") == [
        (f"{MODEL} lacks 1 rows of customers with a kept order of the last 90 days at the cut-off", 1)
    ]


def test_a_label_told_twice_is_named(home: Path, tmp_path: Path) -> None:
    assert spoiled(home, tmp_path, f"from rows union all from rows where {first(1)}") == [
        (f"{MODEL} has 1 rows more than once", 1)
    ]


def test_labels_that_are_not_settled_are_named(home: Path, tmp_path: Path) -> None:
    late = "select * replace (timestamp '2024-12-09' as event_timestamp) from rows"
    odd = "select * replace (timestamp '2024-11-05' as event_timestamp) from rows"
    both = f"from rows union all {late} where {first(1)} union all {odd} where {first(1)}"
    assert spoiled(home, tmp_path, both) == [
        (
            f"{MODEL} has labels at the cut-off 2024-11-05T00:00:00Z, but it is out of step with every 7 "
            "days, or before the first fact",
            1,
        ),
        (
            f"{MODEL} has labels at the cut-off 2024-12-09T00:00:00Z, but they are settled only at "
            "2025-01-08T00:00:00Z, and orders were delivered until 2024-12-31T23:22:42.000745Z",
            1,
        ),
        (f"{MODEL} has 2 rows of customers without a kept order of the last 90 days at the cut-off", 2),
    ]


def test_a_flipped_label_comes_with_the_order_that_decides_it(home: Path, tmp_path: Path) -> None:
    audit = audit_context(home, tmp_path / "scratch")
    rewrite(audit.build / LABELS, f"select * replace (if({first(0)}, 1, churned) as churned) from rows")
    (breach,) = recount_labels(audit).breaches
    instant = datetime.fromisoformat(breach.example["instant"])
    follows = datetime.fromisoformat(breach.example["next kept order"])
    assert 0 < (follows - instant).total_seconds() <= 30 * 86400


def test_gaps_hold(plain: Path, tmp_path: Path) -> None:
    found = check_gaps(audit_context(plain, tmp_path))
    assert (found.breaches, found.proved) == ([], ["gaps between splits hold"])


def test_a_split_without_gaps_is_named(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Problem, "gap_days", property(lambda self: 0))
    found = check_gaps(audit_context(plain, tmp_path))
    assert [breach.what for breach in found.breaches] == [
        "the split leaks: the last train label is settled at 2023-08-23T00:00:00Z, after validation begins "
        "at 2023-07-24T00:00:00Z; they must be 30 days apart",
        "the split leaks: the last validation label is settled at 2023-10-18T00:00:00Z, after test begins at "
        "2023-09-18T00:00:00Z; they must be 30 days apart",
    ]
    assert found.breaches[0].example == {"earlier": "train", "later": "validation", "days between": 0.0}


def test_a_leaking_split_of_the_model_is_named(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = {
        "train": {"first": "2023-01-02T00:00:00Z", "last": "2023-05-01T00:00:00Z"},
        "validation": {"first": "2023-05-31T00:00:00Z", "last": "2023-07-03T00:00:00Z"},
        "test": {"first": "2023-08-01T00:00:00Z", "last": "2023-09-04T00:00:00Z"},
    }
    manifest = {"split": split, "problem": {"horizon_days": 30, "label_delay_days": 0}}
    monkeypatch.setattr(labels, "model_of", lambda build, problem: Path("model-000007"))
    monkeypatch.setattr("ml.model.model_files.read_manifest", lambda folder: manifest)
    assert [breach.what for breach in check_gaps(audit_context(plain, tmp_path)).breaches] == [
        "the split of model-000007 leaks: the last validation label is settled at 2023-08-02T00:00:00Z, "
        "after test begins at 2023-08-01T00:00:00Z; they must be 30 days apart"
    ]


def test_an_instant_after_the_cut_off_is_named(tmp_path: Path) -> None:
    write_build(tmp_path / "home", customers=60, last_order_at="event_timestamp + interval 1 microsecond")
    found = check_instants(audit_context(tmp_path / "home", tmp_path / "scratch"))
    (breach,) = found.breaches
    assert breach.what.startswith("feat_customer_orders.last_order_at is later than the cut-off in ")
    assert breach.example["value"] == breach.example["instant"].replace("Z", ".000001Z")


def test_an_instant_at_the_cut_off_is_past(tmp_path: Path) -> None:
    write_build(tmp_path / "home", customers=60, last_order_at="event_timestamp")
    assert check_instants(audit_context(tmp_path / "home", tmp_path / "scratch")).breaches == []


def test_shuffled_labels_score_at_chance(plain: Path, tmp_path: Path) -> None:
    audit = audit_context(plain, tmp_path)
    found = shuffled_label_check(audit, split_by_time(read_cutoffs(audit.build), audit.problem))
    assert found is not None
    assert found.holds
    assert 0.02 <= found.allowed < 0.06


def test_rows_of_training_among_those_that_judge_are_noticed(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mixed(build: Path, split: TimeSplit, own: None, **options: Any) -> pa.Table:
        rows = labelled_rows(build, split, own, **options)
        judging = pa.array(["validation"] * len(rows))
        return pa.concat_tables([rows, rows.set_column(rows.column_names.index("split"), "split", judging)])

    monkeypatch.setattr(chance_module, "labelled_rows", mixed)
    (breach,) = check_shuffled_labels(audit_context(plain, tmp_path)).breaches
    assert breach.what.startswith("shuffled labels can be learned: AUC 0.")
    assert breach.example["auc"] > 0.55


def test_labels_change_places_within_their_cut_off() -> None:
    import numpy as np

    churned, cutoffs = (
        np.array([1, 0, 0, 1, 1, 1]),
        np.array(["2024-01-01"] * 3 + ["2024-01-08"] * 3, "M8[us]"),
    )
    seen = [shuffle_labels(churned, np.arange(6), cutoffs, np.random.default_rng(seed)) for seed in range(20)]
    assert {tuple(found[3:]) for found in seen} == {(1, 1, 1)}
    assert {tuple(found[:3]) for found in seen} == {(1, 0, 0), (0, 1, 0), (0, 0, 1)}
    twice = shuffle_labels(
        churned[[0, 1, 2, 0]], np.array([0, 1, 2, 0]), cutoffs[[0, 1, 2, 0]], np.random.default_rng(1)
    )
    assert twice[0] == twice[3]


def test_pairs_across_cut_offs_do_not_count() -> None:
    import numpy as np

    churned, cutoffs = np.array([1, 0, 1, 0]), np.array(["2024-01-01"] * 2 + ["2024-01-08"] * 2, "M8[us]")
    assert within_cutoffs(churned, np.array([0.9, 0.8, 0.1, 0.2]), cutoffs)[0] == 0.5
    assert within_cutoffs(churned, np.array([0.5, 0.5, 0.2, 0.1]), cutoffs)[0] == 0.75


def test_too_few_cut_offs_leave_the_rest_to_be_checked(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = copied(plain, tmp_path / "home")
    rewrite(
        home / "builds" / "build-000001" / LABELS, "from rows where event_timestamp < timestamp '2023-03-01'"
    )
    monkeypatch.setattr(labels, "wrong_edges", lambda audit: (0, []))
    found = check(audit_context(home, tmp_path / "scratch"))
    assert found.breaches == ()
    assert [note.split(", because ")[0] for note in found.notes] == [
        "not checked: the recount",
        "not checked: the gaps between splits",
        "not checked: shuffled labels",
    ]
    assert "4 instants at " in found.detail


def test_no_cut_off_is_not_checked(plain: Path, tmp_path: Path) -> None:
    home = copied(plain, tmp_path / "home")
    rewrite(home / "builds" / "build-000001" / LABELS, "from rows where false")
    found = check(audit_context(home, tmp_path / "scratch"))
    assert found.skipped == "there is no labelled cut-off: the history is shorter than the horizon"
