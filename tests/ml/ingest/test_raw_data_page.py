"""docs/raw-data.md says of every text what the ingest does with it."""

import re

import pytest

from ml.common.instant_grammar import parse_text
from ml.common.instants import format_instant
from ml.common.paths import ROOT
from ml.home.layout import Home
from ml.ingest import ingest
from ml.ingest.missing_values import IN_TYPED_COLUMNS, UNAMBIGUOUS
from tests.ml.ingest.worlds import read_table, write_folder

PAGE = (ROOT / "docs" / "raw-data.md").read_text(encoding="utf-8")


def table_of(heading: str) -> list[tuple[str, str]]:
    """Text and meaning, for each text of the first table under a heading."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][2:]
    return [(text, meaning) for texts, meaning in rows for text in re.findall(r"`([^`]+)`", texts)]


@pytest.mark.parametrize(("text", "meaning"), table_of("Values: instants"))
def test_instants(text, meaning):
    if meaning.startswith("rejected"):
        with pytest.raises(ValueError):
            parse_text(text)
    else:
        assert format_instant(parse_text(text)) == meaning


def test_numbers(tmp_path):
    texts = table_of("Values: numbers")
    home = Home(tmp_path / "home")
    orders = "".join(f'{row};anna;2024-02-01;"{text}"\n' for row, (text, _) in enumerate(texts))
    tables = {
        "customers": "customer_id;registered_at\nanna;2024-01-01\n",
        "orders": "order_id;customer_id;ordered_at;total_amount\n" + orders,
    }
    ingest(write_folder(tmp_path / "raw", tables), home=home, max_rejected=1)

    read = {texts[int(number)][0] for (number,) in read_table(home, "orders", "order_id")}
    assert read == {text for text, meaning in texts if not meaning.startswith("rejected")}


def test_markers():
    typed, texts = (
        re.findall(r"`([^`]+)`", line)
        for line in PAGE.split("## Values that are missing")[1].splitlines()
        if line.startswith(("| instants", "| texts"))
    )
    assert {word.lower() for word in typed} == set(IN_TYPED_COLUMNS)
    assert set(texts) == set(UNAMBIGUOUS)
