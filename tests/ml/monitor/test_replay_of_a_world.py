"""A random world with merges, versions and deletions, half of whose later rows come after it was served."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from ml.common.instants import format_instant, utc_now
from ml.home.build_manifest import data_clock
from ml.home.layout import Home
from ml.monitor.replay import Replay, replay
from ml.predictions.entries import NAMES, SCORE, Entry, feature_text
from ml.predictions.log import PredictionLog
from ml.score.logged_builds import remember_build
from tests.ml.warehouse.extracts import add, at_random
from tests.reference.merged import merged_world
from tests.worlds import Built

pytestmark = pytest.mark.subjects("ml/monitor", "ml/score", "ml/warehouse", "ml/ingest", "dbt_project")
INSTANTS = 5


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every customer was served at five instants from the first part; the second part came later."""
    folder = tmp_path_factory.mktemp("replayed")
    parts = at_random(merged_world(4, customers=30), 2, seed=4)
    add(folder / "home", folder / "first", parts[0])
    serve(folder / "home")
    add(folder / "home", folder / "second", parts[1])
    return folder / "home"


def serve(home: Path) -> None:
    """Log what the present build says of every customer at instants over its time."""
    build, names = Home(home).current_build(), customers_of(home)
    clock, first = data_clock(build), data_clock(build).replace(year=data_clock(build).year - 1)
    stamps = [first + (clock - first) * number / (INSTANTS - 1) for number in range(INSTANTS)]
    rows = pa.table(
        {
            "customer_id": [name for name in names for _ in stamps],
            "event_timestamp": pa.array(stamps * len(names), pa.timestamp("us")),
        }
    )
    vectors = Built(home, home).features(rows).drop_columns(["customer_id", "event_timestamp"])
    entries = [
        Entry(
            kind=SCORE,
            logged_at=format_instant(utc_now()),
            source="batch",
            customer_id=row["customer_id"],
            event_timestamp=format_instant(row["event_timestamp"]),
            features=feature_text(vector),
            model_version="model-000001",
            build_id=build.name,
        )
        for row, vector in zip(rows.to_pylist(), vectors.to_pylist(), strict=True)
    ]
    remember_build(Home(home), build)
    with PredictionLog(Home(home)) as log:
        log.append(entries)


def customers_of(home: Path) -> list[str]:
    files = Home(home).current_build() / "features" / "feat_customer_profile" / "*.parquet"
    rows = duckdb.sql(f"select distinct customer_id from '{files}' order by 1").fetchall()
    return [name for (name,) in rows]


def causes(found: Replay) -> set[str]:
    return {rate.cause for rate in found.causes}


def test_every_difference_is_of_facts_that_came_late(home: Path) -> None:
    found = replay(home=home)
    assert found.entries == len(customers_of(home)) * INSTANTS
    assert found.differing_values > 200
    assert causes(found) == {"late row", "correction"}
    assert found.ok
    assert {each.detail.split(":")[0] for each in found.differences} > {
        "orders",
        "support_tickets",
        "sessions",
    }
    assert any(each.detail.startswith("order_items") for each in found.differences)
    views = {each.feature for each in found.differences}
    assert {"orders_lifetime", "open_tickets", "sessions_365d", "days_since_last_order"} <= views


def test_a_planted_value_is_found_among_them_with_build_and_load_gone(home: Path, tmp_path: Path) -> None:
    """What was kept of the build tells which ingests it had; every other difference has the same cause."""
    copy = shutil.copytree(home, tmp_path / "home", symlinks=True)
    shutil.rmtree(copy / "builds" / "build-000001")
    shutil.rmtree(copy / "raw" / "load-000001")
    with PredictionLog(Home(copy)) as log:
        row = next(row for row in log.rows() if json.loads(row["features"])["orders_lifetime"])
        entry = Entry(**{name: row[name] for name in NAMES})
        values = json.loads(entry.features) | {"orders_lifetime": 99_999}
        log.append([replace(entry, features=json.dumps(values))])
    found, faultless = replay(home=copy), replay(home=home)
    planted = found.entries  # the last of them
    others = tuple(each for each in found.differences if each.sequence != planted)
    assert others == faultless.differences
    assert [(rate.cause, rate.values) for rate in found.causes][-1] == ("store", 1)
    assert next(each for each in found.differences if each.cause == "store").logged == "99999"
    assert (found.ok, faultless.ok) == (False, True)
