"""Anomalies of the shop: counts by brute force, who is listed, who had truly left, and every refusal."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import NotReadyError, UsageError
from ml.config.problem import Problem
from ml.features.label_models import eligible_at
from ml.page.document import document
from ml.segments.anomalies_page import anomalies_body
from ml.segments.changed_customers import COLUMNS, ChangedCustomers, JudgedWindow, Stream, anomalies, listed
from ml.segments.rhythm import Counts, Usual, adjusted
from tests.reference.brute_force import reference_features
from tests.worlds import Built

PROBLEM = Problem()
AS_OF = datetime(2024, 9, 2)


@pytest.fixture(scope="module")
def result(shared_home: Path) -> ChangedCustomers:
    return anomalies(as_of=AS_OF, home=shared_home, problem=PROBLEM)


def at(rows: pa.Table, instant: datetime) -> pa.Table:
    """The customers of the rows at another instant."""
    stamps = pa.array([instant] * len(rows), pa.timestamp("us"))
    return pa.table({"customer_id": rows.column("customer_id"), "event_timestamp": stamps})


def test_counts_are_those_of_the_brute_force(result: ChangedCustomers, shop: Built) -> None:
    """Who was in the population when the window began, with a past of 90 days, and counts of both times."""
    assert [one.counts.days for one in result.tested] == [7, 30, 90]
    for one in result.tested:
        days = one.counts.days
        population = eligible_at(shop.build, PROBLEM, AS_OF - timedelta(days=days))
        before = reference_features(shop.raw, population).to_pylist()
        now = reference_features(shop.raw, at(population, AS_OF)).to_pylist()
        expected = [
            (
                past["customer_id"],
                recent[f"orders_{days}d"],
                past["orders_365d"],
                min(past["tenure_days"], 365),
            )
            for past, recent in zip(before, now, strict=True)
            if past["tenure_days"] >= 90
        ]
        assert one.customers == [row[0] for row in expected]
        for values, column in ((one.counts.recent, 1), (one.counts.past, 2), (one.counts.past_days, 3)):
            assert values.tolist() == pytest.approx([float(row[column]) for row in expected], abs=1e-9)


def test_who_is_listed_follows_from_the_p_values(result: ChangedCustomers) -> None:
    """The smallest p-value of a customer times the number of windows, adjusted, against the false share."""
    tests: dict[str, list[float]] = {}
    for one in result.tested:
        for customer, p_value in zip(one.customers, one.p_values.tolist(), strict=True):
            tests.setdefault(customer, []).append(p_value)
    p_values = {customer: min(1.0, min(values) * len(values)) for customer, values in tests.items()}
    q_values = dict(zip(p_values, adjusted(np.array(list(p_values.values()))).tolist(), strict=True))
    rows = result.rows.to_pylist()
    assert result.rows.schema == COLUMNS
    assert result.customers == len(tests)
    assert {row["customer_id"] for row in rows} == {
        name for name, q_value in q_values.items() if q_value <= 0.1
    }
    assert rows
    for row in rows:
        assert row["p_value"] == pytest.approx(p_values[row["customer_id"]])
        assert row["q_value"] == pytest.approx(q_values[row["customer_id"]])
        assert row["change"] == ("drop" if row["count"] < row["expected"] else "rise")
    assert [row["p_value"] for row in rows] == sorted(row["p_value"] for row in rows)


def test_the_listed_customers_of_the_shop_had_left(result: ChangedCustomers, shop: Built) -> None:
    """Rates of the shop never change, but customers leave: whoever is listed rightly never comes again."""
    last = dict(
        duckdb.execute(
            f"select customer_id, max(ordered_at) from '{shop.raw}/orders.parquet' group by all"
        ).fetchall()
    )
    rows = result.rows.to_pylist()
    false_alarms = [row["customer_id"] for row in rows if last[row["customer_id"]] > AS_OF]
    assert len(false_alarms) <= 0.1 * len(rows)
    assert {row["change"] for row in rows} == {"drop"}


def test_a_planted_change_is_listed_and_the_others_are_not() -> None:
    """Of 100 customers with 20 orders a window one has none, one 60, all others as always."""
    recent = np.full(100, 20.0)
    recent[[7, 42]] = 0.0, 60.0
    counts = Counts(recent, np.full(100, 80.0), np.full(100, 360.0), 90)
    usual = Usual(1.0, 1e5)
    names = [f"C{number:03}" for number in range(100)]
    tested = JudgedWindow(Stream("orders_{w}d", (90, 365)), names, counts, usual, usual.p_values(counts))
    rows, customers = listed([tested], AS_OF, 0.1)
    assert customers == 100
    assert {(row["customer_id"], row["change"], row["count"]) for row in rows.to_pylist()} == {
        ("C007", "drop", 0),
        ("C042", "rise", 60),
    }
    assert set(rows.column("expected").to_pylist()) == {20.0}
    unchanged = Counts(np.full(100, 20.0), counts.past, counts.past_days, 90)
    quiet = replace(tested, counts=unchanged, p_values=usual.p_values(unchanged))
    assert len(listed([quiet], AS_OF, 0.1)[0]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"false_share": 1.0}, "--false-share 1 is not between 0 and 1"),
        ({"days": (14,)}, "--days 14: orders_{w}d has the windows 7, 30, 90, 365"),
        ({"days": (365,)}, "--days 365: "),
        ({"as_of": datetime(2030, 1, 1)}, "is after the data clock"),
        ({"problem": replace(PROBLEM, segments=("spend_365d",))}, "is a count with two windows"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(
    options: dict[str, Any], message: str, shared_home: Path
) -> None:
    with pytest.raises(UsageError, match=message.replace("{", r"\{").replace("}", r"\}")):
        anomalies(**{"home": shared_home, "problem": PROBLEM, **options})


def test_a_history_that_is_too_short_is_one_sentence(shared_home: Path) -> None:
    with pytest.raises(NotReadyError, match="fewer than 20 customers have a past of 90 days"):
        anomalies(as_of=datetime(2023, 2, 1), home=shared_home, problem=PROBLEM)


def test_the_command_writes_rows_and_a_page(
    result: ChangedCustomers, shared_home: Path, tmp_path: Path
) -> None:
    out, page = tmp_path / "changed.parquet", tmp_path / "changed.html"
    words = ["anomalies", "--home", str(shared_home), "--as-of", "2024-09-02", "--out", str(out)]
    printed = CliRunner().invoke(main, [*words, "--page", str(page)], standalone_mode=False)
    assert printed.exception is None
    assert pq.read_table(out).to_pylist() == result.rows.to_pylist()
    first = printed.output.splitlines()[0]
    assert first.startswith(
        f"{len(result.rows)} of {result.customers} customers changed by 2024-09-02T00:00:00Z"
    )
    html = page.read_text()
    assert html == document("Anomalies", anomalies_body(result))
    assert all(html.count(row["customer_id"]) >= 2 for row in result.rows.to_pylist())  # picture and table
    as_json = CliRunner().invoke(main, [*words[:5], "--json", "--days", "90"], standalone_mode=False)
    content = json.loads(as_json.stdout)
    assert [one["days"] for one in content["tests"]] == [90]
    assert {row["days"] for row in content["anomalies"]} == {90}
