"""Homes to watch: a shop whose champion knows nothing of the last months, and one whose orders stop."""

import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from ml.config.problem import Problem, Tuning
from ml.demos.shop import write_shop
from ml.ingest import ingest
from ml.monitor.settings import MonitorSettings
from ml.train import train
from ml.warehouse import build
from tests.worlds import shared_folder

FAST = replace(
    Problem(), candidates=("prior", "recency_rule", "logistic_regression"), tuning=Tuning(trials=0)
)
SETTINGS = MonitorSettings(customers_max=150, reference_weeks=70, skew=False)
AS_OF = datetime(2024, 12, 30)
STOPPED_AT = "2024-12-23"


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a shop of 500 customers, trained on what was known on 1 July 2024."""
    with shared_folder(tmp_path_factory, "watched") as (folder, is_new):
        if is_new:
            write_shop(folder / "raw", customers=500, seed=3)
            ingest(str(folder / "raw"), home=folder / "home")
            build(home=folder / "home", problem=FAST, as_of=datetime(2024, 7, 1))
            train(home=folder / "home", problem=FAST)
            build(home=folder / "home", problem=FAST)
    return folder / "home"


@pytest.fixture(scope="session")
def stopped(watched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same home after a load in which no order became known in the last week."""
    with shared_folder(tmp_path_factory, "stopped") as (folder, is_new):
        if is_new:
            raw = shutil.copytree(watched.parent / "raw", folder / "raw")
            known = "greatest(ordered_at, coalesce(loaded_at, ordered_at))"
            with duckdb.connect() as connection:
                orders, items = (
                    f"read_parquet('{watched.parent}/raw/{name}.parquet')"
                    for name in ("orders", "order_items")
                )
                kept = f"select * from {orders} where {known} < timestamp '{STOPPED_AT}'"
                connection.execute(f"copy ({kept}) to '{raw}/orders.parquet' (format parquet)")
                lines = f"from {items} where order_id in (select order_id from ({kept}))"
                connection.execute(f"copy ({lines}) to '{raw}/order_items.parquet' (format parquet)")
            home = shutil.copytree(watched, folder / "home", symlinks=True)
            ingest(str(raw), home=home)
            build(home=home, problem=FAST)
    return folder / "home"


@pytest.fixture
def home(watched: Path, tmp_path: Path) -> Path:
    """The watched home as the test's own, which it may change."""
    reports = shutil.ignore_patterns("monitoring")
    return shutil.copytree(watched, tmp_path / "home", symlinks=True, ignore=reports)
