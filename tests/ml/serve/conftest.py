"""Homes whose values are online: a small synthetic one, and a shop with odd keys and rejected rows."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml.common.sql import literal
from ml.config.problem import read_problem
from ml.demos.shop import write_shop
from ml.home.layout import Home
from ml.ingest import ingest
from ml.train import train
from ml.warehouse import build
from ml.warehouse.materialize import materialize
from tests.ml.conftest import PROBLEM
from tests.ml.serve.serving import Server, serving
from tests.worlds import shared_folder

# In place of the first customers of the shop, in their order.
ODD_KEYS = ("<script>alert(1)</script>", 'a/b?c%20"é😀&x=#', "=1+1", "..", "two  blanks")
VALUE = """
name: value
label: label_customer_value
task: regression
candidates: [mean, random_forest]
tuning: {trials: 0}
training_rows_max: 2000
"""
SHOP_PROBLEM = replace(PROBLEM, candidates=("prior", "recency_rule", "logistic_regression"))


@pytest.fixture(scope="session")
def online(trained: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained home with its values online."""
    folder = shutil.copytree(trained[0], tmp_path_factory.mktemp("online") / "home", symlinks=True)
    materialize(home=folder)
    return folder


@pytest.fixture(scope="session")
def shop_online(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop from raw rows to online values, with champions for churn and for ``value.yml`` beside it."""
    with shared_folder(tmp_path_factory, "shop-online") as (folder, is_new):
        if is_new:
            write_shop(folder / "raw", customers=300, seed=5)
            rename_customers(folder / "raw")
            add_faulty_orders(folder / "raw")
            ingest(folder / "raw", home=folder / "home")
            build(home=folder / "home")
            (folder / "value.yml").write_text(VALUE)
            train(home=folder / "home", problem=SHOP_PROBLEM)
            train(home=folder / "home", problem=read_problem(folder / "value.yml"))
            materialize(home=folder / "home")
    return folder / "home"


@pytest.fixture
def home(shop_online: Path, tmp_path: Path) -> Path:
    """A shop of the test's own, which it may change."""
    return shutil.copytree(shop_online, tmp_path / "home", symlinks=True)


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    """A server over ``home`` that is ready."""
    with serving(home) as server:
        server.until(lambda: server.ask("/ready").status == 200)
        yield server


def rename_customers(raw: Path) -> None:
    """Give the first customers odd keys."""
    for name in ("customers", "orders", "support_tickets", "sessions"):
        cases = " ".join(
            f"when {literal(key)} then {literal(odd)}"
            for key, odd in zip(first_keys(), ODD_KEYS, strict=True)
        )
        renamed = f"case customer_id {cases} else customer_id end as customer_id"
        rewrite(raw / f"{name}.parquet", f"* replace ({renamed})")


def first_keys() -> list[str]:
    return [f"C{number:07d}" for number in range(1, len(ODD_KEYS) + 1)]


def add_faulty_orders(raw: Path) -> None:
    """Two orders of a customer whom nobody knows, whose e-mail stands in a column of the order."""
    file = raw / "orders.parquet"
    values = "'secret@example.org' as channel, 'nobody' as customer_id, 'bad-' || order_id as order_id"
    rewrite(file, "*", f"union all by name (select * replace ({values}) from {literal(file)} limit 2)")


def rewrite(file: Path, columns: str, more: str = "") -> None:
    """Write a Parquet file anew."""
    with duckdb.connect() as connection:
        connection.execute(f"create table rows as select {columns} from {literal(file)} {more}")
        connection.execute(f"copy rows to {literal(file)} (format parquet)")


def customers_of(home: Path) -> list[str]:
    """Every customer of the current build."""
    files = Home.at(home).current_build() / "features" / "feat_customer_orders" / "*.parquet"
    with duckdb.connect() as connection:
        query = f"select distinct customer_id from {literal(files)} order by 1"
        return [name for (name,) in connection.execute(query).fetchall()]
