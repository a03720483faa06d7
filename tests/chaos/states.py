"""What readers see of a home, as digests that do not depend on file names, order of rows or wall clock.

Two homes with the same state hold the same rows everywhere; ``Damage`` is raised where anything that readers
see, or could go back to, is not whole.
"""

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from math import isclose
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ml.common.errors import NotReadyError
from ml.common.instants import parse_instant
from ml.featurestore.online.read import OnlineReader
from ml.featurestore.online.store import connect_at_rest
from ml.featurestore.registry.store import read_registry
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.build_manifest import data_clock, read_build_manifest
from ml.home.layout import Home, challenger_of
from ml.ingest.manifest import read_load_manifest
from ml.model.model_files import TEST, read_manifest
from ml.score.scoring import score

SAMPLED = 25
ALIASES = """
select alias, tags.value, runs.status
from registered_model_aliases as aliases
inner join model_versions as versions using (name, version)
inner join runs on runs.run_uuid = versions.run_id
inner join model_version_tags as tags
    on tags.name = versions.name and tags.version = versions.version and tags.key = 'tidemark.model_version'
"""
DIGITS = 9


class Damage(Exception):  # noqa: N818
    """Something that readers see is not whole."""


@dataclass(frozen=True)
class State:
    """A home as readers see it; None where there is nothing yet.

    Parameters
    ----------
    load : str
        The current load's rows.
    build : str
        The current build's rows.
    scores : str
        Every score of the current model on the current build.
    online : str
        The online store's rows, and the instant they hold at.
    challenger : str
        What the challenger of the current build says of the test part.
    record : str
        The same of the models that the record's aliases lead to.
    """

    load: str | None = None
    build: str | None = None
    scores: str | None = None
    online: str | None = None
    challenger: str | None = None
    record: str | None = None


def read_state(root: Path) -> State:
    """The state of the home at ``root``.

    Raises
    ------
    Damage
        A load, a build, the model, the registry or the online store is not whole.
    """
    home = Home.at(root)
    try:
        for folder in finished(home.builds, "build", "build.json"):
            build_digest(home, folder)
        return State(
            load=followed(home.raw, load_digest),
            build=followed(home.builds, lambda folder: build_digest(home, folder)),
            scores=scores_digest(home),
            online=online_digest(home),
            challenger=challenger_digest(home),
            record=record_digest(home),
        )
    except Damage:
        raise
    except Exception as error:  # whatever a reader meets here is the finding
        raise Damage(f"{type(error).__name__}: {error}"[:400]) from error


def finished(parent: Path, kind: str, manifest: str) -> list[Path]:
    """The folders that count as whole."""
    return [path for path in sorted(parent.glob(f"{kind}-??????")) if (path / manifest).exists()]


def followed(parent: Path, digest: Any) -> str | None:
    """The digest of what ``parent/current`` leads to."""
    link = parent / "current"
    if not link.is_symlink() and not link.exists():
        return None
    if not link.exists():
        raise Damage(f"{link} leads nowhere")
    said: str = digest(link.resolve())
    return said


def load_digest(load: Path) -> str:
    """The rows of every raw table, which are as many as ``load.json`` says."""
    counts = read_load_manifest(load)["tables"]
    with duckdb.connect() as connection:
        tables = {path.name: table(connection, path) for path in sorted(load.iterdir()) if path.is_dir()}
    for name, count in counts.items():
        if tables[name]["rows"] != count["accepted"]:
            raise Damage(f"{load.name}: {tables[name]['rows']} rows of {name}, load.json says {count}")
    rejected = sum(count["rejected"] for count in counts.values())
    if tables["rejected_rows"]["rows"] != rejected:
        raise Damage(
            f"{load.name}: {tables['rejected_rows']['rows']} rejected rows, load.json says {rejected}"
        )
    return digest_of(tables)


def build_digest(home: Home, build: Path) -> str:
    """The rows of every feature and label table, which are as many as ``build.json`` says."""
    manifest = read_build_manifest(build)
    for name in ("manifest.json", "catalog.json", "run_results.json"):
        json.loads((build / name).read_text())
    if manifest["build_id"] != build.name:
        raise Damage(f"{build.name} calls itself {manifest['build_id']}")
    if not (home.raw / manifest["load_id"] / "load.json").exists():
        raise Damage(f"{build.name} was made from {manifest['load_id']}, which is gone")
    folders = [path for kind in ("features", "labels") for path in sorted((build / kind).iterdir())]
    with duckdb.connect() as connection:
        tables = {path.name: table(connection, path) for path in folders}
    for name, rows in manifest["rows"].items():
        if name in tables and tables[name]["rows"] != rows:
            raise Damage(f"{build.name}: {tables[name]['rows']} rows of {name}, build.json says {rows}")
    return digest_of({"clock": manifest["data_clock"], **tables})


def table(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, Any]:
    """Columns, number and digest of the rows in a folder of Parquet files; every value is read."""
    source = f"read_parquet('{folder}/*.parquet') as stored"
    columns = connection.execute(f"describe select * from {source}").fetchall()
    query = f"select count(*), sum(hash(stored)::hugeint) from {source}"
    rows, total = connection.execute(query).fetchall()[0]
    return {"columns": [(name, kind) for name, kind, *_ in columns], "rows": rows, "digest": str(total)}


def scores_digest(home: Home) -> str | None:
    """Every score of the current model on the current build; the model's files are checked by hash."""
    try:
        home.current_build()
        home.current_model()
    except NotReadyError:
        return None
    return rows_digest(scored(home))


def scored(home: Home) -> list[tuple[Any, ...]]:
    """Customer, instant, probability and decision of everyone eligible."""
    return [
        (
            row["customer_id"],
            row["event_timestamp"],
            round(row["churn_probability"], DIGITS),
            row["churn_decision"],
        )
        for row in score(home=home).to_pylist()
    ]


def challenger_digest(home: Home) -> str | None:
    """The challenger's evidence; its files are checked by hash."""
    try:
        folder = challenger_of(home.current_build())
    except NotReadyError:
        return None
    return evidence_digest(folder) if folder else None


def evidence_digest(model: Path) -> str:
    """What a model says of the test part, whatever its number."""
    kind = read_manifest(model)["kind"]
    return digest_of([kind, pq.read_table(model / TEST).to_pylist()])


def record_digest(home: Home) -> str | None:
    """The models behind the aliases; each is registered with a finished run."""
    file = home.root / "mlflow.db"
    if not file.exists():
        return None
    with sqlite3.connect(file) as connection:
        if connection.execute("pragma quick_check").fetchall() != [("ok",)]:
            raise Damage(f"{file} is damaged")
        found = connection.execute(ALIASES).fetchall()
    connection.close()
    if unfinished := [model for _, model, status in found if status != "FINISHED"]:
        raise Damage(f"the run of {unfinished[0]} is not finished")
    return digest_of({alias: evidence_digest(home.models / model) for alias, model, _ in found})


def online_digest(home: Home) -> str | None:
    """The online store's rows; all views hold one build at one instant, and a sample equals offline."""
    path = home.feast / "online_store.db"
    if not path.exists():
        return None
    with closing(opened(path)) as connection:
        if not connection.execute("select 1 from sqlite_master where name = 'materialized'").fetchall():
            return None
        marks = connection.execute("select view, source, until from materialized").fetchall()
        stored = {view: connection.execute(f'select * from "{view}"').fetchall() for view, _, _ in marks}
    if not marks:
        return None
    builds, instants = {Path(source).parents[1] for _, source, _ in marks}, {until for _, _, until in marks}
    if len(builds) != 1 or len(instants) != 1:
        raise Damage(f"the views online are of {sorted(map(str, builds))} at {sorted(instants)}")
    check_registry(home, set(stored))
    check_sample(home, builds.pop(), datetime.fromisoformat(instants.copy().pop()), stored)
    return digest_of({"until": instants.pop(), **{view: rows_digest(rows) for view, rows in stored.items()}})


def opened(path: Path) -> sqlite3.Connection:
    """The store as a reader opens it, on a full disk too."""
    connection = sqlite3.connect(path)
    try:
        connection.execute("select 1 from sqlite_master").fetchall()
    except sqlite3.OperationalError:
        return connect_at_rest(path)
    return connection


def check_registry(home: Home, views: set[str]) -> None:
    """The registry can be parsed and knows the views."""
    known = {view.spec.name for view in read_registry(home.feast / "registry.db").feature_views}
    if not views <= known:
        raise Damage(f"the registry lacks {sorted(views - known)}")


def check_sample(home: Home, build: Path, instant: datetime, stored: dict[str, list[tuple]]) -> None:
    """Some customers online are what the build says of them, if it is still kept."""
    everyone = sorted({row[0] for rows in stored.values() for row in rows})
    some = [*everyone[:: max(1, len(everyone) // SAMPLED)], "nobody"]
    answers = OnlineReader(home.root).features(some, instant)
    if not build.exists():
        return
    asked = pa.table(
        {"customer_id": some, "event_timestamp": pa.array([instant] * len(some), pa.timestamp("us"))}
    )
    for wanted, found in zip(point_in_time(build, asked).to_pylist(), answers, strict=True):
        if differing := [name for name in found if not same(found[name], wanted[name])]:
            raise Damage(
                f"{found['customer_id']}: {differing[0]} is {found[differing[0]]} online and "
                f"{wanted[differing[0]]} in {build.name}"
            )


def same(online: Any, offline: Any) -> bool:
    """Whether two values are one, apart from the type they travel in."""
    if isinstance(offline, Decimal | float) and online is not None:
        return isclose(float(offline), float(online), rel_tol=1e-12, abs_tol=1e-12)
    if isinstance(offline, datetime):
        return online is not None and parse_instant(str(online)) == offline
    return bool(online == (offline.isoformat() if isinstance(offline, date) else offline))


def rows_digest(rows: list[tuple[Any, ...]]) -> str:
    """A digest of rows in any order."""
    return digest_of(sorted(map(repr, rows)))


def digest_of(what: Any) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:16]


def clock_of(home: Home) -> datetime:
    """The data clock of the current build."""
    return data_clock(home.current_build())
