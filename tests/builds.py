"""Tiny builds for tests: the feature models one writes down, laid out as ``churn build`` publishes them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

KEY_TYPES = {"customer_id": "VARCHAR", "event_timestamp": "TIMESTAMP"}


@dataclass
class Model:
    """One feature model: its subject, its columns' types, its rows, what its YAML says."""

    subject: str
    types: Mapping[str, str]
    rows: Sequence[tuple] = ()
    on_demand: Sequence[Mapping[str, str]] = ()
    described: Mapping[str, Mapping[str, Any]] | None = None
    meta: Mapping[str, Any] = field(default_factory=lambda: {"feature_view": True})

    @property
    def name(self) -> str:
        return f"feat_customer_{self.subject}"


def publish_build(home: Path, *models: Model) -> Path:
    """Write a build of ``models`` and make it the current one."""
    build = home / "builds" / "build-000001"
    build.mkdir(parents=True)
    for model in models:
        write_parquet(build / "features" / model.name, model)
    write_nodes(build / "manifest.json", {model.name: in_manifest(model) for model in models})
    write_nodes(build / "catalog.json", {model.name: in_catalog(model) for model in models})
    (home / "builds" / "current").symlink_to(build.name)
    return build


def write_parquet(folder: Path, model: Model) -> None:
    """The model's rows, sorted, in two files beside one without rows."""
    folder.mkdir(parents=True)
    types = KEY_TYPES | dict(model.types)
    with duckdb.connect() as connection:
        connection.execute(
            f"create table rows ({', '.join(f'{name} {type_}' for name, type_ in types.items())})"
        )
        if model.rows:
            connection.executemany(f"insert into rows values ({', '.join('?' * len(types))})", model.rows)
        parts = {"schema": "false", "slice-0001": "customer_id < 'c'", "slice-0002": "customer_id >= 'c'"}
        for part, condition in parts.items():
            rows = f"select * from rows where {condition} order by customer_id, event_timestamp"
            connection.execute(f"copy ({rows}) to '{folder}/{part}.parquet' (format parquet)")


def write_nodes(path: Path, nodes: Mapping[str, Any]) -> None:
    path.write_text(json.dumps({"nodes": {f"model.tidemark.{name}": node for name, node in nodes.items()}}))


def in_manifest(model: Model) -> dict[str, Any]:
    described = model.described
    if described is None:
        described = {name: {"description": f"The {name}."} for name in model.types}
    columns = {
        name: {"name": name, "config": {"meta": {}}} | dict(entry) for name, entry in described.items()
    }
    meta = {"subject": model.subject, "on_demand": list(model.on_demand)} | dict(model.meta)
    return {
        "unique_id": f"model.tidemark.{model.name}",
        "name": model.name,
        "resource_type": "model",
        "columns": columns,
        "config": {"meta": meta},
    }


def in_catalog(model: Model) -> dict[str, Any]:
    types = KEY_TYPES | dict(model.types)
    columns = {
        name: {"name": name, "type": kind, "index": place}
        for place, (name, kind) in enumerate(types.items(), 1)
    }
    return {"unique_id": f"model.tidemark.{model.name}", "columns": columns}
