"""A customer whose facts were the first or last of all: clocks move, and the next build makes everything."""

from pathlib import Path

import pytest

from ml.audit.all_checks import audit
from ml.erasure import forget
from ml.home.build_manifest import manifest_of
from ml.home.layout import Home
from ml.ingest import ingest
from ml.ingest.manifest import read_load_manifest
from ml.warehouse import build
from tests.ml.erasure.conftest import copy_of
from tests.ml.warehouse.same import count, differing, rows
from tests.worlds import Built

pytestmark = pytest.mark.subjects("ml/erasure", "ml/warehouse", "ml/ingest")
LAST = "c0000"  # has the last session of the world; its key is too short to be searched for by bytes


def test_the_next_build_equals_one_of_the_others_alone(withdrawn: Built, tmp_path: Path) -> None:
    home = copy_of(withdrawn.home, tmp_path / "home")
    before, clock = Home(home).current_build(), read_load_manifest(home / "raw" / "current")["data_clock"]
    result = forget(LAST, home=home)
    assert (result["is_gone"], result["search"]["kind"]) == (True, "values")
    now = read_load_manifest(home / "raw" / "current")["data_clock"]
    assert now < clock
    assert manifest_of(before)["an_end_was_erased"]
    old = withdrawn.build
    for table in (
        "features/feat_customer_orders",
        "features/feat_customer_profile",
        "labels/label_customer_churn",
    ):
        kept, have = rows(old, table, f"customer_id <> '{LAST}'"), rows(before, table)
        assert (count(f"({kept} except all {have})"), count(f"({have} except all {kept})")) == (0, 0)
    found = audit(home=home, only=["ledger", "clocks"], seconds=10)
    assert [finding["breaches"] for finding in found["checks"]] == [[], []]
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "orders.csv").write_text(
        "order_id,customer_id,ordered_at,total_amount\nq,c0001,2025-05-01,1\n"
    )
    ingest(tmp_path / "more", home=home, append=True)
    assert build(home=home)["kind"] == "full"
    assert build(home=copy_of(home, tmp_path / "other"), full_refresh=True)["kind"] == "full"
    assert differing(Home(home).current_build(), Home(tmp_path / "other").current_build()) == {}
