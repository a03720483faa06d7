"""The hand-made world, built once."""

from pathlib import Path

import pytest

from tests.ml.receipt.hand import hand_world
from tests.reference.worlds import write_world
from tests.worlds import built


@pytest.fixture(scope="session")
def hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the hand-made world."""
    folder = tmp_path_factory.mktemp("hand")
    write_world(folder / "raw", hand_world())
    return built(folder / "raw", folder / "home", max_rejected=0.0).home
