"""``monitor.yml``: the shipped file, defaults, and every refusal with its line and remedy."""

from datetime import datetime
from pathlib import Path

import pytest

from ml.common.errors import ProblemError
from ml.common.paths import ROOT
from ml.monitor.settings import FILE, MonitorSettings, Retrain, read_monitor_settings


def written(folder: Path, text: str) -> Path:
    file = folder / FILE
    file.write_text(text)
    return file


def test_the_shipped_file_has_the_defaults() -> None:
    assert read_monitor_settings(ROOT / FILE) == MonitorSettings() == read_monitor_settings()


def test_what_a_file_says_holds(tmp_path: Path) -> None:
    text = "false_pages_per_quarter: 2\nretrain: {every_days: 30, when_score_alarm: true}\n"
    settings = read_monitor_settings(written(tmp_path, text))
    assert settings.false_pages_per_quarter == 2.0
    assert settings.retrain == Retrain(every_days=30, when_score_alarm=True)
    assert read_monitor_settings(written(tmp_path, "retrain: {every_days: null}")).retrain.every_days is None


def test_weeks_that_hold_a_day_are_left_out(tmp_path: Path) -> None:
    settings = MonitorSettings(leave_out=("2024-12-25",))
    ends = [datetime(2024, 12, 25), datetime(2024, 12, 26), datetime(2025, 1, 1), datetime(2025, 1, 2)]
    assert [settings.left_out(end, 7) for end in ends] == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "false_pages_per_quarter: 0",
            "line 1: false_pages_per_quarter is 0.0; it must be a number from 0.01 to 100",
        ),
        (
            "\nfalse_page_per_quarter: 1",
            "line 2: unknown key false_page_per_quarter; did you mean false_pages_per_quarter?",
        ),
        (
            "retrain: {every_days: often}",
            "line 1: retrain.every_days is 'often'; it must be a whole number from 1 to 3650",
        ),
        (
            "webhook: example.org",
            "line 1: webhook is 'example.org'; it must be an address that begins with http",
        ),
        (
            "leave_out: ['2024-13-01']",
            "line 1: leave_out is ['2024-13-01']; it must be a list of days such as",
        ),
        (
            "customers_max: null",
            "line 1: customers_max is None; it must be a whole number from 50 to 10000000",
        ),
        ("skew: maybe", "line 1: skew is 'maybe'; it must be true or false"),
        ("- skew", "line 1: the file must be a mapping of keys to values"),
        ("skew: [", "is no YAML"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ProblemError) as error:
        read_monitor_settings(written(tmp_path, text))
    assert message in str(error.value)
    assert error.value.exit_status == 2


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="there is no such file"):
        read_monitor_settings(tmp_path / FILE)
