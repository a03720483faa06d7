"""Segments of the shop: who, by which values, nearest centres, churn rates, and the same from run to run."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import DamagedError, NotReadyError, UsageError
from ml.config.problem import Problem
from ml.features.label_models import eligible_at
from ml.metrics.wilson_interval import wilson
from ml.page.document import document
from ml.segments.customer_segments import CustomerSegments, segments
from ml.segments.inputs import Input
from ml.segments.names import segment_names
from ml.segments.segments_page import segments_body
from tests.reference.brute_force import reference_features
from tests.worlds import Built

PROBLEM = Problem()
INPUTS = ["days_since_last_order", "orders_365d", "spend_365d"]
AS_OF = datetime(2024, 11, 1)


@pytest.fixture(scope="module")
def result(shared_home: Path) -> CustomerSegments:
    return segments(as_of=AS_OF, number=4, home=shared_home, problem=PROBLEM)


def kept(result: CustomerSegments) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(result.file.read_text())
    return content


def test_the_rows_are_the_population_with_exact_values(result: CustomerSegments, shop: Built) -> None:
    population = eligible_at(shop.build, PROBLEM, AS_OF)
    assert result.rows.select(population.column_names).equals(population)
    assert result.rows.column_names == [
        "customer_id",
        "event_timestamp",
        "segment",
        "segment_name",
        "segment_before",
        *INPUTS,
    ]
    expected = reference_features(shop.raw, population)
    for name in INPUTS:
        wanted = [float(value) for value in expected.column(name).to_pylist()]
        assert result.rows.column(name).to_pylist() == pytest.approx(wanted, abs=1e-9)


def test_a_customer_is_in_the_segment_of_the_nearest_centre(result: CustomerSegments) -> None:
    content = kept(result)
    assert [one["name"] for one in content["inputs"]] == INPUTS
    for row in result.rows.to_pylist():
        point = [(np.log1p(row[one["name"]]) - one["mean"]) / one["spread"] for one in content["inputs"]]
        distances = {
            one["number"]: sum((a - b) ** 2 for a, b in zip(point, one["centre"], strict=True))
            for one in content["segments"]
        }
        assert row["segment"] == min(distances, key=distances.__getitem__)
        assert row["segment_name"] == content["segments"][row["segment"] - 1]["name"]


def test_figures_follow_from_rows_and_labels(result: CustomerSegments, shop: Built) -> None:
    figures = result.segmentation.figures
    rows = result.rows.to_pylist()
    assert [one["number"] for one in figures["segments"]] == [1, 2, 3, 4]
    sizes = [one["customers"] for one in figures["segments"]]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == figures["customers"] == len(rows)
    # The last Monday whose 30 days ended by 1 November.
    assert figures["outcome_cutoff"] == "2024-09-30T00:00:00Z"
    cutoff = datetime(2024, 9, 30)
    labels = duckdb.execute(
        f"select customer_id, churned from '{shop.build}/labels/label_customer_churn/*.parquet' "
        "where event_timestamp = $1",
        [cutoff],
    ).fetchall()
    then = segments(as_of=cutoff, home=result.file.parents[1], problem=PROBLEM).rows.to_pylist()
    segment_then = {row["customer_id"]: row["segment"] for row in then}
    assert segment_then.keys() == {customer for customer, _ in labels}
    for one in figures["segments"]:
        own = [row for row in rows if row["segment"] == one["number"]]
        assert one["customers"] == len(own)
        assert one["inputs"]["spend_365d"]["mean"] == pytest.approx(
            np.mean([row["spend_365d"] for row in own])
        )
        churned = [label for customer, label in labels if segment_then[customer] == one["number"]]
        low, high = wilson(sum(churned), len(churned))
        assert one["outcome"] == {
            "value": pytest.approx(np.mean(churned)),
            "low": pytest.approx(low),
            "high": pytest.approx(high),
            "rows": len(churned),
        }


def test_moves_are_between_the_two_instants(result: CustomerSegments) -> None:
    figures = result.segmentation.figures
    assert figures["since"] == "2024-10-02T00:00:00Z"
    earlier = segments(as_of=AS_OF - timedelta(days=30), home=result.file.parents[1], problem=PROBLEM)
    before = dict(earlier.rows.select(["customer_id", "segment"]).to_pandas().to_numpy().tolist())
    pairs = [(row["customer_id"], row["segment"], row["segment_before"]) for row in result.rows.to_pylist()]
    assert all(segment_before == before.get(customer) for customer, _, segment_before in pairs)
    moved = [(old, new) for _, new, old in pairs if old is not None and old != new]
    assert figures["moved"] == len(moved) == sum(move["customers"] for move in figures["moves"])
    assert {(move["from"], move["to"]): move["customers"] for move in figures["moves"]} == {
        pair: moved.count(pair) for pair in moved
    }
    for one in figures["segments"]:
        assert one["came"] == sum(new == one["number"] for _, new in moved)
        assert one["went"] == sum(old == one["number"] for old, _ in moved)


def test_no_customer_is_in_the_file(result: CustomerSegments) -> None:
    text = result.file.read_text()
    assert not [name for name in result.rows.column("customer_id").to_pylist() if name in text]


def test_a_look_at_an_earlier_instant_leaves_what_pages_show(result: CustomerSegments) -> None:
    home = result.file.parents[1]
    segments(as_of=AS_OF - timedelta(days=60), home=home, problem=PROBLEM)
    assert kept(result)["figures"]["as_of"] == "2024-11-01T00:00:00Z"
    later = segments(as_of=AS_OF + timedelta(days=14), home=home, problem=PROBLEM)
    assert not later.is_new
    assert later.segmentation.figures["since"] == "2024-11-01T00:00:00Z"
    assert later.segmentation.segments == result.segmentation.segments


def test_segments_learned_again_keep_numbers_and_names(home: Path) -> None:
    """The same customers in the same number of segments: each is the same, whatever the seed."""
    first = segments(as_of=AS_OF, number=3, home=home, problem=PROBLEM)
    again = segments(as_of=AS_OF, number=3, home=home, problem=replace(PROBLEM, seed=99))
    assert again.is_new
    assert again.agreement is not None
    assert again.agreement > 0.95
    names = {one.number: one.name for one in first.segmentation.segments}
    assert {one.number: one.name for one in again.segmentation.segments} == names
    assert again.segmentation.next_number == 4
    # One more segment: those that continue keep their numbers, and a new one gets the next.
    more = segments(as_of=AS_OF, number=4, home=home, problem=PROBLEM)
    numbers = [one.number for one in more.segmentation.segments]
    assert len(set(numbers)) == 4
    assert all(one.name == names[one.number] for one in more.segmentation.segments if one.number in names)
    assert max(numbers) == more.segmentation.next_number - 1
    # A number is never given to another segment.
    last = segments(as_of=AS_OF, number=2, home=home, problem=PROBLEM)
    assert last.segmentation.next_number >= more.segmentation.next_number


def test_a_damaged_file_is_refused_and_learned_again_over(home: Path) -> None:
    file = segments(as_of=AS_OF, number=2, home=home, problem=PROBLEM).file
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DamagedError, match="is damaged: run 'churn segments --refit'"):
        segments(as_of=AS_OF, home=home, problem=PROBLEM)
    file.write_text(json.dumps(json.loads(whole) | {"segments": [{"number": 1}]}))
    with pytest.raises(DamagedError, match="is damaged"):
        segments(as_of=AS_OF, home=home, problem=PROBLEM)
    assert segments(as_of=AS_OF, refit=True, home=home, problem=PROBLEM).is_new
    assert not segments(as_of=AS_OF, home=home, problem=PROBLEM).is_new


def test_the_problem_names_the_inputs(home: Path) -> None:
    segments(as_of=AS_OF, number=2, home=home, problem=PROBLEM)
    by_sessions = replace(PROBLEM, segments=("sessions_30d", "tickets_365d"))
    other = segments(as_of=AS_OF, home=home, problem=by_sessions)
    assert other.is_new
    assert other.segmentation.input_names == ["sessions_30d", "tickets_365d"]
    with pytest.raises(UsageError, match=r"segments in the problem file names sesions_30d, which the build"):
        segments(home=home, problem=replace(PROBLEM, segments=("sesions_30d",)))
    with pytest.raises(UsageError, match="city cannot tell segments apart, for it is no number"):
        segments(home=home, problem=replace(PROBLEM, segments=("city",)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"as_of": datetime(2030, 1, 1)}, "is after the data clock"),
        ({"number": 100_000}, "--number 100000 is not from 1 to"),
        ({"out": "segments.xlsx"}, "unknown ending"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(options: dict[str, Any], message: str, home: Path) -> None:
    with pytest.raises(UsageError, match=message):
        segments(home=home, problem=PROBLEM, **options)


def test_too_few_customers_make_no_segments(home: Path) -> None:
    with pytest.raises(
        NotReadyError, match="in the population at 2023-01-01T12:00:00Z, and segments need 50"
    ):
        segments(as_of=datetime(2023, 1, 1, 12), home=home, problem=PROBLEM)


def test_the_command_prints_a_table_and_writes_rows_and_a_page(home: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "segments.parquet", tmp_path / "segments.html"
    words = ["segments", "--home", str(home), "--as-of", "2024-11-01", "--number", "2"]
    printed = CliRunner().invoke(
        main, [*words, "--out", str(out), "--page", str(page)], standalone_mode=False
    )
    assert printed.exception is None
    rows = pq.read_table(out).to_pylist()
    sizes = {number: sum(row["segment"] == number for row in rows) for number in (1, 2)}
    lines = printed.output.splitlines()
    assert any(
        line.startswith(f"{len(rows):,} customers at 2024-11-01T00:00:00Z on build-") for line in lines
    )
    for number, size in sizes.items():
        (line,) = [line for line in lines if line.startswith(f"{number}  ")]
        assert f"  {size:,}  " in line
    assert "as asked for" in printed.output
    html = page.read_text()
    assert all(f"1 {row['segment_name']}" in html for row in rows if row["segment"] == 1)
    as_json = CliRunner().invoke(main, ["segments", "--home", str(home), "--json"], standalone_mode=False)
    assert [one["number"] for one in json.loads(as_json.stdout)["segments"]] == [1, 2]


def test_the_page_shows_every_segment(result: CustomerSegments) -> None:
    html = document("Segments", segments_body(result.segmentation))
    for one in result.segmentation.figures["segments"]:
        assert html.count(f"{one['number']} {one['name']}") >= 5  # two pictures, three profiles, the table
        assert f"({one['customers']:,})" in html


def test_names_by_hand() -> None:
    """Ten customers; the third part of each input lies below 3.0, and above 6.0."""
    inputs = [Input("a", ("recent", "silent"), 9, 0, 1), Input("b", ("rare", "frequent"), 0, 0, 1)]
    values = np.array([[n, n] for n in (0, 1, 2, 3, 4, 5, 6, 7, 8, np.nan)], dtype=float)
    positions = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 2])
    # The null of an age counts as its greatest value, that of a count as 0.
    assert segment_names(inputs, values, positions, 3) == ["recent, rare", "average", "silent, frequent"]
    assert segment_names(inputs, values, np.zeros(10, int), 1) == ["everyone"]
    twice = segment_names(inputs, values, np.array([0, 0, 1, 2, 2, 2, 2, 3, 3, 3]), 4)
    assert twice[:2] == ["recent, rare, a about 0.5", "recent, rare, a about 2"]
