"""A home with everything in it, and what is left of it after a customer was forgotten."""

import html
import json
import shutil
import subprocess
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml.common.sql import literal
from ml.demos.shop import write_shop
from ml.erasure import forget
from ml.features.point_in_time import features
from ml.home.layout import Home
from ml.ingest import ingest
from ml.journal import push
from ml.score import score
from ml.serve.served_state import ServedState
from ml.train import train
from ml.warehouse import build
from ml.warehouse.materialize import materialize
from tests.ml.conftest import PROBLEM
from tests.worlds import shared_folder

SHOP_PROBLEM = replace(PROBLEM, candidates=("prior", "recency_rule", "logistic_regression"))
# The key of the one who is forgotten, which formats write differently, and one that merged into it.
PERSON, FORMER = 'Zoë O\'Neil/7 "x"', "former-Zoe-12"
EMAIL = "zoe.o'neil@example.org"
LATE = timedelta(days=40)
TABLES = ("customers", "orders", "order_items", "support_tickets", "sessions")
OF_CUSTOMERS = ("customers", "orders", "support_tickets", "sessions")


@dataclass(frozen=True)
class Full:
    """A home, the raw rows it was made of, and the orders of the person."""

    raw: Path
    home: Path
    orders: frozenset[str]


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Full:
    """Rejected and waiting rows, merges, an increment, a model, evidence, pages, scores, a log, pushes."""
    with shared_folder(tmp_path_factory, "full-home") as (folder, is_new):
        if is_new:
            raw = folder / "raw"
            write_shop(raw, customers=160, seed=5)
            rename_person(raw)
            add_faulty_rows(raw)
            split_late(raw, folder / "late")
            fill_home(folder, folder / "home")
    rows = " union all ".join(
        f"select order_id, customer_id from '{folder}/{part}/orders.parquet'" for part in ("raw", "late")
    )
    query = f"select order_id from ({rows}) group by 1 having bool_and(customer_id in {persons()})"
    orders = {order for (order,) in duckdb.sql(query).fetchall()}
    return Full(folder / "raw", folder / "home", frozenset(orders | {"pushed-0", "pushed-1"}))


@pytest.fixture
def home(full: Full, tmp_path: Path) -> Path:
    """A copy of one's own, hard links in it too."""
    return copy_of(full.home, tmp_path / "home")


@pytest.fixture(scope="session")
def forgotten(full: Full, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The home without the person, and what forgetting said; tests only look at it."""
    with shared_folder(tmp_path_factory, "forgotten") as (folder, is_new):
        if is_new:
            copy_of(full.home, folder / "home")
            (folder / "result.json").write_text(json.dumps(forget(PERSON, home=folder / "home")))
    return folder / "home", json.loads((folder / "result.json").read_text())


def copy_of(home: Path, target: Path) -> Path:
    subprocess.run(["cp", "-a", str(home), str(target)], check=True)
    return target


def persons() -> str:
    return f"({literal(PERSON)}, {literal(FORMER)})"


def rename_person(raw: Path) -> None:
    """Give two of the customers with most orders the keys of the person."""
    busy = duckdb.sql(
        f"select customer_id from '{raw}/orders.parquet' group by 1 order by count(*) desc, 1 limit 6"
    ).fetchall()
    names = {busy[3][0]: PERSON, busy[5][0]: FORMER}
    cases = " ".join(f"when {literal(old)} then {literal(new)}" for old, new in names.items())
    for name in OF_CUSTOMERS:
        rewrite(
            raw / f"{name}.parquet",
            f"* replace (case customer_id {cases} else customer_id end as customer_id)",
        )
    email = f"case when customer_id = {literal(PERSON)} then {literal(EMAIL)} else email end as email"
    rewrite(raw / "customers.parquet", f"* replace ({email})")
    merge = f"select {literal(FORMER)} as old_customer_id, {literal(PERSON)} as new_customer_id"
    recorded = "timestamp '2024-06-01' as recorded_at"
    duckdb.sql(f"copy ({merge}, {recorded}) to '{raw}/customer_merges.parquet' (format parquet)")


def add_faulty_rows(raw: Path) -> None:
    """Rejected orders of the person, one of which is another's, and lines that wait for an order."""
    orders = raw / "orders.parquet"
    mine = f"from '{orders}' where customer_id = {literal(PERSON)} limit 2"
    other = f"(select min(order_id) from '{orders}' where customer_id = 'C0000001')"
    rewrite(
        orders,
        "*",
        f"union all by name (select * replace ('bad-' || order_id as order_id, null as total_amount) {mine}) "
        f"union all by name (select * replace ({other} as order_id) {mine})",
    )
    items = f"from '{raw}/order_items.parquet'"
    lines = f"select * replace ('none-yet' as order_id) {items} limit 1"
    bad = f"select * replace ('bad-' || order_id as order_id) {items} where order_id in "
    of_mine = f"(select substr(order_id, 5) from '{orders}' where order_id like 'bad-%') limit 1"
    more = f"union all by name ({lines}) union all by name ({bad} {of_mine})"
    rewrite(raw / "order_items.parquet", "*", more)


def split_late(raw: Path, late: Path) -> None:
    """Put the orders of the last forty days, with their lines, in a folder of their own."""
    late.mkdir()
    orders, items = raw / "orders.parquet", raw / "order_items.parquet"
    since = f"ordered_at > (select max(ordered_at) - interval {LATE.days} day from '{orders}')"
    is_late = f"order_id in (select order_id from '{orders}' group by 1 having bool_and({since}))"
    for file in (items, orders):
        duckdb.sql(f"copy (from '{file}' where {is_late}) to '{late / file.name}' (format parquet)")
    for file in (items, orders):
        rewrite(file, "*", where=f"where not ({is_late})")


def rewrite(file: Path, columns: str, more: str = "", where: str = "") -> None:
    with duckdb.connect() as connection:
        connection.execute(f"create table rows as select {columns} from {literal(file)} {where} {more}")
        connection.execute(f"copy rows to {literal(file)} (format parquet)")


def fill_home(folder: Path, home: Path) -> None:
    """Every command that leaves something in a home."""
    ingest(folder / "raw", home=home, max_rejected=0.5)
    build(home=home)
    ingest(folder / "late", home=home, append=True, max_rejected=0.5)
    push(f"{order_line('pushed-0', PERSON)}\n{order_line('pushed-9', 'C0000002', '23:31')}", home=home)
    build(home=home)
    train(home=home, problem=SHOP_PROBLEM)
    write_evidence(home)
    materialize(home=home)
    score(home=home, log=True)
    write_scores(home)
    push(f"{order_line('pushed-1', PERSON)}\n{order_line('pushed-2', 'C0000002')}", home=home)
    state = ServedState(Home.at(home), SHOP_PROBLEM)
    state.refresh()
    assert state.is_ready, state.fault
    asked = home / "asked.csv"
    in_csv = PERSON.replace('"', '""')
    asked.write_text(f'customer_id,event_timestamp\n"{in_csv}",2024-05-01\nC0000001,2024-05-01\n')
    features(asked, home / "features.jsonl", home=home)


def write_evidence(home: Path) -> None:
    """Evidence with the person as an example, and the page of it, as far as forgetting looks at them."""
    card = json.loads((home / "models" / "model-000001" / "model.json").read_text())["card"]
    examples = [{"customer_id": name, "probability": 0.25} for name in ("C0000001", PERSON)]
    evidence = {"model_card": card, "rows": 2, "reasons": {"customers": examples}}
    for folder in ("evidence", "report"):
        (home / folder).mkdir()
    (home / "evidence" / "model-000001.json").write_text(json.dumps(evidence) + "\n")
    (home / "report" / "model-000001.html").write_text(f"<h3>{html.escape(PERSON)}</h3>")
    (home / "report" / "other.html").write_text("<h3>C0000001</h3>")


def order_line(order: str, customer: str, at: str = "23:30") -> str:
    row = {"table": "orders", "order_id": order, "customer_id": customer}
    return json.dumps(row | {"ordered_at": f"2024-12-31T{at}:00Z", "total_amount": 10})


def write_scores(home: Path) -> None:
    """Scores as the day's command leaves them."""
    folder = home / "runs" / "2025-01-01"
    folder.mkdir(parents=True)
    for name in ("scores.parquet", "scores.csv", "scores.jsonl"):
        names = score(home=home, out=folder / name)["customer_id"].to_pylist()
    (folder / "run.json").write_text(json.dumps({"scored": len(names), "customers": names}))
    shutil.copy(folder / "scores.parquet", home / "scores.parquet")
