"""Builds of sampled customers, made beside the published one by the same dbt graph.

The raw rows of the customers in ``chosen`` are copied once; ``rebuild`` runs dbt over such a copy.
"""

import shutil
from datetime import datetime
from pathlib import Path

import duckdb

from ml.audit.compare_feature_tables import Table, files_of
from ml.audit.findings import Audit
from ml.audit.raw_facts import check_load
from ml.audit.wall_clock import set_wall_clock
from ml.common.errors import NotReadyError
from ml.common.instants import parse_instant
from ml.common.sql import literal
from ml.features.labels import parquet
from ml.home.build_manifest import label_terms_of
from ml.ingest.batch import relation_of
from ml.ingest.declaration import parent_of, raw_tables
from ml.ingest.manifest import FILE
from ml.warehouse.dbt import CATALOG, project_hash, run_dbt, variables

OF_CHOSEN = "semi join chosen using (customer_id)"
OF_CHOSEN_PARENTS = (
    "semi join (select {key} from {parents} semi join chosen using (customer_id)) using ({key})"
)
# Customers joined by merges are chosen together.
OF_CHOSEN_MERGES = "where {old} in (select customer_id from chosen)"


def check_repeatable(audit: Audit) -> None:
    """Raise a NotReadyError unless the published build can be made again.

    Raises
    ------
    NotReadyError
        The raw tables of the build are gone, or its dbt project has changed since.
    """
    check_load(audit)
    project = audit.manifest.get("project_hash")
    if project is not None and project != project_hash(audit.project):
        raise NotReadyError(f"the dbt project has changed since {audit.build.name} was made: build again")


def copy_raw(load: Path, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write the raw rows in ``load`` of the customers in ``chosen`` to ``folder``, laid out as a load."""
    for table in raw_tables():
        (folder / table.name).mkdir(parents=True)
        selection = OF_CHOSEN
        if table.merges:
            selection = OF_CHOSEN_MERGES.format(old=table.merges.old)
        if parent := parent_of(table):
            parents = relation_of(load / parent.name)
            selection = OF_CHOSEN_PARENTS.format(key=parent.key[0], parents=parents)
        if table.merges and not any((load / table.name).glob("*.parquet")):
            continue  # a load from before merges were declared
        query = f"select * from {relation_of(load / table.name)} {selection}"
        target = literal(folder / table.name / "raw.parquet")
        connection.execute(f"copy ({query}) to {target} (format parquet)")
    shutil.copy2(load / FILE, folder / FILE)


def copy_published(audit: Audit, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write the published rows of the customers in ``chosen`` to ``folder``, laid out as a build."""
    for source in sorted([*(audit.build / "features").iterdir(), *(audit.build / "labels").iterdir()]):
        target = folder / source.parent.name / source.name
        target.mkdir(parents=True)
        rows = f"select * from {parquet(source)} {OF_CHOSEN} order by customer_id"
        connection.execute(f"copy ({rows}) to {literal(target / 'rows.parquet')} (format parquet)")
    copy_descriptions(audit, folder)


def rebuild(
    audit: Audit, name: str, load: Path, *, as_of: datetime | None = None, wall_clock: datetime | None = None
) -> Path:
    """Run the published build's dbt graph over ``load``; return the folder of its output.

    Parameters
    ----------
    name : str
        The name of a new folder in the scratch folder.
    as_of : datetime, optional
        By default the one that the published build was made with, if any.
    wall_clock : datetime, optional
        The present instant for SQL.
    """
    folder, output = audit.scratch / name, audit.scratch / name / "build"
    if wall_clock:
        set_wall_clock(folder / "dbt" / "warehouse.duckdb", wall_clock)
    build_as_of = audit.manifest.get("as_of")
    as_of = as_of or (parse_instant(build_as_of) if build_as_of else None)
    orders_clock = (audit.manifest.get("clocks") or {}).get("orders")
    values = variables(label_terms_of(audit.manifest), as_of=as_of, orders_clock=orders_clock)
    run_dbt(folder, load, output, values, project=audit.project, tests=False, docs=False)
    copy_descriptions(audit, output)
    return output


def copy_descriptions(audit: Audit, folder: Path) -> None:
    """Copy dbt's files of the published build, so that the features of a scratch build can be read alike."""
    for name in ("manifest.json", CATALOG):
        shutil.copyfile(audit.build / name, folder / name)


def tables_of(audit: Audit) -> list[Table]:
    """All feature models with their columns."""
    return [
        Table(view.name, tuple(feature.name for feature in view.features)) for view in audit.catalog.views
    ]


def feature_files(audit: Audit, folder: Path) -> list[Path]:
    """All files of feature tables in a build; they have customer_id and event_timestamp in common."""
    return [file for table in tables_of(audit) for file in files_of(folder / "features", table)]
