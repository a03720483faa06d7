"""One setting of memory that every step reads."""

import re
from pathlib import Path

import pytest

from ml.common.errors import UsageError
from ml.common.memory import memory_limit
from ml.common.paths import ROOT
from ml.home.layout import Home
from ml.ingest import ingest
from tests.ml.ingest.worlds import CLEAN, write_folder


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHURN_MEMORY_LIMIT", raising=False)
    assert memory_limit("3GB") == "3GB"
    monkeypatch.setenv("CHURN_MEMORY_LIMIT", "512MB")
    assert memory_limit("3GB") == "512MB"


@pytest.mark.parametrize("size", ["much", "0GB", "3", "-1GB", "3 gigabytes", "1GB; drop table x"])
def test_what_is_no_size_is_refused(size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHURN_MEMORY_LIMIT", size)
    with pytest.raises(UsageError, match=re.escape(f"CHURN_MEMORY_LIMIT is {size!r}: give a size")):
        ingest(write_folder(tmp_path / "raw", CLEAN), home=Home.at(tmp_path / "home"))


def test_every_limit_of_the_product_is_read_through_it() -> None:
    """A connection with a limit of its own would not follow the setting."""
    modules = [path for path in (ROOT / "ml").rglob("*.py") if "MEMORY_LIMIT" in path.read_text()]
    own = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in modules
        for line in path.read_text().splitlines()
        if re.search(r"(?<![\w_(])MEMORY_LIMIT\b(?! = )", line) and "import" not in line
    ]
    assert own == ["ml/featurestore/offline/store.py: memory_limit: str = MEMORY_LIMIT"]
