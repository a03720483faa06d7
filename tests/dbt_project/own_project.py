"""A copy of the project with tables and models of its own, worked by commands as its owner would."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ml.common.paths import ROOT
from ml.config.project import write_project

BLOCK = re.compile(r"^```(?:yaml|sql)\n(?:#|--) (dbt_project\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BEFORE = "      - name: rejected_rows"  # a declaration goes before the last entry of sources.yml


def blocks_of(page: Path) -> list[tuple[str, str]]:
    """The files of the dbt project that a page of the documentation shows, each with its text."""
    return BLOCK.findall(page.read_text())


@dataclass(frozen=True)
class OwnProject:
    """A project folder, with its home in ``var``."""

    folder: Path

    @property
    def build(self) -> Path:
        return (self.folder / "var" / "builds" / "current").resolve()

    def declare(self, text: str) -> None:
        """Add a raw table to sources.yml."""
        sources = self.folder / "dbt_project" / "models" / "staging" / "sources.yml"
        before = sources.read_text()
        assert before.count(BEFORE) == 1
        sources.write_text(before.replace(BEFORE, text.lstrip("\n") + BEFORE))

    def churn(self, *arguments: object, status: int = 0) -> str:
        """What a command prints."""
        environment = os.environ | {
            "CHURN_PROJECT": str(self.folder),
            "CHURN_HOME": str(self.folder / "var"),
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, "-m", "ml", *map(str, arguments)],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return done.stdout

    def features(self, pairs: list[tuple[str, datetime]]) -> list[dict[str, Any]]:
        """Every feature at pairs of customer and instant."""
        entity_rows = pa.table(
            {"customer_id": [name for name, _ in pairs], "event_timestamp": pa.array([at for _, at in pairs])}
        )
        rows, out = self.folder / "rows.parquet", self.folder / "features.parquet"
        pq.write_table(entity_rows, rows)
        self.churn("features", "--rows", rows, "--out", out)
        return pq.read_table(out).to_pylist()

    def increment_equals_full_build(self, table: str, at_least: int) -> None:
        """Compare the rows of a feature table, made by an increment, with those of a full build."""
        increment = self.build
        assert json.loads((increment / "build.json").read_text())["kind"] == "incremental"
        rows = table_rows(increment, table)
        self.churn("build", "--full-refresh")
        assert self.build != increment
        assert table_rows(self.build, table) == rows
        assert len(rows) > at_least


def own_project(folder: Path) -> OwnProject:
    """A new project, as ``churn init`` writes it."""
    write_project(folder, ROOT)
    return OwnProject(folder)


def table_rows(build: Path, table: str) -> list[tuple[Any, ...]]:
    return duckdb.sql(f"from read_parquet('{build}/features/{table}/*.parquet') order by all").fetchall()


def write_rows(folder: Path, table: str, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / f"{table}.parquet")


def write_empty_tables(folder: Path, like: Path) -> None:
    """The tables every ingest needs, without rows: a delivery of other tables alone."""
    folder.mkdir(exist_ok=True)
    for table in ("customers", "orders"):
        rows = pq.read_table(like / f"{table}.parquet").slice(0, 0)
        pq.write_table(rows, folder / f"{table}.parquet")
