"""The tracking server, ``mlflow.db`` in the home or any other, and a quiet client for it.

MLflow is imported only when it is used; it sends no telemetry and prints nothing.
"""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ml.common.errors import UsageError
from ml.home.layout import Home

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

DEFAULT_NAME = "churn"
SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql")
SILENT_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
# The first request shows whether there is a server at all: training waits for it no longer than this.
FIRST_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
LOGGERS = ("mlflow", "alembic", "urllib3")


@dataclass(frozen=True)
class TrackingServer:
    """One tracking server, and the names used there.

    Parameters
    ----------
    url : str
        In MLflow's form; it may contain a password.
    name : str
        Of the experiment and of the registered model.
    artifacts : str, optional
        Address of the files, for a database without a server; a server has its own.
    file : Path, optional
        The database, when the address is that of a file.
    """

    url: str
    name: str = DEFAULT_NAME
    artifacts: str | None = None
    file: Path | None = None

    @property
    def display_url(self) -> str:
        """The URL without user and password."""
        return re.sub(r"//[^/@]*@", "//", self.url)


def tracking_server(home: Home, tracking: str | None = None) -> TrackingServer:
    """The server at ``tracking``, else that of ``MLFLOW_TRACKING_URI``, else the file in the home.

    Raises
    ------
    UsageError
        The address is not one of a tracking server.
    """
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_NAME
    url = tracking or os.environ.get("MLFLOW_TRACKING_URI")
    if not url:
        url = f"sqlite:///{home.root / 'mlflow.db'}"
    if urlsplit(url).scheme.split("+")[0] not in SCHEMES:
        raise UsageError(
            f"{url} is no address of a tracking server (--tracking or MLFLOW_TRACKING_URI): give one such as "
            "http://localhost:5000 or sqlite:///folder/mlflow.db"
        )
    if url.startswith("http"):
        return TrackingServer(url, name)
    if not url.startswith("sqlite:///"):
        return TrackingServer(url, name, (home.root / "mlflow").as_uri())
    file = Path(url.removeprefix("sqlite:///")).absolute()
    return TrackingServer(url, name, file.with_suffix("").as_uri(), file)


def is_tracked(home: Home) -> bool:
    """Whether the home has a tracking file, or the environment names a server."""
    file = tracking_server(home).file
    return file is None or file.exists()


@contextmanager
def open_client(server: TrackingServer) -> Iterator["MlflowClient"]:
    """MLflow's client for ``server``, after a first request was answered."""
    with quiet_mlflow():
        from mlflow.store.db import utils
        from mlflow.tracking import MlflowClient

        attempts, utils.MAX_RETRY_COUNT = utils.MAX_RETRY_COUNT, 2
        try:
            client = MlflowClient(tracking_uri=server.url, registry_uri=server.url)
            with environment(FIRST_PATIENCE, only_unset=True):
                client.get_experiment_by_name(server.name)
            with environment(PATIENCE, only_unset=True):
                yield client
        finally:
            utils.MAX_RETRY_COUNT = attempts
            close_connections(server.url)


def close_connections(url: str) -> None:
    """Close the connections that MLflow keeps to a database for the life of the process."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking

    for store in (Registry, Tracking):
        if (engine := store._engine_map.get(url)) is not None:
            engine.dispose()


@contextmanager
def quiet_mlflow() -> Iterator[None]:
    """No telemetry and no output of MLflow; its errors are raised."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    with environment(SILENT_ENVIRONMENT):
        import mlflow  # noqa: F401 - sets its loggers' levels

        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def environment(values: dict[str, str], *, only_unset: bool = False) -> Iterator[None]:
    """Variables of this process while the block runs."""
    before = {name: os.environ.get(name) for name in values}
    for name, value in values.items():
        if before[name] is None or not only_unset:
            os.environ[name] = value
    try:
        yield
    finally:
        for name, old in before.items():
            os.environ.pop(name, None)
            if old is not None:
                os.environ[name] = old
