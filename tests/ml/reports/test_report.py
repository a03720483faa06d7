"""``churn report``: the model card, with and without the deep evidence."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import ModelError, NotReadyError
from ml.config.problem import Tuning
from ml.evaluate import evaluate
from ml.evaluate.evidence_file import evidence_file
from ml.home.layout import Home
from ml.reports import report
from ml.reports.card_data import MISSING
from ml.reports.model_card import DEEP
from ml.reports.model_card_page import SECTIONS
from ml.train import train
from tests.ml.conftest import PROBLEM
from tests.ml.synthetic_build import relabel, write_build

pytestmark = pytest.mark.subjects("ml/reports", "ml/page", "ml/evaluate")

FEW = replace(
    PROBLEM,
    candidates=("prior", "recency_rule", "logistic_regression", "decision_tree"),
    tuning=Tuning(trials=0),
)


@dataclass(frozen=True)
class Cards:
    """One home's reports: before the evidence was made, and after."""

    home: Path
    before: str
    after: str
    missing: list[str]
    evidence: dict[str, Any]


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Cards:
    home = tmp_path_factory.mktemp("reported")
    write_build(home)
    train(home=home, problem=FEW)
    first = report(home=home, problem=FEW)
    before = Path(first["page"]).read_text()
    evaluate(home=home, problem=FEW)
    after = Path(report(home=home, problem=FEW)["page"]).read_text()
    evidence = json.loads(evidence_file(Home.at(home), first["model_version"]).read_text())
    return Cards(home, before, after, first["missing"], evidence)


def section_of(html: str, name: str) -> str:
    """One section of a page."""
    return html.split(f'<section id="{name}">')[1].split("</section>")[0]


@pytest.mark.parametrize("which", ["before", "after"])
def test_a_page_needs_nothing_else(cards: Cards, which: str) -> None:
    html = getattr(cards, which)
    assert re.findall(r"https?:|src=|@import|url\(|<link|<script", html) == []
    assert re.findall(r'href="#([^"]*)"', html) == list(SECTIONS)
    assert all(html.count(f'<section id="{name}">') == 1 for name in SECTIONS)
    assert "NaN" not in html
    assert not any("nan" in path for path in re.findall(r' d="([^"]*)"', html))


def test_without_evidence_it_says_which_command_makes_it(cards: Cards) -> None:
    assert cards.missing == list(DEEP)
    for name in ("segments", "staleness", "learned", "drivers", "customers"):
        assert "run &#39;churn evaluate&#39;" in section_of(cards.before, name)
    assert MISSING.replace("'", "&#39;") not in cards.after


@pytest.mark.parametrize("which", ["before", "after"])
def test_every_curve_is_drawn(cards: Cards, which: str) -> None:
    html = getattr(cards, which)
    for name, pictures in (("ranking", 4), ("truth", 2), ("decision", 2), ("months", 2)):
        drawn = section_of(html, name).split('<div class="canvas"')[1:]
        assert len(drawn) == pictures
        assert all(re.search(r'class="(trace|column|mark|band)', picture) for picture in drawn)


def test_the_deep_evidence_is_drawn(cards: Cards) -> None:
    for name in ("segments", "learned", "customers", "drivers"):
        assert '<div class="row">' in section_of(cards.after, name)
    assert section_of(cards.after, "staleness").count('class="mark"') == 2 * len(cards.evidence["staleness"])


@pytest.mark.parametrize("which", ["before", "after"])
def test_every_candidate_has_every_metric(cards: Cards, which: str) -> None:
    table = section_of(getattr(cards, which), "candidates").split("<table")[1].split("</table>")[0]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table.split("<tbody>")[1], re.DOTALL)
    measured = cards.evidence["candidates"]
    assert [re.findall(r"<td[^>]*>([^<]*)<", row)[0] for row in rows] == [
        name.replace("_", " ") for name in measured
    ]
    for row, measures in zip(rows, measured.values(), strict=True):
        values = re.findall(r"<td[^>]*>([^<]*)<", row)[1:]
        assert len(values) == len(cards.evidence["metrics"])
        assert values[0].strip() == f"{measures['roc_auc']['value']:.3f}"


def test_figures_are_those_of_the_evidence(cards: Cards) -> None:
    decision, test = cards.evidence["decision"], cards.evidence["test"]
    text = section_of(cards.after, "decision")
    assert f"Threshold {decision['threshold']:.4f}" in text
    assert f"lists {100 * decision['listed']['value']:.1f} %" in text
    assert (
        f"churned ({decision['confusion']['churned_listed'] + decision['confusion']['churned_not_listed']:,})"
        in text
    )
    assert "Contacting everyone would earn" in text
    assert "A contact pays from a probability of 16.4 % on" in text
    assert f"{test['rows']:,} rows of {test['customers']:,} customers" in section_of(
        cards.after, "candidates"
    )


def test_both_pages_tell_the_same_of_the_test_part(cards: Cards) -> None:
    for name in ("candidates", "ranking", "truth", "decision", "months", "question", "data", "choice"):
        assert section_of(cards.before, name) == section_of(cards.after, name)


def test_sample_customers_come_with_their_reasons(cards: Cards) -> None:
    text = section_of(cards.after, "customers")
    for customer in cards.evidence["reasons"]["customers"]:
        assert customer["customer_id"] in text
        assert all(
            reason.replace("'", "&#39;").replace("<", "&lt;") in text for reason in customer["reasons"]
        )


def test_the_verdict_stands_at_the_top(cards: Cards) -> None:
    head = cards.after.split("<nav ")[0]
    assert all(sentence.replace("'", "&#39;") in head for sentence in cards.evidence["verdict"])


def test_the_commands_that_repeat_it_exist(cards: Cards) -> None:
    code = section_of(cards.after, "repeat").split("<pre><code>")[1].split("</code>")[0]
    for line in code.splitlines():
        program, name, *options = line.split()
        command = main.get_command(click.Context(main), name)
        assert program == "churn"
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in options if word.startswith("--")} <= known


def test_evidence_of_another_model_is_not_used(cards: Cards, tmp_path: Path) -> None:
    file = evidence_file(Home.at(cards.home), "model-000001")
    kept = file.read_text()
    file.write_text(json.dumps(json.loads(kept) | {"model_card": "another"}))
    try:
        assert report(home=cards.home, problem=FEW, out=tmp_path / "a.html")["missing"] == list(DEEP)
    finally:
        file.write_text(kept)


def test_a_reason_with_markup_in_it_is_escaped(cards: Cards, tmp_path: Path) -> None:
    file = evidence_file(Home.at(cards.home), "model-000001")
    kept = file.read_text()
    evidence = json.loads(kept)
    evidence["reasons"]["customers"][0]["customer_id"] = "<script>alert(1)</script>"
    evidence["notes"] = ["<script>"]
    file.write_text(json.dumps(evidence))
    try:
        html = Path(report(home=cards.home, problem=FEW, out=tmp_path / "a.html")["page"]).read_text()
    finally:
        file.write_text(kept)
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_evidence_of_a_build_that_is_gone_still_makes_a_page(cards: Cards, tmp_path: Path) -> None:
    file = evidence_file(Home.at(cards.home), "model-000001")
    kept = file.read_text()
    empty = dict.fromkeys(("segments", "learning", "importance", "ablation", "staleness"), ())
    file.write_text(json.dumps(json.loads(kept) | empty | {"reasons": None, "notes": ["the build is gone"]}))
    try:
        html = Path(report(home=cards.home, problem=FEW, out=tmp_path / "a.html")["page"]).read_text()
    finally:
        file.write_text(kept)
    assert "Could not be measured" in section_of(html, "segments")
    assert "the build is gone" in html.split("<nav ")[0]


def test_the_command_says_where_the_page_is(cards: Cards, tmp_path: Path) -> None:
    out = tmp_path / "card.html"
    said = CliRunner().invoke(main, ["report", "--home", str(cards.home), "--out", str(out)])
    assert said.exit_code == 0
    assert said.stdout.endswith(f"wrote {out}\n")
    assert "model-000001" in said.stdout
    found = json.loads(CliRunner().invoke(main, ["report", "--home", str(cards.home), "--json"]).stdout)
    assert found["page"] == str(cards.home / "report" / "model-000001.html")
    assert found["missing"] == []


def test_without_a_model_it_says_what_to_do(tmp_path: Path) -> None:
    write_build(tmp_path)
    with pytest.raises(NotReadyError, match="run 'churn train' first"):
        report(home=tmp_path, problem=FEW)


def test_a_changed_file_is_refused(cards: Cards, tmp_path: Path) -> None:
    file = cards.home / "models" / "model-000001" / "test.parquet"
    kept = file.read_bytes()
    file.write_bytes(kept[:-1] + b"x")
    try:
        with pytest.raises(ModelError, match=r"test\.parquet is not the file that training wrote"):
            report(home=cards.home, problem=FEW, out=tmp_path / "a.html")
    finally:
        file.write_bytes(kept)
    assert not (tmp_path / "a.html").exists()


def test_a_champion_that_knows_nothing_still_makes_a_page(tmp_path: Path) -> None:
    build = write_build(tmp_path)
    relabel(build, "hash(customer_id || event_timestamp::varchar) % 2")
    said = train(home=tmp_path, problem=replace(FEW, candidates=("prior", "recency_rule")))
    assert said["champion"] == "prior"
    evaluate(home=tmp_path, problem=FEW)
    html = Path(report(home=tmp_path, problem=FEW)["page"]).read_text()
    assert '<header class="verdict bad">' in html
    assert "every customer gets the same score" in section_of(html, "drivers")
    assert "No value moves this score" in section_of(html, "customers")
    pictures = section_of(html, "ranking").split('<div class="canvas"')[1:]
    assert all(re.search(r'class="trace a" d="M[^"]*L', picture) for picture in pictures)
