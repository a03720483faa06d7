"""Clocks: labels of days not delivered are breaches, and so are inputs of a model that have no clock."""

from datetime import datetime
from pathlib import Path

import pytest

from ml.audit.clocks import check
from ml.audit.labels import recount_labels
from ml.features.labels import LABELS
from ml.home.layout import Home
from tests.ml.audit.audit_context import audit_context, breaches_of, copied, rewrite
from tests.worlds import Built

# cut-offs whose horizon ends after the last order's day, 2023-12-31
UNDELIVERED = (datetime(2023, 12, 4), datetime(2023, 12, 11))


@pytest.fixture
def home(ended: Built, tmp_path: Path) -> Path:
    return copied(ended.home, tmp_path / "home")


def test_a_true_build_passes_with_notes(ended: Built, tmp_path: Path) -> None:
    audit = audit_context(ended.home, tmp_path / "scratch")
    finding = check(audit)
    assert (finding.breaches, finding.compared) == ((), audit.manifest["rows"]["label_customer_churn"])
    assert finding.detail == "orders were delivered until 2024-01-01T00:00:00Z"
    assert [note.split(":")[0] for note in finding.notes] == [
        f"customers end {audit.manifest['notes'][0].split()[2]} days before the data clock 2024-01-14T12",
        "orders end 14.0 days before the data clock 2024-01-14T12",
        "gender, city, country, acquisition_channel, email_verified, phone_verified",
    ]


def test_labels_forced_upon_days_not_delivered_are_found(home: Path, tmp_path: Path) -> None:
    build = Home.at(home).current_build()
    to_come = build / "labels" / "label_pending"
    instants = ", ".join(f"timestamp '{cutoff}'" for cutoff in UNDELIVERED)
    forced = f"from rows union all from '{to_come}/*.parquet' where event_timestamp in ({instants})"
    rewrite(build / LABELS, forced)
    audit = audit_context(home, tmp_path / "scratch")
    found = breaches_of(check(audit))
    assert [what.split(" at the cut-off ")[1] for what, _ in found] == [
        f"{cutoff:%Y-%m-%d}T00:00:00Z, which read orders up to {ends}T00:00:00Z, but orders were delivered "
        "only until 2024-01-01T00:00:00Z: build again, or deliver the missing orders"
        for cutoff, ends in zip(UNDELIVERED, ("2024-01-03", "2024-01-10"), strict=True)
    ]
    assert all(rows > 50 for _, rows in found)
    assert [breach.what for breach in recount_labels(audit).breaches][:2] == [
        f"label_customer_churn has labels at the cut-off {cutoff:%Y-%m-%d}T00:00:00Z, but they are settled "
        f"only at {ends}T00:00:00Z, and orders were delivered until 2024-01-01T00:00:00Z"
        for cutoff, ends in zip(UNDELIVERED, ("2024-01-03", "2024-01-10"), strict=True)
    ]


def test_a_model_that_reads_the_end_of_history_is_found(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = Home.at(home).current_build()
    model = Home.at(home).models / "model-000001"
    model.mkdir(parents=True)
    manifest = {"inputs": [{"name": "orders_90d"}, {"name": "city"}]}
    monkeypatch.setattr("ml.model.model_files.read_manifest", lambda folder: manifest)
    (build / "model").symlink_to(model)
    breaches = breaches_of(check(audit_context(home, tmp_path / "scratch")))
    assert breaches == [
        (
            "model-000001 reads city, which may hold the end of history, for customers rows without "
            "updated_at: train again",
            1,
        )
    ]


def test_the_random_world_and_the_shop_pass(world: Built, shop: Built, tmp_path: Path) -> None:
    for place, made in enumerate((world, shop)):
        assert check(audit_context(made.home, tmp_path / str(place))).breaches == ()
