"""Recommended actions: read from a file, one a band, each mistake with its line and remedy."""

from pathlib import Path

import numpy as np
import pytest

from ml.common.errors import ProblemError
from ml.config.problem import Problem
from ml.decision.actions import read_actions, recommended_actions

GIVEN = "low: Leave alone\nmedium: Send a letter\nhigh: Call\n"


def written(folder: Path, text: str) -> str:
    file = folder / "actions.yml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_the_file_in_the_repository_has_an_action_for_each_band() -> None:
    actions = read_actions(Problem().actions)
    assert list(actions) == ["low", "medium", "high"]
    assert len(set(actions.values())) == 3


def test_each_customer_gets_the_action_of_its_band(tmp_path: Path) -> None:
    bands = np.array(["high", "low", "low", "medium"], dtype=object)
    found = recommended_actions(bands, read_actions(written(tmp_path, GIVEN)))
    assert found.tolist() == ["Call", "Leave alone", "Leave alone", "Send a letter"]
    assert recommended_actions(bands[:0], {}).tolist() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("low: a\nmedium: b\n", "actions.yml: there is no action for the band high; add a line 'high: ...'"),
        ("low: a\nmedum: b\n", "line 2: unknown key medum; did you mean medium?"),
        ("low: No\nmedium: b\nhigh: c\n", "line 1: low is False; it must be a line of text"),
        ("low: a\nmedium:\nhigh: c\n", "line 2: medium is None; it must be a line of text"),
        ("low: a\nmedium: b\nhigh: |\n  c\n  d\n", "line 3: high is 'c\\nd\\n'; it must be a line of text"),
        ("low: a\nlow: b\n", "line 2: low is given twice"),
        ("low: [\n", "is no YAML"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ProblemError) as caught:
        read_actions(written(tmp_path, text))
    assert words in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="there is no such file of actions; correct 'actions'"):
        read_actions(str(tmp_path / "none.yml"))
