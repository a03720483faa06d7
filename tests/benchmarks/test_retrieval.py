"""The benchmark of retrieval: its rows, its peers on few of them, its section from plain figures."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from benchmarks.retrieval import Question, differences, why_not, with_question
from benchmarks.retrieval_data import BY_CUSTOMER, BY_TIME, FEATURES, Histories, make_asked
from benchmarks.retrieval_figures import PEERS as SHOWN
from benchmarks.retrieval_figures import faster, leaner, middle, rate, ratio, series
from benchmarks.retrieval_page import section
from benchmarks.retrieval_peers import PEERS, Case, sums
from benchmarks.retrieval_plot import draw

KEYS = ["customer_id", "event_timestamp"]


def run(inside: float, **more: Any) -> dict[str, Any]:
    figures = {"seconds": inside + 1, "cpu_seconds": 2 * inside, "peak_bytes": 2**30, "load_before": 0.5}
    return figures | {"inner_seconds": inside, "answer": {"rows": 100}} | more


def question(name: str, **seconds: list[float]) -> dict[str, Any]:
    runs = {peer.replace("_", " "): [run(value) for value in values] for peer, values in seconds.items()}
    sizes = {"customers": 10, "rows_each": 4, "rows": 40, "asked": 100, "layout": BY_CUSTOMER}
    return {"name": name, **sizes, "runs": runs, "not_run": {}, "differ": {}}


@pytest.fixture
def long() -> dict[str, Any]:
    return question("long histories", scan=[1, 2, 4], ours=[2, 4, 8], polars=[1, 5, 5], Feast_DuckDB=[20])


@pytest.fixture
def results(long: dict[str, Any]) -> dict[str, Any]:
    machine = {
        "date": "2026-01-02",
        "commit": "abc1234",
        "cores": 2,
        "memory_bytes": 24 * 2**30,
        "versions": {"feast": "0"},
    }
    few = question("a tenth of the entity rows", ours=[0.5]) | {"asked": 10}
    return {"machine": machine, "questions": [few, long]}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    root = tmp_path_factory.mktemp("retrieval")
    histories = Histories(root, 12, 30, BY_CUSTOMER)
    histories.make()
    make_asked(root / "asked.parquet", 13, 200)
    return Case(histories.folder, root / "asked.parquet")


def expected(case: Case) -> list[tuple[Any, ...]]:
    """The last row at or before each as-of instant, found by looking at every row."""
    rows = pq.read_table(case.features).to_pylist()
    found = []
    for asked in pq.read_table(case.asked).to_pylist():
        held = [row for row in rows if row[KEYS[0]] == asked[KEYS[0]] and row[KEYS[1]] <= asked[KEYS[1]]]
        last = max(held, key=lambda row: row[KEYS[1]], default={})
        found.append((*asked.values(), *(last.get(name) for name in FEATURES)))
    return found


@pytest.mark.parametrize("peer", ["DuckDB ASOF", "polars", "pandas"])
def test_a_peer_finds_the_row_that_held(case: Case, peer: str) -> None:
    answer = PEERS[peer](case)().select([*KEYS, *FEATURES])
    values = sorted(tuple(row.values()) for row in answer.to_pylist())
    assert values == sorted(expected(case))
    assert any(row[2] is None for row in values)


def test_a_changed_value_and_a_lost_row_change_the_sums(case: Case) -> None:
    answer = PEERS["DuckDB ASOF"](case)()
    place = answer.schema.get_field_index("share")
    moved = answer.set_column(place, "share", answer["share"].take(list(range(199, -1, -1))))
    assert sums(answer)["rows"] == 200
    assert sums(answer) == sums(answer.take(list(range(199, -1, -1))))
    assert sums(answer) != sums(moved)
    assert sums(answer)["share"][:2] == sums(moved)["share"][:2]
    of = {
        peer: [run(1, answer=sums(table))] for peer, table in {"DuckDB ASOF": answer, "ours": moved}.items()
    }
    assert differences(of) == {"ours": "other values"}
    of["ours"] = [run(1, answer=sums(answer.slice(1)))]
    assert differences(of) == {"ours": "199 rows for 200 asked"}


def test_both_layouts_have_the_same_rows_each_in_its_order(tmp_path: Path) -> None:
    tables = []
    for layout, keys in ((BY_CUSTOMER, KEYS), (BY_TIME, KEYS[::-1])):
        histories = Histories(tmp_path, 24, 18, layout)
        histories.make()
        rows = [row for file in sorted(histories.folder.iterdir()) for row in pq.read_table(file).to_pylist()]
        assert rows == sorted(rows, key=lambda row: [row[key] for key in keys])
        assert len(rows) == histories.rows == 432
        tables.append(sorted(rows, key=lambda row: [row[key] for key in KEYS]))
    assert tables[0] == tables[1]


def test_medians_and_ratios_of_pairs(long: dict[str, Any]) -> None:
    assert middle(long, "ours", "inner_seconds") == 4
    assert ratio(long, "ours", "scan") == 2
    assert ratio(long, "ours", "Feast DuckDB") == 0.1
    assert ratio(long, "ours", "pandas") is None
    assert rate(long, "ours") == 25


def test_where_ours_loses(long: dict[str, Any]) -> None:
    assert faster(long) == {"polars": 1.6}
    assert leaner(long) == {}
    long["runs"]["Feast DuckDB"][0]["peak_bytes"] = 2**29
    assert leaner(long) == {"Feast DuckDB": 2}


def test_series_leave_out_what_was_not_run(results: dict[str, Any]) -> None:
    names = ("a tenth of the entity rows", "long histories", "not asked")
    assert series(results, names, "asked", "ours") == [(10, 0.5), (100, 4)]
    assert series(results, names, "asked", "polars") == [(100, 5)]


def test_the_section_states_the_figures(results: dict[str, Any]) -> None:
    results["questions"][1]["not_run"] = {"Feast Dask": "too large"}
    results["questions"][1]["differ"] = {"Feast Dask": "99 rows for 100 asked"}
    results["temporal"] = {
        "asked": 60,
        "tables": {"feat_customer_orders": 7},
        "runs": {"Feast": [run(3, columns=63)]},
    }
    text = section(results)
    assert "| **ours** | 4.00 | 5.0 | 8.0 | 25 | 1.00 GiB | 2.0 | 0.10 |" in text
    assert "Repeats: 3 (Feast DuckDB 1)." in text
    assert "- Feast Dask was not run: too large." in text
    assert "- Feast Dask gives another answer: 99 rows for 100 asked ([why](feast-differences.md))." in text
    assert "| ours | 0.50 | 4.00 |" in text
    assert "| Feast | 3.0 | 4.0 | 20 | 1.00 GiB | 63 |" in text
    assert "- Long histories: ours takes 1.6 times the seconds of polars." in text


def test_feasts_stores_are_not_asked_what_they_cannot_do() -> None:
    large = Question("long histories, by time", 100_000, 365, 500_000)
    assert "merges 182,500,000" in str(why_not("Feast Dask", large, thorough=True))
    assert "merges 182,500,000" in str(why_not("Feast DuckDB", large, thorough=False))
    assert why_not("Feast DuckDB", large, thorough=True) is None
    assert why_not("Feast Dask", large.divided(100), thorough=False) is None
    assert large.divided(100).asked == 5_000


def test_a_question_asked_again_takes_its_place(results: dict[str, Any]) -> None:
    again = question("long histories", ours=[9])
    names = [one["name"] for one in with_question(results["questions"], again)]
    assert names == ["a tenth of the entity rows", "long histories"]
    assert with_question(results["questions"], again)[1] is again


def test_plot_is_a_picture(results: dict[str, Any], tmp_path: Path) -> None:
    draw(results, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_every_peer_is_shown() -> None:
    assert set(SHOWN) == set(PEERS)
