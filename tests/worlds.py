"""Raw folders taken the whole way to a published build, for the tests that need a real one."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from feature_repo.paths import ROOT
from feature_repo.retrieval import point_in_time
from ml.build import build
from ml.home import Home
from ml.ingest import ingest


def declared_windows() -> tuple[int, ...]:
    """The windows that the dbt project declares, in days."""
    project = yaml.safe_load((ROOT / "dbt_project" / "dbt_project.yml").read_text())
    return tuple(project["vars"]["windows"])


@dataclass(frozen=True)
class Built:
    """A raw folder and the home it was built in."""

    raw: Path
    home: Path

    @property
    def build(self) -> Path:
        return Home.at(self.home).current_build()

    def features(self, asked: pa.Table) -> pa.Table:
        """What the product answers for the asked rows."""
        return point_in_time(self.build, asked.select(["customer_id", "event_timestamp"]))


def built(raw: Path, home: Path, as_of: datetime | None = None, **ingest_options: Any) -> Built:
    """Ingest ``raw`` and build it."""
    ingest(str(raw), home=home, **ingest_options)
    build(home=home, as_of=as_of)
    return Built(raw, home)
