"""Fixtures of the ingest tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ml.home.layout import Home
from tests.ml.ingest.worlds import CLEAN, write_folder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """Two customers with an order each."""
    return write_folder(tmp_path / "clean", CLEAN)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Write tables given as CSV text; those not given are the clean ones."""

    def write(**tables: str) -> Path:
        number = len(list(tmp_path.glob("given-*")))
        return write_folder(tmp_path / f"given-{number}", {**CLEAN, **tables})

    return write
