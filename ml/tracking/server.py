"""Where the record is: ``mlflow.db`` in the home, or any tracking server; and how MLflow is spoken to.

MLflow is imported here and nowhere before; while it works it reports nothing to anybody and prints nothing.
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
FIRST_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
LOGGERS = ("mlflow", "alembic", "urllib3")


@dataclass(frozen=True)
class RecordPlace:
    """One tracking server and what the record is called there.

    Parameters
    ----------
    url : str
        As MLflow takes it; may hold a password.
    name : str
        Of the experiment and of the registered model.
    artifacts : str, optional
        Where files go, for a database without a server before it; a server decides for itself.
    file : Path, optional
        The database, when the address is that of a file.
    """

    url: str
    name: str = DEFAULT_NAME
    artifacts: str | None = None
    file: Path | None = None

    @property
    def shown(self) -> str:
        """The URL without user and password."""
        return re.sub(r"//[^/@]*@", "//", self.url)


def record_place(home: Home, tracking: str | None = None) -> RecordPlace:
    """Where to record: as asked, else as ``MLFLOW_TRACKING_URI`` says, else in the home.

    Raises
    ------
    UsageError
        What was asked for is no address of a tracking server.
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
        return RecordPlace(url, name)
    if not url.startswith("sqlite:///"):
        return RecordPlace(url, name, (home.root / "mlflow").as_uri())
    file = Path(url.removeprefix("sqlite:///")).absolute()
    return RecordPlace(url, name, file.with_suffix("").as_uri(), file)


def has_record(home: Home) -> bool:
    """Whether a record is kept where it is kept by default, or a server is named by the environment."""
    file = record_place(home).file
    return file is None or file.exists()


@contextmanager
def speaking(place: RecordPlace) -> Iterator["MlflowClient"]:
    """MLflow's client for ``place``, once a first request was answered; silent and patient within reason."""
    with hushed():
        from mlflow.store.db import utils
        from mlflow.tracking import MlflowClient

        attempts, utils.MAX_RETRY_COUNT = utils.MAX_RETRY_COUNT, 2
        try:
            client = MlflowClient(tracking_uri=place.url, registry_uri=place.url)
            with environment(FIRST_PATIENCE, only_unset=True):
                client.get_experiment_by_name(place.name)
            with environment(PATIENCE, only_unset=True):
                yield client
        finally:
            utils.MAX_RETRY_COUNT = attempts
            let_go(place.url)


def let_go(url: str) -> None:
    """Close the connections that MLflow keeps to a database for the life of the process."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking

    for store in (Registry, Tracking):
        if (engine := store._engine_map.get(url)) is not None:
            engine.dispose()


@contextmanager
def hushed() -> Iterator[None]:
    """No telemetry, nothing printed: what goes wrong is raised, and said once by whoever asked."""
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
