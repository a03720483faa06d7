"""The fast running totals of DuckDB, and the cut into slices of customers, against plain SQL in one slice."""

import shutil
from pathlib import Path

import pytest

from tests.dbt_project.hand_run import FEATURES, LABELS, ingested, rows_of
from tests.reference.worlds import random_world

pytestmark = pytest.mark.subjects("dbt_project")

CUSTOMERS = 45
ORDERS = "compiled/tidemark/models/marts/features/feat_customer_orders.sql"
FAST = "lag(customer_number) over ()"
Made = dict[str, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """One random world, its feature and label tables made in each way."""
    hand = ingested(tmp_path_factory.mktemp("totals"), random_world(13, customers=CUSTOMERS))
    ways = {"fast": {}, "plain": {"plain_totals": True}, "sliced": {"customers_per_slice": 7}}
    all_active = {"active_within_days": 2 * 365}
    folders = {way: hand.folder / way for way in ways}
    for way, variables in ways.items():
        for kind in ("features", "labels"):
            (folders[way] / kind).mkdir(parents=True)
        chosen = [] if way == "fast" else ["--select", "marts"]
        ran = hand.dbt("run", *chosen, output=folders[way], **variables, **all_active)
        assert ran.returncode == 0, ran.stdout
        shutil.copyfile(hand.target / ORDERS, folders[way] / "orders.sql")
    return folders


@pytest.mark.parametrize("model", [*FEATURES, *LABELS])
@pytest.mark.parametrize("way", ["plain", "sliced"])
def test_rows_are_the_same_and_in_the_same_order(way: str, model: str, made: Made) -> None:
    fast, other = (rows_of(made[name], model) for name in ("fast", way))
    assert (other.columns, other.types) == (fast.columns, fast.types)
    rows = fast.fetchall()
    assert len(rows) > CUSTOMERS / 2
    assert other.fetchall() == rows


def test_plain_totals_are_another_way(made: Made) -> None:
    compared = {way: FAST in (folder / "orders.sql").read_text() for way, folder in made.items()}
    assert compared == {"fast": True, "plain": False, "sliced": True}


def test_slices_are_files_of_seven_customers(made: Made) -> None:
    folder = made["sliced"] / "features" / "feat_customer_orders"
    assert len(list(folder.glob("slice-*.parquet"))) == 7
    names = "count(distinct customer_id)"
    counts = rows_of(made["sliced"], "feat_customer_orders").aggregate(names).fetchone()
    assert counts == (CUSTOMERS,)
