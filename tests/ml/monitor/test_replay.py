"""Each planted difference between what was served and what is known now is named by its cause."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import NotReadyError
from ml.common.instants import format_instant, parse_instant
from ml.common.sql import literal
from ml.home.build_manifest import read_build_manifest, write_build_manifest
from ml.home.layout import Home
from ml.home.publication import publish
from ml.ingest import ingest
from ml.journal import push
from ml.monitor.replay import replay
from ml.predictions.entries import NAMES, Entry
from ml.predictions.log import PredictionLog
from ml.score import score
from ml.score.logged_builds import logged_build
from ml.warehouse import build
from tests.ml.daily_run.conftest import Place, day_one  # noqa: F401
from tests.ml.serve.serving import serving

pytestmark = pytest.mark.subjects("ml/monitor", "ml/score", "ml/predictions", "ml/serve", "ml/warehouse")
OF_ORDERS = "feat_customer_orders"


@pytest.fixture
def home(day_one: Place, tmp_path: Path) -> Path:  # noqa: F811
    """A home with a logged score of everyone eligible, made from its present build."""
    return shutil.copytree(day_one.home, tmp_path / "home", symlinks=True)


@pytest.fixture
def raw(day_one: Place, tmp_path: Path) -> Path:  # noqa: F811
    """A copy of the raw tables it was made from."""
    return shutil.copytree(day_one.raw, tmp_path / "raw")


def entries(home: Path) -> list[Entry]:
    """What was logged, in its order."""
    with PredictionLog(Home(home)) as log:
        return [Entry(**{name: row[name] for name in NAMES}) for row in log.rows()]


def log_again(home: Path, entry: Entry, features: dict[str, Any] | None = None, **changes: Any) -> None:
    """One more entry like ``entry``, with other features or fields."""
    text = json.dumps(json.loads(entry.features) | (features or {}))
    with PredictionLog(Home(home)) as log:
        log.append([replace(entry, **({"features": text, "source": "http"} | changes))])


def causes(home: Path, **options: Any) -> dict[tuple[str, str], str]:
    """The cause in first place of each difference, by customer and feature."""
    found = replay(home=home, **options).differences
    return {(each.customer_id, each.feature): each.cause for each in found}


def found_for(home: Path, features: dict[str, Any], **changes: Any) -> dict[str, str]:
    """The causes of the differences of one more entry, whose features were changed, by feature."""
    entry = entries(home)[0]
    log_again(home, entry, features, **changes)
    return {name: cause for (customer, name), cause in causes(home).items() if customer == entry.customer_id}


def test_what_was_scored_from_its_build_is_the_same(home: Path) -> None:
    result = replay(home=home)
    first = entries(home)[0]
    assert (result.entries, result.differing_values, result.ok) == (len(entries(home)), 0, True)
    assert result.values == result.entries * (len(json.loads(first.features)) + 1)  # with the score
    log_again(home, first)
    assert replay(home=home).entries == result.entries + 1
    with pytest.raises(NotReadyError):
        replay(home=home, since=parse_instant(first.logged_at) + timedelta(days=1))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda value: value + 1, "store"),
        (float, "cast"),
        (str, "cast"),
        (lambda value: f"{value}.0000", "cast"),
        (lambda value: None, "store"),
    ],
)
def test_a_served_value_that_its_build_never_had(
    home: Path, change: Callable[[int], Any], cause: str
) -> None:
    value = json.loads(entries(home)[0].features)["orders_lifetime"]
    assert value > 0
    assert found_for(home, {"orders_lifetime": change(value)}) == {"orders_lifetime": cause}


def test_null_for_zero(home: Path) -> None:
    values = json.loads(entries(home)[0].features)
    name = next(
        name for name, value in values.items() if value == 0 and name.startswith(("orders_", "cancel"))
    )
    assert found_for(home, {name: None}) == {name: "null vs zero"}


def test_a_row_that_expired(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with duckdb.connect() as connection:
        files = literal(Home(home).current_build() / "features" / OF_ORDERS / "*.parquet")
        names = [row[0] for row in connection.execute(f"describe from {files}").fetchall()]
    missing = dict.fromkeys([name for name in names if name not in ("customer_id", "event_timestamp")])
    alive = found_for(home, missing)
    assert alive["orders_lifetime"] == "store"
    keeping = {"online_store": {"key_ttl_seconds": 1}}
    monkeypatch.setattr("ml.monitor.explain_differences.settings", lambda: keeping)
    assert causes(home)[entries(home)[0].customer_id, "orders_lifetime"] == "time-to-live"
    keeping["online_store"]["key_ttl_seconds"] = 10**9
    assert causes(home)[entries(home)[0].customer_id, "orders_lifetime"] == "store"


def test_another_model_and_a_score_that_its_model_never_gave(home: Path) -> None:
    first, second = entries(home)[:2]
    log_again(home, first, prediction=0.125, model_version="model-000000")
    assert causes(home) == {(first.customer_id, "prediction"): "model changed"}
    assert replay(home=home).ok
    log_again(home, second, prediction=0.125)
    assert causes(home)[second.customer_id, "prediction"] == "store"
    assert not replay(home=home).ok


def redefine(home: Path, feature: str, expression: str, *, keep: bool) -> None:
    """Make the logged build as if a feature had been defined otherwise, and publish today's after it."""
    places = Home(home)
    older = places.current_build()
    newer = shutil.copytree(older, places.builds / "build-000002", symlinks=True)
    write_build_manifest(newer, read_build_manifest(newer) | {"build_id": newer.name, "project_hash": "new"})
    for file in (older / "features" / OF_ORDERS).glob("*.parquet"):
        with duckdb.connect() as connection:
            query = f"select * replace ({expression} as {feature}) from {literal(file)}"
            connection.execute(f"create table rows as {query}")
            file.unlink()
            connection.execute(f"copy rows to {literal(file)} (format parquet)")
    forget_entries(home)
    publish(older)
    score(home=home, log=True)
    publish(newer)
    if not keep:
        shutil.rmtree(older)


def forget_entries(home: Path) -> None:
    """Begin the log anew."""
    with closing(sqlite3.connect(home / "predictions" / "log.db")) as connection:
        for table in ("predictions", "last_entry"):
            connection.execute(f"delete from {table}")
        connection.commit()


@pytest.mark.parametrize(
    ("feature", "expression", "keep", "cause"),
    [
        ("orders_90d", "orders_90d * 2", True, {"definition changed"}),
        ("orders_90d", "orders_90d * 2", False, {"definition changed"}),
        ("orders_90d", "orders_90d::double", True, {"cast"}),
        ("orders_90d", "nullif(orders_90d, 0)", True, set()),  # everyone eligible has an order
        ("orders_7d", "nullif(orders_7d, 0)", True, {"null vs zero"}),
    ],
)
def test_a_definition_that_changed(
    home: Path, feature: str, expression: str, keep: bool, cause: set[str]
) -> None:
    redefine(home, feature, expression, keep=keep)
    assert {why for (_, name), why in causes(home).items() if name == feature} == cause
    assert replay(home=home).ok


def test_a_build_that_is_gone_is_known_by_what_was_kept_of_it(home: Path) -> None:
    places = Home(home)
    older = places.current_build()
    kept = logged_build(places, older.name)
    newer = shutil.copytree(older, places.builds / "build-000002", symlinks=True)
    write_build_manifest(newer, read_build_manifest(newer) | {"build_id": newer.name})
    publish(newer)
    shutil.rmtree(older)
    assert kept is not None
    assert (logged_build(places, older.name), kept.ingests) == (kept, ("load-000001",))
    assert causes(home) == {}
    assert found_for(home, {"orders_lifetime": 12345}) == {"orders_lifetime": "store"}
    second = entries(home)[1]
    log_again(home, second, {"orders_lifetime": 777}, build_id="build-000099")
    assert causes(home)[second.customer_id, "orders_lifetime"] == "unknown"


def test_facts_that_came_late_were_corrected_or_erased(home: Path, raw: Path, tmp_path: Path) -> None:
    """One build with every kind of change; each customer has one, and the last has two."""
    served = entries(home)
    clock = parse_instant(served[0].event_timestamp)
    late, corrected, erased, both, mistaken = (entry.customer_id for entry in served[:5])
    replant(
        raw / "orders.parquet",
        corrections(clock, [corrected, both]),
        late_orders(clock, [late, both]),
        erased,
    )
    for table in ("customers", "support_tickets", "sessions"):
        keep_out(raw / f"{table}.parquet", erased)
    ingest(raw, home=home)
    build(home=home)
    log_again(home, served[4], {"orders_lifetime": 999})
    found = replay(home=home, out=tmp_path / "differences.parquet")
    first: dict[str, set[str]] = {}
    for each in found.differences:
        if each.feature != "prediction":
            first.setdefault(each.customer_id, set()).add(each.cause)
    assert first == {
        late: {"late row"},
        corrected: {"correction"},
        erased: {"erased"},
        both: {"late row", "correction"},
        mistaken: {"store"},
    }
    named = {(each.customer_id, each.feature): each for each in found.differences}
    assert named[late, "orders_lifetime"].detail.startswith("orders: row ")
    assert "in load-000002" in named[late, "orders_lifetime"].detail
    assert named[both, "spend_lifetime"].also
    assert named[both, "orders_lifetime"].also == ""
    assert {rate.cause: rate.entries for rate in found.causes} == {
        "late row": 2,
        "correction": 2,
        "erased": 1,
        "store": 1,
    }
    rows = pq.read_table(tmp_path / "differences.parquet").to_pylist()
    assert [row["cause"] for row in rows] == [each.cause for each in found.differences]
    ran = CliRunner().invoke(main, ["replay", "--home", str(home)])
    assert ran.exit_code == 1
    assert f"{mistaken} at {format_instant(clock)}: orders_lifetime 999, now " in ran.stdout
    said = json.loads(CliRunner().invoke(main, ["replay", "--home", str(home), "--json"]).stdout)
    assert (said["ok"], said["differing_values"]) == (False, found.differing_values)


def late_orders(clock: datetime, customers: list[str]) -> str:
    """The SQL of one more order of each customer, placed and recorded days before the clock."""
    keys = ", ".join(map(literal, customers))
    return f"""
        select * replace (
            'late-' || customer_id as order_id, timestamp '{clock}' - interval 9 day as ordered_at,
            timestamp '{clock}' - interval 8 day as loaded_at, null as cancelled_at, null as returned_at
        )
        from rows where customer_id in ({keys})
        qualify row_number() over (partition by customer_id order by order_id) = 1
    """


def corrections(clock: datetime, customers: list[str]) -> str:
    """The SQL of a later version of each customer's last order, with another amount."""
    keys = ", ".join(map(literal, customers))
    return f"""
        select * replace (
            total_amount + 1000 as total_amount, timestamp '{clock}' - interval 1 hour as loaded_at
        )
        from rows where customer_id in ({keys}) and cancelled_at is null and returned_at is null
        qualify row_number() over (partition by customer_id order by ordered_at desc, order_id) = 1
    """


def replant(file: Path, *more_rows: str) -> None:
    """Write orders anew, with more rows, and without those of the customer who is named last."""
    *queries, erased = more_rows
    with duckdb.connect() as connection:
        connection.execute(
            f"create table rows as from {literal(file)} where customer_id <> {literal(erased)}"
        )
        more = " ".join(f"union all by name ({query})" for query in queries)
        connection.execute(f"copy (from rows {more}) to {literal(file)} (format parquet)")


def keep_out(file: Path, customer: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            f"create table rows as from {literal(file)} where customer_id <> {literal(customer)}"
        )
        connection.execute(f"copy rows to {literal(file)} (format parquet)")


def test_scores_of_the_server_and_of_facts_just_pushed(home: Path) -> None:
    """A live score is no difference once its facts are built; an order of days before is a late row."""
    first, second = entries(home)[:2]
    clock = parse_instant(first.event_timestamp)
    instant = clock + timedelta(minutes=3)
    with serving(home) as server:
        server.until(lambda: server.ask("/ready").status == 200)
        server.scores(first.customer_id, second.customer_id)
        push_order(home, first.customer_id, instant)
        (live,) = server.scores(first.customer_id)
    assert live["event_timestamp"] == format_instant(instant)
    logged = len(entries(home))
    assert [entry.source for entry in entries(home)[-3:]] == ["http"] * 3
    before = replay(home=home)
    assert (before.entries, before.not_replayed, before.differing_values) == (logged - 1, 1, 0)
    push_order(home, second.customer_id, clock - timedelta(days=9))
    build(home=home)
    after = replay(home=home)
    assert (after.entries, after.not_replayed, after.differing_entries) == (logged, 0, 2)
    assert {rate.cause for rate in after.causes} == {"late row"}
    assert {each.customer_id for each in after.differences} == {second.customer_id}
    log_again(home, entries(home)[-1], {"orders_lifetime": 999})
    assert causes(home)[first.customer_id, "orders_lifetime"] == "store"
    # going back: what the served build knew more than the present one is not erased
    forget_entries(home)
    score(home=home, log=True, as_of=clock)
    assert causes(home) == {}
    publish(home / "builds" / "build-000001")
    back = replay(home=home)
    assert {(each.customer_id, each.cause) for each in back.differences} >= {(second.customer_id, "late row")}
    assert {rate.cause for rate in back.causes} == {"late row"}


def push_order(home: Path, customer: str, instant: datetime) -> None:
    row = {"table": "orders", "order_id": f"new-{customer}", "customer_id": customer, "total_amount": 12.5}
    push(json.dumps(row | {"ordered_at": format_instant(instant)}), home=home)


def test_nothing_logged_is_one_sentence(home: Path) -> None:
    shutil.rmtree(home / "predictions")
    with pytest.raises(
        NotReadyError, match="the prediction log has no score to replay: run 'churn score --log'"
    ):
        replay(home=home)
