"""The wall clock: who asks for it is found, and what a scratch database answers."""

import json
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

from ml.audit.wall_clock import clock_readers, clock_word, set_wall_clock
from tests.worlds import Built

THEN = datetime(2023, 3, 4, 5, 6, 7, 89)


@pytest.mark.parametrize(
    "sql",
    [
        "select now()",
        "select NOW ( ) as x",
        "where ordered_at > current_date - 30",
        "select current_timestamp::timestamp",
        "select today()",
        "select a, localtimestamp from b",
    ],
)
def test_sql_that_asks_for_the_present_instant(sql: str) -> None:
    assert clock_word(sql, "") is not None


@pytest.mark.parametrize(
    "sql",
    [
        "select now_at, known_at from orders -- now() is not read",
        "select 'current_date' as said, orders.current_date",
        "/* current_timestamp */ select 1",
        'select "now" from x',
        "select until_now(x)",
    ],
)
def test_sql_that_does_not(sql: str) -> None:
    assert clock_word(sql, "") is None


def test_jinja_that_asks_for_it() -> None:
    assert clock_word("select 1", "select '{{ run_started_at }}'") == "run_started_at"


def test_models_and_macros_are_named(tmp_path: Path) -> None:
    model = {"resource_type": "model", "package_name": "shop", "raw_code": ""}
    nodes = {
        "a": model | {"name": "feat_a", "compiled_code": "select now()"},
        "b": model | {"name": "feat_b", "compiled_code": "select 1"},
    }
    macros = {
        "m": {"name": "since", "package_name": "shop", "macro_sql": "{{ modules.datetime.datetime.now() }}"},
        "n": {"name": "other", "package_name": "dbt", "macro_sql": "{{ run_started_at }}"},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"nodes": nodes, "macros": macros}))
    assert clock_readers(tmp_path) == {"feat_a": "now()", "since": "datetime.now"}


def test_the_project_does_not_read_it(world: Built) -> None:
    assert clock_readers(world.build) == {}


def test_a_scratch_database_answers_with_the_instant_it_is_given(tmp_path: Path) -> None:
    set_wall_clock(tmp_path / "new" / "warehouse.duckdb", THEN)
    with duckdb.connect(str(tmp_path / "new" / "warehouse.duckdb")) as connection:
        answers = connection.execute(
            "select now()::timestamp, localtimestamp, current_date, today()"
        ).fetchone()
    assert answers == (THEN, THEN, date(2023, 3, 4), date(2023, 3, 4))
