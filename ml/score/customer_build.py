"""A build of a few customers: the served build's own SQL over their raw rows, written as a build is.

What reads a build (retrieval, the population, scores) reads it alike, so that a fact just pushed, or one that
is only supposed, is counted by the one definition of each feature.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from ml.common.instants import format_instant
from ml.common.sql import literal
from ml.features.labels import POPULATION
from ml.featurestore.catalog import read_catalog
from ml.home.build_manifest import read_build_manifest, write_build_manifest
from ml.warehouse.compiled_models import read_models
from ml.warehouse.customer_tables import CustomerTables, Row
from ml.warehouse.dbt import CATALOG

FILE = "to-come-0.parquet"


@contextmanager
def build_of_customers(
    build: Path,
    load: Path,
    customers: Sequence[str],
    as_of: datetime,
    *,
    more: Mapping[str, Sequence[Row]] | None = None,
    change: Callable[[CustomerTables], None] = lambda tables: None,
) -> Iterator[Path]:
    """The features and the population of some customers as a build, until the end of the block.

    Parameters
    ----------
    build : Path
        The build whose SQL is run.
    load : Path
        The raw rows.
    as_of : datetime
        The data clock of the result.
    more : mapping, optional
        Rows beside those of the load, by table, each by column.
    change : callable
        What is done to the raw rows in memory before any model is made from them.

    Raises
    ------
    NotReadyError, SourceError, BuildError
        The raw rows are gone or damaged, or the SQL does not run over them.
    """
    with tempfile.TemporaryDirectory(prefix="tidemark-") as scratch:
        folder = Path(scratch) / build.name
        with CustomerTables(read_models(build), load, customers) as tables:
            for table, rows in (more or {}).items():
                for row in rows:
                    tables.add(table, row)
            change(tables)
            targets = {view.name: folder / "features" / view.name for view in read_catalog(build).views}
            targets[Path(POPULATION).name] = folder / POPULATION
            for name, target in targets.items():
                target.mkdir(parents=True)
                copy = f"copy (from {tables.model(name)}) to {literal(target / FILE)} (format parquet)"
                tables.rows(copy)
        for name in ("manifest.json", CATALOG):
            (folder / name).symlink_to(build / name)
        manifest: dict[str, Any] = read_build_manifest(build)
        write_build_manifest(folder, manifest | {"data_clock": format_instant(as_of)})
        yield folder
