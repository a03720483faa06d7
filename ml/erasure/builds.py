"""The builds of a home: rows of every file, then the counts of ``build.json``."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from ml.common.instants import parse_instant
from ml.common.sql import parquet
from ml.erasure import parquet_rows
from ml.erasure.rows_to_erase import RowsToErase
from ml.erasure.swapped_files import Lost, rewrite_shared
from ml.home.build_manifest import AN_END_ERASED, manifest_of, write_build_manifest
from ml.home.layout import Home
from ml.ingest.rows_without_updated_at import undated_customers

KINDS = ("features", "labels")
PROFILE = Path("features", "feat_customer_profile")


def erase_from_builds(home: Home, rows: RowsToErase) -> Lost:
    """Erase a person's rows from every build on disk; return how many went, by file."""
    files = sorted(home.builds.glob("build-*/*/*/*.parquet")) + sorted(
        home.builds.glob("build-*/*/*.parquet")
    )
    own = [file for file in files if not any(folder.is_symlink() for folder in file.parents)]
    return rewrite_shared(own, lambda old, fresh: parquet_rows.erase_rows(old, fresh, rows))


def customers_without(build: Path, rows: RowsToErase) -> int | None:
    """How many customers a build has beside a person, read before the rows go; None if it does not say."""
    count = manifest_of(build).get("rows", {}).get("int_customers")
    files = sorted((build / PROFILE).glob("*.parquet"))
    if count is None or not files:
        return count
    query = (
        f"select count(distinct customer_id) from {parquet(files)} where {rows.condition(['customer_id'])}"
    )
    with duckdb.connect() as connection:
        return int(count) - int(connection.execute(query).fetchall()[0][0])


def correct_manifest(home: Home, build: Path, customers: int | None, has_an_end: bool) -> None:
    """Make ``build.json`` agree with the files of its build.

    Parameters
    ----------
    customers : int, optional
        From ``customers_without``.
    has_an_end : bool
        Whether clocks over all customers would differ without the person: the next build makes everything.
    """
    before = manifest_of(build)
    if not before:
        return
    manifest: dict[str, Any] = json.loads(json.dumps(before))
    for table in (path for kind in KINDS for path in sorted((build / kind).glob("*"))):
        manifest["rows"][table.name] = sum(
            pq.read_metadata(file).num_rows for file in table.glob("*.parquet")
        )
    if customers is not None:
        manifest["rows"]["int_customers"] = customers
    load = home.raw / str(manifest["load_id"])
    if manifest != before and load.is_dir() and manifest.get("customers"):
        manifest["customers"] = undated_customers(load, parse_instant(manifest["data_clock"]))
    if has_an_end:
        manifest[AN_END_ERASED] = True
    if manifest != before:
        write_build_manifest(build, manifest)
