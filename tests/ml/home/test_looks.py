"""The ledger of looks: what is written, what a second look says, and what a killed process cannot break."""

import json
from pathlib import Path
from typing import Any

from ml.home.layout import Home
from ml.home.test_set_log import EVIDENCE, FILE, VERDICT, log_evaluation, parse_lines


def facts(
    model: str, first: str = "2024-10-07T00:00:00Z", last: str = "2024-11-25T00:00:00Z"
) -> dict[str, Any]:
    span = {"cutoffs": 8, "first": first, "last": last}
    return {
        "model_version": model,
        "build_id": "build-000001",
        "data_clock": "2024-12-31T00:00:00Z",
        "split": {"test": span},
    }


def test_the_first_look_is_silent_and_written_down(tmp_path: Path) -> None:
    said = log_evaluation(Home.at(tmp_path), facts("model-000001"), VERDICT)
    assert (said["earlier"], said["sentence"]) == (0, "")
    assert json.loads((tmp_path / FILE).read_text()) == {
        "look": 1,
        "model_version": "model-000001",
        "build_id": "build-000001",
        "data_clock": "2024-12-31T00:00:00Z",
        "first": "2024-10-07T00:00:00Z",
        "last": "2024-11-25T00:00:00Z",
        "cutoffs": 8,
        "why": "verdict",
    }


def test_a_second_look_of_the_same_model_is_said_to_be_harmless(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    log_evaluation(home, facts("model-000001"), VERDICT)
    said = log_evaluation(home, facts("model-000001"), EVIDENCE)
    assert said["earlier"] == 1
    assert "looked at once before, by model-000001 itself; nothing was chosen" in said["sentence"]


def test_a_second_model_on_the_same_cut_offs_is_warned_of(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    log_evaluation(home, facts("model-000001"), VERDICT)
    log_evaluation(home, facts("model-000001"), EVIDENCE)
    said = log_evaluation(home, facts("model-000002", first="2024-11-25T00:00:00Z"), VERDICT)
    assert "looked at 2 times before, also by model-000001: if anything was changed" in said["sentence"]
    assert [look["look"] for look in said["all"]] == [1, 2, 3]


def test_later_cut_offs_are_untouched(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    log_evaluation(home, facts("model-000001"), VERDICT)
    later = facts("model-000002", first="2024-12-02T00:00:00Z", last="2024-12-30T00:00:00Z")
    assert log_evaluation(home, later, VERDICT)["earlier"] == 0


def test_a_torn_line_neither_stops_the_ledger_nor_swallows_the_next_look(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    log_evaluation(home, facts("model-000001"), VERDICT)
    with (tmp_path / FILE).open("ab") as ledger:
        ledger.write(b'{"look": 2, "model_ver')
    log_evaluation(home, facts("model-000002"), VERDICT)
    assert [look["model_version"] for look in parse_lines((home.root / FILE).read_bytes())] == [
        "model-000001",
        "model-000002",
    ]
