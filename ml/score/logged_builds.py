"""What stays of a build whose scores were logged: enough to replay them when the build is gone.

``<home>/predictions/builds/<build>.json``, written when the first of its scores is logged.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ml.common.durable_files import replace_file
from ml.common.errors import NotReadyError
from ml.common.json_files import read_json
from ml.featurestore.catalog import read_catalog
from ml.home.build_manifest import manifest_of
from ml.home.layout import Home
from ml.ingest.manifest import read_load_manifest


@dataclass(frozen=True)
class LoggedBuild:
    """A build that gave logged scores.

    Parameters
    ----------
    build_id, load_id : str
    data_clock : str
    project_hash : str
        Of the dbt project that made it.
    service_hash : str
        Of its features' names, types and formulas.
    ingests : tuple of str
        The ingests of its load, in their order.
    """

    build_id: str
    load_id: str
    data_clock: str
    project_hash: str
    service_hash: str
    ingests: tuple[str, ...]


def describe_build(home: Home, build: Path) -> LoggedBuild:
    """What is to be kept of a build that is there."""
    manifest = manifest_of(build)
    load = str(manifest.get("load_id", ""))
    return LoggedBuild(
        build_id=build.name,
        load_id=load,
        data_clock=str(manifest.get("data_clock", "")),
        project_hash=str(manifest.get("project_hash", "")),
        service_hash=read_catalog(build).hash(),
        ingests=ingests_of(home.raw / load),
    )


def ingests_of(load: Path) -> tuple[str, ...]:
    """The names of the ingests of a load; none if its manifest is gone."""
    try:
        return tuple(str(each["load_id"]) for each in read_load_manifest(load)["ingests"])
    except NotReadyError:
        return ()


def remember_build(home: Home, build: Path) -> None:
    """Keep what a build was, unless it is kept already."""
    described = describe_build(home, build)
    if kept_build(home, build.name) != described:
        content = json.dumps(asdict(described), indent=2) + "\n"
        replace_file(file_of(home, build.name), content.encode())


def logged_build(home: Home, build_id: str) -> LoggedBuild | None:
    """What is known of a build, on disk or kept; None if nothing is."""
    folder = home.builds / build_id
    if (folder / "build.json").is_file():
        return describe_build(home, folder)
    return kept_build(home, build_id)


def kept_build(home: Home, build_id: str) -> LoggedBuild | None:
    """What is kept of a build; None if nothing is, or it is damaged."""
    try:
        content: dict[str, Any] = read_json(file_of(home, build_id), "churn score --log")
        return LoggedBuild(**(content | {"ingests": tuple(content["ingests"])}))
    except (NotReadyError, OSError, KeyError, TypeError):
        return None


def file_of(home: Home, build_id: str) -> Path:
    return home.root / "predictions" / "builds" / f"{build_id}.json"
