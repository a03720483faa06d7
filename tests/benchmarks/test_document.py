"""The sections that tell of starting, and which sections the page has."""

import json
from pathlib import Path

import pytest

from benchmarks import document
from benchmarks.startup_page import startup_section

STARTS = {
    "python -c pass": {"seconds": 0.02, "cpu_seconds": 0.02},
    "churn --help": {"seconds": 0.1, "cpu_seconds": 0.1},
    "churn audit --help": {"seconds": 0.25, "cpu_seconds": 0.2},
    "import feast": {"seconds": 4.0, "cpu_seconds": 4.0},
    "import feature_repo, feast": {"seconds": 1.1, "cpu_seconds": 1.0},
}


def test_help_is_measured_beyond_an_empty_python() -> None:
    text = startup_section({"repeats": 3, "starts": STARTS})
    assert "`churn audit --help`, takes 0.23 s more than an empty Python\n(kept: at most 0.3 s)" in text
    assert "in 25% of the CPU time" in text


def test_slow_help_is_said_to_be_slow() -> None:
    slow = STARTS | {"churn audit --help": {"seconds": 0.4, "cpu_seconds": 0.4}}
    assert "takes 0.38 s more than an empty Python\n(missed" in startup_section(
        {"repeats": 3, "starts": slow}
    )


def test_the_page_has_a_section_of_each_benchmark_that_was_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(document, "PLOT", tmp_path / "plot.png")
    (tmp_path / "run.json").write_text(json.dumps({"said": "Ours lost."}))
    monkeypatch.setattr(document, "RESULTS", {"run": tmp_path / "run.json", "other": tmp_path / "none.json"})
    monkeypatch.setattr(document, "SECTIONS", {"run": lambda found: found["said"], "other": str})
    document.write_document()
    page = (tmp_path / "page.md").read_text()
    assert page.count("Ours lost.") == 1
    assert (
        page.index("## Where we lose") < page.index("Ours lost.") < page.index("## What this does not tell")
    )
