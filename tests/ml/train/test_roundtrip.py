"""Every candidate with every kind of column: saved and loaded, it gives the same scores and reasons."""

from pathlib import Path

import pytest

from ml.config.problem import CANDIDATES
from tests.ml.conftest import Workshop
from tests.ml.roundtrip import COLUMNS, SAME, results

pytestmark = pytest.mark.subjects("ml/train", "ml/model")

CONSTANT = f"left out (always the same in training), {SAME}"
EXPECTED = {
    "all null": f"left out (always null in training), {SAME}",
    "constant number": CONSTANT,
    "constant text": CONSTANT,
    "constant flag": CONSTANT,
    "instants": f"left out (an instant or date, whose age is a feature of its own), {SAME}",
    "an infinite number": (
        "refused: feature spend_90d holds an infinite value: make its definition null there and build again"
    ),
}


@pytest.fixture(scope="module")
def build(workshop: Workshop) -> Path:
    return (workshop.home / "builds" / "current").resolve()


@pytest.mark.parametrize("name", COLUMNS)
def test_scores_and_reasons_are_the_same_after_loading(build: Path, name: str) -> None:
    assert dict(results(build, COLUMNS[name])) == dict.fromkeys(CANDIDATES, EXPECTED.get(name, SAME))
