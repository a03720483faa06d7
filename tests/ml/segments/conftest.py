"""Homes that see the published build of the shop, and keep segments of their own."""

from pathlib import Path

import pytest

from tests.worlds import Built


def home_beside(shop: Built, folder: Path) -> Path:
    """A home with the builds of the shop."""
    folder.mkdir(exist_ok=True)
    (folder / "builds").symlink_to(shop.home / "builds")
    return folder


@pytest.fixture
def home(shop: Built, tmp_path: Path) -> Path:
    """A home without segments."""
    return home_beside(shop, tmp_path / "home")


@pytest.fixture(scope="module")
def shared_home(shop: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home for tests that only look."""
    return home_beside(shop, tmp_path_factory.mktemp("segments") / "home")
