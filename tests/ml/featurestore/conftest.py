"""A home with the small build, and its store after ``feast apply``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ml.featurestore.small_build import write_build
from tests.online_servers import EVERYWHERE, SERVERS, online_store


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_build(tmp_path)
    return tmp_path


@pytest.fixture
def store(home: Path, request: pytest.FixtureRequest):
    if "each_store" in request.fixturenames:
        request.getfixturevalue("each_store")  # before the definitions are applied to it
    from ml.featurestore.repository import apply_definitions, open_store

    store = open_store(home)
    apply_definitions(store, home)
    return store


@pytest.fixture(params=EVERYWHERE)
def each_store(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The online store as a file, in PostgreSQL and in Redis; the URL of a server."""
    with online_store(request.param) as url:
        yield url


@pytest.fixture(params=SERVERS)
def each_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The online store in PostgreSQL and in Redis."""
    with online_store(request.param) as url:
        assert url
        yield url


@pytest.fixture(params=EVERYWHERE, scope="module")
def each_store_of_module(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """As ``each_store``, once for a module."""
    with online_store(request.param) as url:
        yield url
