"""Each data test of the dbt project catches a planted fault, and a sound world raises nothing.

A fault is plain SQL on the built tables, run after dbt has made and passed them; rows of the models in
Parquet have a ``place`` there, which is their order in the file.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from ml.common.errors import BuildError
from ml.home.layout import Home
from ml.warehouse import build
from tests.dbt_project.hand_run import FEATURES, LABELS, Hand, ingested
from tests.reference.by_hand import customer, day, item, order, session, ticket, world
from tests.reference.entity_rows import asked_rows
from tests.worlds import Built

pytestmark = pytest.mark.subjects("dbt_project")

STAGED = ("stg_customers", "stg_order_items", "stg_orders", "stg_sessions", "stg_support_tickets")
FACTS = ("int_order_facts", "int_order_line_facts", "int_session_facts", "int_ticket_facts")
IN_BETWEEN = (*FACTS, "int_customer_categories", "int_customer_versions", "int_customers", "int_cutoffs")
TABLES = (*STAGED, *IN_BETWEEN, "int_data_clock")
IN_PARQUET = (*FEATURES, *LABELS)
COUNTING = ("feat_customer_engagement", "feat_customer_orders", "feat_customer_support")

TINY = world(
    customer(),
    customer(city="Ulm", updated_at=day(50)),
    customer(customer_id="b"),
    customer(customer_id="c"),
    order(1, 10),
    order(2, 40),
    order(3, 100),
    order(4, 20, customer_id="b"),
    order(5, 30, customer_id="c"),
    order(6, 35, customer_id="c", total_amount=-30),
    item(),
    item(category="wine", order_id="o2"),
    item(2, order_id="o4", loaded_at=day(60)),
    ticket(1, 10, resolved_at=day(12), satisfaction_score=5),
    ticket(2, 20, customer_id="b"),
    ticket(3, 30, customer_id="c"),
    session(1, 10),
    session(2, 20, customer_id="b"),
    session(3, 150, customer_id="c"),
)

# What is planted on each table, and the data tests that must fail, with the rows each complains of.
DOUBLED = {table: [f"insert into {table} select * from {table} limit 1"] for table in TABLES}
DOUBLED |= {model: [f"insert into {model} select * from {model} where place = 1"] for model in IN_PARQUET}
CAUGHT_DOUBLED = {f"one_row_per {table}": 1 for table in TABLES}
CAUGHT_DOUBLED |= {f"strictly_increasing {model}": 1 for model in IN_PARQUET}
# Beside two rows of the data clock an order counts twice: 4 cut-offs before a's second, 5 before the third.
CAUGHT_DOUBLED |= {"values_agree_with_orders": 9}

EMPTY_ROW = {
    model: [f"insert into {model} by name select null as {key}"]
    for key, models in {
        "customer_id": (*FEATURES, *LABELS, *STAGED[:1], *STAGED[2:], "int_customers"),
        "order_id": ("stg_order_items",),
        "customer_number": (*FACTS, "int_customer_categories", "int_customer_versions"),
        "cutoff_at": ("int_cutoffs",),
        "data_clock": ("int_data_clock",),
    }.items()
    for model in models
}
REQUIRED = {
    **dict.fromkeys(FEATURES, ("customer_id", "event_timestamp")),
    **dict.fromkeys(
        ("label_customer_churn", "label_pending"),
        ("customer_id", "event_timestamp", "churned", "label", "label_known_at"),
    ),
    **dict.fromkeys(
        ("label_customer_value", "label_value_pending"),
        ("customer_id", "event_timestamp", "label", "label_known_at"),
    ),
    "population_customers": ("customer_id", "active_from", "active_until"),
    "stg_customers": ("customer_id", "version_number", "registered_at", "known_at"),
    "stg_order_items": ("order_id", "line_number", "known_at", "quantity"),
    "stg_orders": ("order_id", "customer_id", "ordered_at", "version_number", "known_at"),
    "stg_sessions": ("session_id", "customer_id", "started_at", "version_number", "known_at"),
    "stg_support_tickets": ("ticket_id", "customer_id", "opened_at", "version_number", "known_at"),
    **dict.fromkeys((*FACTS, "int_customer_categories", "int_customer_versions"), ("customer_number",)),
    "int_customers": ("customer_number",),
    "int_cutoffs": ("cutoff_at",),
    "int_data_clock": ("data_clock",),
}
CAUGHT_EMPTY_ROW = {f"not_null {model}.{column}": 1 for model in REQUIRED for column in REQUIRED[model]}
CAUGHT_EMPTY_ROW |= {f"values_within_declared_range {model}": 1 for model in COUNTING}
CAUGHT_EMPTY_ROW |= {f"accounts_for_raw_rows {table}": 1 for table in STAGED[2:]}
CAUGHT_EMPTY_ROW |= {
    f"settled_labels label_customer_{name}": 2 for name in ("churn", "value")
}  # beside each row of the data clock
CAUGHT_EMPTY_ROW |= {"customers_are_in_every_feature_table": len(FEATURES)}
CAUGHT_EMPTY_ROW |= {"values_agree_with_orders": 9}  # as above

LAST_OF_A = "place = (select max(place) from {0} where customer_id = 'a')"
WRONG_VALUES = {
    "stg_support_tickets": ["update stg_support_tickets set satisfaction_score = 9 where ticket_id = 't1'"],
    "label_customer_churn": [
        "update label_customer_churn set churned = 2 where place = 1",  # was 0
        "update label_customer_churn set churned = 1 - churned where place in (2, 5)",
    ],
    "label_customer_value": ["update label_customer_value set label = label + 0.01 where place = 1"],
    "label_value_pending": ["update label_value_pending set label = -1 where place = 1"],
    "label_pending": [
        "update label_pending set churned = 3 "
        "where place = (select min(place) from label_pending where churned = 1)"
    ],
    "feat_customer_orders": [
        "update feat_customer_orders set orders_30d = -1 where place = 2",
        "update feat_customer_orders set spend_7d = -1 where customer_id = 'b' and orders_7d = 1",
        "update feat_customer_orders set spend_lifetime = -0.0001 "
        "where customer_id = 'b' and orders_placed_lifetime = 0",
        f"update feat_customer_orders set items_90d = 2 where {LAST_OF_A.format('feat_customer_orders')}",
    ],
    "feat_customer_support": [
        "update feat_customer_support set open_tickets = null where place = 2",
        "update feat_customer_support set tickets_90d = 1 "
        "where place = (select max(place) from feat_customer_support)",
    ],
    "feat_customer_engagement": [
        "update feat_customer_engagement set sessions_365d = -1 where place in (1, 2)",
        "update feat_customer_engagement set page_views_30d = 4 "
        f"where {LAST_OF_A.format('feat_customer_engagement')}",
    ],
}
CAUGHT_WRONG_VALUES = {
    "accepted_values stg_support_tickets.satisfaction_score": 1,
    "accepted_values label_customer_churn.churned": 1,
    "accepted_values label_pending.churned": 1,
    "labels_agree_with_orders": 3,  # two of the past, one to come
    "values_agree_with_orders": 2,  # one of the past, one to come
    "values_within_declared_range feat_customer_orders": 1,
    "values_within_declared_range feat_customer_support": 1,
    "values_within_declared_range feat_customer_engagement": 2,
    "spend_is_negative_only_where_amounts_are": 2,  # c, who was paid 30, stays exempt
    "windows_empty_in_the_end feat_customer_orders": 1,
    "windows_empty_in_the_end feat_customer_support": 1,
    "windows_empty_in_the_end feat_customer_engagement": 1,
}

LOST = {
    "raw/order_items": ["delete from raw_rows where order_id = 'o2'"],
    "raw/rejected_rows": ["insert into raw_rows by name select 'sessions' as \"table\""],
    "stg_orders": ["delete from stg_orders where order_id = 'o4'"],
    "int_order_facts": ["delete from int_order_facts where order_id = 'o4'"],
    "stg_sessions": ["update stg_sessions set session_id = 'never' where session_id = 's2'"],
    "int_session_facts": [
        "insert into int_session_facts select * replace (2 as version_number) from int_session_facts limit 1"
    ],
    "stg_support_tickets": ["delete from stg_support_tickets where ticket_id = 't3'"],
    "feat_customer_profile": ["delete from feat_customer_profile where customer_id = 'c'"],
    "feat_customer_orders": [
        "delete from feat_customer_orders where customer_id = 'b' and event_timestamp = '2023-01-01'"
    ],
    "feat_customer_support": [
        "update feat_customer_support set event_timestamp = '2023-01-01 00:00:00.000001' where place = 1"
    ],
}
CAUGHT_LOST = {
    "accounts_for_raw_rows stg_orders": 1,
    "accounts_for_raw_rows stg_sessions": 2,  # the one that is gone and the one that never was
    "accounts_for_raw_rows stg_support_tickets": 1,
    "raw_rows_are_accepted_or_rejected": 2,  # one table with a row too few, one with a row too many
    "facts_keep_every_version": 2,  # sessions, tickets
    "customers_are_in_every_feature_table": 3,
}

SWAPPED = "update {0} set place = 3 - place where place in (1, 2)"
OUT_OF_SHAPE = {
    "feat_customer_orders": [
        SWAPPED.format("feat_customer_orders"),
        "alter table feat_customer_orders add column extra bigint",
    ],
    "feat_customer_support": [
        "create or replace temp table feat_customer_support as "
        "select tickets_30d, * exclude (tickets_30d) from feat_customer_support"
    ],
    "feat_customer_engagement": [
        SWAPPED.format("feat_customer_engagement"),
        "alter table feat_customer_engagement alter page_views_30d type double",
    ],
    "feat_customer_profile": ["alter table feat_customer_profile drop column city"],
    "label_customer_churn": [SWAPPED.format("label_customer_churn")],
    "label_pending": [SWAPPED.format("label_pending")],
    "label_customer_value": [SWAPPED.format("label_customer_value")],
    "label_value_pending": [SWAPPED.format("label_value_pending")],
    "population_customers": [SWAPPED.format("population_customers")],
}
CAUGHT_OUT_OF_SHAPE = {f"columns_as_declared {model}": 1 for model in FEATURES}
CAUGHT_OUT_OF_SHAPE |= {
    f"strictly_increasing {model}": 1
    for model in ("feat_customer_orders", "feat_customer_engagement", *LABELS)
}

ROUNDS = {
    "a row doubled": (DOUBLED, CAUGHT_DOUBLED),
    "a row without values": (EMPTY_ROW, CAUGHT_EMPTY_ROW),
    "wrong values": (WRONG_VALUES, CAUGHT_WRONG_VALUES),
    "facts and customers lost": (LOST, CAUGHT_LOST),
    "out of order and shape": (OUT_OF_SHAPE, CAUGHT_OUT_OF_SHAPE),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Hand:
    """The tiny world after a plain ``dbt build``, with a copy of its home."""
    hand = ingested(tmp_path_factory.mktemp("by-hand"), TINY)
    ran = hand.dbt("build")
    assert ran.returncode == 0, ran.stdout
    shutil.copytree(hand.home, hand.folder / "sound", symlinks=True)
    shutil.copyfile(hand.target / "run_results.json", hand.folder / "first_results.json")
    return hand


@pytest.fixture
def plant(made: Hand) -> Callable[[dict[str, list[str]]], None]:
    """Plants faults into the home, all earlier ones undone."""
    shutil.rmtree(made.home)
    shutil.copytree(made.folder / "sound", made.home, symlinks=True)

    def planted(faults: dict[str, list[str]]) -> None:
        with made.warehouse() as connection:
            for table, statements in faults.items():
                if table in IN_PARQUET:
                    change_parquet(connection, table, statements, made.output)
                elif table.startswith("raw/"):
                    change_raw(made.home / "raw" / "current" / table.removeprefix("raw/"), statements)
                else:
                    change_table(connection, statements)

    return planted


def change_table(connection: duckdb.DuckDBPyConnection, statements: list[str]) -> None:
    for statement in statements:
        connection.execute(statement)


def change_parquet(
    connection: duckdb.DuckDBPyConnection, model: str, statements: list[str], output: Path
) -> None:
    """Write the model's Parquet file anew, and the view over it, as the materialization makes it."""
    folder = output / ("features" if model in FEATURES else "labels") / model
    (file,) = folder.glob("slice-*.parquet")
    connection.execute(
        f"create temp table {model} as select *, row_number() over () as place from main.{model}"
    )
    change_table(connection, statements)
    rows = f"select * exclude (place) from temp.{model} order by place"
    for part in folder.glob("*.parquet"):
        condition = "" if part == file else " limit 0"
        connection.execute(f"copy ({rows}{condition}) to '{part}' (format parquet)")
    connection.execute(f"drop table temp.{model}")
    connection.execute(
        f"create or replace view main.{model} as (select * from read_parquet('{folder}/*.parquet'))"
    )


def change_raw(folder: Path, statements: list[str]) -> None:
    """Change ``raw_rows``, the rows of one raw table, after the ingest has checked them."""
    (file,) = folder.glob("*.parquet")
    with duckdb.connect() as connection:
        connection.execute(f"create table raw_rows as select * from '{file}'")
        change_table(connection, statements)
        connection.execute(f"copy raw_rows to '{file}' (format parquet)")


def data_tests(hand: Hand) -> dict[str, str]:
    """Every data test of the project: dbt's id and a name that tells what it tests."""
    nodes = json.loads((hand.target / "manifest.json").read_text())["nodes"]
    return {key: said(node) for key, node in nodes.items() if node["resource_type"] == "test"}


def said(node: dict) -> str:
    """``one_row_per stg_orders``, ``not_null stg_orders.order_id``, or the name of a singular test."""
    if not node.get("test_metadata"):
        return node["name"]
    column = f".{node['column_name']}" if node["column_name"] else ""
    return f"{node['test_metadata']['name']} {node['attached_node'].split('.')[-1]}{column}"


def test_dbt_build_by_hand_passes_every_test(made: Hand) -> None:
    results = json.loads((made.folder / "first_results.json").read_text())["results"]
    states = {result["unique_id"]: result["status"] for result in results}
    models = {key for key in states if key.startswith("model.")}
    assert {key.split(".")[-1] for key in models} == {*TABLES, *IN_PARQUET, "stg_orders_clock"}
    assert {states[key] for key in models} == {"success"}
    tests = {key for key in states if key.startswith(("test.", "unit_test."))}
    assert {states[key] for key in tests} == {"pass"}
    assert data_tests(made).keys() <= tests


def test_dbt_build_by_hand_makes_these_rows(made: Hand) -> None:
    with made.warehouse() as connection:
        placed = connection.execute(
            "select customer_id, max(event_timestamp), max(orders_placed_lifetime) "
            "from feat_customer_orders group by customer_id"
        ).fetchall()
    assert set(placed) == {("a", day(465), 3), ("b", day(385), 1), ("c", day(400), 2)}


@pytest.mark.parametrize("name", ROUNDS)
def test_planted_faults_are_caught(
    name: str, made: Hand, plant: Callable[[dict[str, list[str]]], None]
) -> None:
    faults, caught = ROUNDS[name]
    plant(faults)
    assert made.dbt("test", "--exclude-resource-type", "unit_test").returncode == 1
    names = data_tests(made)
    found = {
        names[result["unique_id"]]: result["failures"] if result["status"] == "fail" else result["message"]
        for result in made.results()
        if result["status"] != "pass"
    }
    assert found == caught


def test_every_data_test_has_a_planted_fault(made: Hand) -> None:
    assert {name for _, caught in ROUNDS.values() for name in caught} == set(data_tests(made).values())


def test_a_failed_data_test_publishes_nothing(world: Built, tmp_path: Path) -> None:
    shutil.copytree(world.home, tmp_path / "home", symlinks=True)
    kept = Built(world.raw, tmp_path / "home")
    asked = asked_rows(world.raw, 200, seed=1, max_edges=300)
    before, build_before = kept.features(asked), kept.build
    load = Home.at(kept.home).current_load()
    change_raw(load / "support_tickets", ["update raw_rows set satisfaction_score = 9 where rowid = 3"])
    change_raw(load / "orders", ["update raw_rows set order_id = null where rowid = 3"])
    with pytest.raises(BuildError, match="nothing was published") as error:
        build(home=kept.home)
    failed = {part.split(":")[0].strip() for part in str(error.value).split("published: ")[1].split("; ")}
    assert failed == {
        "accepted_values_stg_support_tickets_satisfaction_score__False__1__2__3__4__5",
        "accounts_for_raw_rows_stg_orders_order_id__orders",
        "not_null_stg_orders_order_id",
    }
    assert kept.build == build_before
    assert {path.name for path in build_before.parent.iterdir()} == {"current", build_before.name}
    assert kept.features(asked).equals(before)
