"""The page: its outcome, every breach with its case, nothing from elsewhere, nothing unescaped."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml.audit.audit_page import outcome_of, page, write_page
from ml.audit.findings import Breach, Finding, not_checked
from ml.audit.pictures import Bar, Bars, PicturedFinding, Span, Timeline, draw

NASTY = "<script>alert('&')</script>"
GOOD = Finding("ledger", compared=1_234, what="rows", detail="all is there", seconds=1.5)
BAD = Finding(
    "replay",
    compared=10,
    detail="2 columns moved",
    breaches=(
        Breach(
            f"feat_x.n moves {NASTY}",
            {"customer_id": NASTY, "instant": "2024-03-01T00:00:00Z", "after": None},
            3,
        ),
    ),
    notes=(f"a note {NASTY}",),
)
SKIPPED = not_checked("online", "nothing is online")
LIMITED = Bars("Areas", (Bar("recency", 1.0, True), Bar("age", 0.6)), start=0.5, limit=0.95)
SPANS = Timeline(
    "Parts",
    (
        Span("train", "2024-01-01T00:00:00Z", "2024-01-11T00:00:00Z", "2024-01-21T00:00:00Z"),
        Span("test", "2024-01-31T00:00:00Z", "2024-02-10T00:00:00Z"),
    ),
    now="2024-04-10T00:00:00Z",
)


def result(*findings: Finding) -> dict[str, Any]:
    """What ``run.audit`` hands over, after a way through JSON."""
    whole = {
        "build_id": "build-000007",
        "load_id": "load-000003",
        "data_clock": "2024-06-01T00:00:00Z",
        "seed": 42,
        "seconds": 61.2,
        "audited_at": "2024-06-02T00:00:00Z",
        "checks": [finding.as_dict() for finding in findings],
    }
    return json.loads(json.dumps(whole))


def shapes(html: str, kind: str) -> list[tuple[float, float]]:
    """Where the rectangles of one kind begin, and how wide they are, in percent."""
    found = re.findall(rf'<rect class="{kind}" x="([\d.]+)" y="0" width="([\d.]+)"', html)
    return [(float(x), float(width)) for x, width in found]


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ((GOOD,), ("good", "The check passed")),
        ((GOOD, replace(GOOD, check="labels")), ("good", "The contract holds in all 2 checks")),
        ((GOOD, SKIPPED), ("dull", "No breach, but not checked: online")),
        ((SKIPPED,), ("dull", "Nothing could be checked")),
        ((GOOD, BAD, SKIPPED), ("bad", "replay: the contract does not hold")),
        ((BAD, replace(BAD, check="poison")), ("bad", "replay and poison: the contract does not hold")),
    ],
)
def test_the_outcome(findings: tuple[Finding, ...], expected: tuple[str, str]) -> None:
    assert outcome_of(result(*findings)) == expected
    assert f"<h1>{expected[1]}</h1>" in page(result(*findings))


def test_a_breach_is_told_with_its_case() -> None:
    html = page(result(GOOD, BAD))
    assert "<dt>after</dt><dd>null</dd><dt>seen</dt><dd>3 times</dd>" in html
    assert "<dt>instant</dt><dd>2024-03-01T00:00:00Z</dd>" in html
    assert "samples drawn with seed 42" in html
    assert '<td class="number">1,234 rows</td>' in html


def test_everything_is_escaped() -> None:
    html = page(result(BAD, not_checked(NASTY, NASTY)))
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;") >= 6


def test_nothing_comes_from_elsewhere() -> None:
    html = page(result(GOOD, BAD, PicturedFinding("stand-ins", picture=LIMITED)))
    assert re.findall(r"https?:|src=|@import|url\(|<link|<script", html) == []
    assert set(re.findall(r'href="([^"]*)"', html)) == {"#ledger", "#replay", "#stand-ins"}
    assert all(f'id="{name}"' in html for name in ("ledger", "replay", "stand-ins"))


def test_it_is_readable_on_a_phone_and_in_the_dark() -> None:
    html = page(result(GOOD))
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    assert "prefers-color-scheme: dark" in html


def test_bars_are_as_long_as_their_values_from_the_start_on() -> None:
    html = page(result(PicturedFinding("stand-ins", picture=LIMITED)))
    assert shapes(html, "marked") == [(0, 100)]
    assert shapes(html, "bar") == [(0, 20)]
    assert html.count('x1="90.000"') == 2
    assert "Areas; dashed: the limit, 0.95" in html
    assert '<span class="value">0.600</span>' in html


def test_bars_of_nothing_are_empty() -> None:
    empty = Bars("Rows", (Bar("orders", 0),))
    assert shapes(page(result(PicturedFinding("ledger", picture=empty))), "bar") == [(0, 0)]


def test_a_timeline_runs_from_the_first_instant_to_the_clock() -> None:
    html = page(result(PicturedFinding("labels", picture=SPANS)))
    assert shapes(html, "bar") == [(0, 10), (30, 10)]
    assert shapes(html, "faint") == [(10, 10)]
    assert "2024-01-01 to 2024-01-11" in html


def test_a_breach_without_a_picture_gets_one_of_its_instant() -> None:
    html = page(result(BAD))
    assert "The first case of each breach; dashed: the data clock, 2024-06-01T00:00:00Z" in html
    assert shapes(html, "marked") == [(0, 0.8)]
    without = replace(BAD, breaches=(Breach("no instant", {"customer_id": "a", "instant": 7}),))
    assert "<figure>" not in page(result(without))


def test_an_unknown_picture_is_refused() -> None:
    with pytest.raises(KeyError):
        draw({"kind": "pie", "title": "no"})


def test_the_file_is_whole_and_alone(tmp_path: Path) -> None:
    write_page(result(GOOD), tmp_path / "page.html")
    write_page(result(BAD), tmp_path / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page(result(BAD))
