"""A home with the small build, and its store after ``feast apply``."""

from pathlib import Path

import pytest

from tests.ml.featurestore.small_build import write_build


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_build(tmp_path)
    return tmp_path


@pytest.fixture
def store(home: Path):
    from ml.featurestore.repository import apply_definitions, open_store

    store = open_store(home)
    apply_definitions(store, home)
    return store
