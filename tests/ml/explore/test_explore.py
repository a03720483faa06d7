"""``churn explore`` from a published build to a page that a phone can show."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import NotReadyError
from ml.explore import explore
from ml.features.labels import LABELS
from ml.home.layout import NOTHING_YET
from ml.metrics.wilson_interval import wilson
from tests.ml.conftest import PROBLEM
from tests.ml.synthetic_build import relabel, write_build


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A home, and what exploring its build said."""
    home = tmp_path_factory.mktemp("explored")
    write_build(home)
    return home, explore(home=home, problem=PROBLEM)


def test_the_page_is_in_the_home_and_needs_nothing_else(looked: tuple[Path, dict[str, Any]]) -> None:
    home, result = looked
    file = home / "explore" / "build-000001.html"
    html = file.read_text()
    assert result["page"] == str(file)
    assert re.findall(r"https?:|src=|@import|url\(|<link|<script", html) == []
    links = re.findall(r'href="#([^"]*)"', html)
    assert links
    assert [link for link in links if f'id="{link}"' not in html] == []
    assert "NaN" not in html
    assert "nan" not in re.findall(r' d="([^"]*)"', html)


def test_every_feature_has_its_place(looked: tuple[Path, dict[str, Any]]) -> None:
    home, result = looked
    html = (home / "explore" / "build-000001.html").read_text()
    names = [each["name"] for each in result["features"]]
    assert len(names) == len(set(names)) >= 11
    assert all(html.count(f'id="f-{name}"') == 1 for name in names)
    assert "Nothing to see of" in html, "never_filled has no picture"


def test_rows_are_counted_by_part(looked: tuple[Path, dict[str, Any]]) -> None:
    home, result = looked
    with duckdb.connect() as connection:
        labels = f"'{home}/builds/current/{LABELS}/*.parquet'"
        (total,) = connection.execute(f"select count(*) from {labels}").fetchall()[0]
        train = result["split"]["train"]
        (rows, gone) = connection.execute(
            f"select count(*), avg(churned) from {labels} where event_timestamp <= ?",
            [datetime.fromisoformat(train["last"]).replace(tzinfo=None)],
        ).fetchall()[0]
    assert sum(result["rows"].values()) == total == sum(each["customers"] for each in result["population"])
    assert result["looked_at"]["of"] == rows
    assert sum(each["rows"] for each in result["base_rates"]) == rows
    by_cutoff = sum(each["rows"] * each["churn_rate"] for each in result["base_rates"])
    assert by_cutoff / rows == pytest.approx(gone)


def test_labels_of_later_parts_change_nothing_on_the_page(
    tmp_path: Path, looked: tuple[Path, dict[str, Any]]
) -> None:
    build = write_build(tmp_path)
    last = looked[1]["split"]["train"]["last"].removesuffix("Z")
    relabel(build, f"case when event_timestamp <= timestamp '{last}' then churned else 1 end")
    explore(home=tmp_path, problem=PROBLEM)
    page = Path("explore") / "build-000001.html"
    assert (tmp_path / page).read_text() == (looked[0] / page).read_text()


def test_a_future_column_in_a_feature_model_is_flagged(tmp_path: Path) -> None:
    build = write_build(tmp_path)
    labels, views = next((build / LABELS).glob("*.parquet")), build / "features" / "feat_customer_orders"
    file = next(views.glob("*.parquet"))
    with duckdb.connect() as connection:
        connection.execute(f"create table rows as from '{file}'")
        connection.execute(
            f"""
            copy (
                select rows.* replace (coalesce(1 - churned, 0)::bigint as orders_placed_lifetime)
                from rows left join '{labels}' using (customer_id, event_timestamp)
            ) to '{file}' (format parquet)
            """
        )
    result = explore(home=tmp_path, problem=PROBLEM)
    assert result["findings"][0]["what"] == "tells the label"
    assert result["findings"][0]["features"] == ["orders_placed_lifetime"]
    assert '<header class="verdict bad">' in Path(result["page"]).read_text()


def test_without_a_labelled_cutoff_it_says_what_to_do(tmp_path: Path) -> None:
    relabel(write_build(tmp_path), "churned", where="false")
    with pytest.raises(NotReadyError, match=r"no labelled cut-off yet.*load a longer history"):
        explore(home=tmp_path, problem=PROBLEM)


def test_too_few_cutoffs_for_a_split_are_looked_at_and_said(tmp_path: Path) -> None:
    relabel(write_build(tmp_path), "churned", where="event_timestamp < timestamp '2023-03-01'")
    result = explore(home=tmp_path, problem=PROBLEM)
    assert not result["is_split"]
    assert result["rows"]["train"] == result["looked_at"]["rows"] > 0
    assert "too few cut-offs for a split" in Path(result["page"]).read_text()


@pytest.mark.parametrize("only", ["0", "1"])
def test_one_class_only_still_makes_a_page(tmp_path: Path, only: str) -> None:
    relabel(write_build(tmp_path), only)
    result = explore(home=tmp_path, problem=PROBLEM)
    assert result["findings"][0]["what"] == "one class only"
    assert "nothing can be told apart" in Path(result["page"]).read_text()


def test_the_command_tells_findings_and_writes_where_asked(tmp_path: Path, looked: tuple[Path, Any]) -> None:
    out = tmp_path / "deep" / "page.html"
    said = CliRunner().invoke(main, ["explore", "--home", str(looked[0]), "--out", str(out)])
    assert said.exit_code == 0
    assert "always null: never_filled" in said.output
    assert said.output.endswith(f"wrote {out}\n")
    as_json = CliRunner().invoke(main, ["explore", "--home", str(looked[0]), "--out", str(out), "--json"])
    found = json.loads(as_json.stdout)
    assert {"features", "findings", "population", "correlations"} <= found.keys()


def test_without_a_build_one_sentence(tmp_path: Path) -> None:
    said = CliRunner().invoke(main, ["explore", "--home", str(tmp_path)])
    assert said.exit_code == 1
    assert said.stderr == f"churn: {NOTHING_YET}\n"


@pytest.mark.parametrize(("hits", "rows", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634)])
def test_wilsons_interval(hits: int, rows: int, low: float, high: float) -> None:
    assert wilson(hits, rows) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
