"""Raw folders taken the whole way to a published build, for the tests that need a real one."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from ml.common.paths import ROOT
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.layout import Home
from ml.ingest import ingest
from ml.warehouse import build


def declared_windows() -> tuple[int, ...]:
    """The windows that the dbt project declares, in days."""
    project = yaml.safe_load((ROOT / "dbt_project" / "dbt_project.yml").read_text())
    return tuple(project["vars"]["windows"])


@contextmanager
def shared_folder(factory: pytest.TempPathFactory, name: str) -> Iterator[tuple[Path, bool]]:
    """A folder that all worker processes of this run share, and whether the caller has to fill it.

    The others wait meanwhile. A caller that fails leaves it to the next to try again elsewhere.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        filled = root / f"{name}.filled"
        folder = Path(filled.read_text()) if filled.exists() else factory.mktemp(name)
        yield folder, not filled.exists()
        filled.write_text(str(folder))


@dataclass(frozen=True)
class Built:
    """A raw folder and the home it was built in."""

    raw: Path
    home: Path

    @property
    def build(self) -> Path:
        return Home.at(self.home).current_build()

    def features(self, asked: pa.Table) -> pa.Table:
        """What the product answers for the entity rows."""
        return point_in_time(self.build, asked.select(["customer_id", "event_timestamp"]))


def built(raw: Path, home: Path, as_of: datetime | None = None, **ingest_options: Any) -> Built:
    """Ingest ``raw`` and build it."""
    ingest(str(raw), home=home, **ingest_options)
    build(home=home, as_of=as_of)
    return Built(raw, home)
