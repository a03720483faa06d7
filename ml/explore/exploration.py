"""Exploration, step by step: rows, each feature, all features together, findings, the page."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.common.errors import UsageError
from ml.common.instants import format_instant
from ml.common.progress import SILENT, Bar, Progress
from ml.config.problem import REGRESSION, Problem
from ml.explore.churn_definitions import find_definitions
from ml.explore.exploration_rows import KEYS, Rows, read_labelled
from ml.explore.feature_columns import Column, columns_of
from ml.explore.feature_pairs import correlations
from ml.explore.feature_summary import shape_of, stability
from ml.explore.findings import (
    Finding,
    by_severity,
    of_all,
    of_column,
    of_definitions,
    of_undated,
    stands_still,
)
from ml.explore.over_time import base_rates, movement, population
from ml.featurestore.attributes import undated_features
from ml.featurestore.catalog import Catalog
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.metrics.single_feature_auc import halves


def explore(
    *,
    out: str | os.PathLike[str] | None = None,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Explore the labelled rows of the current build, and write the results as a page.

    Parameters
    ----------
    out : path, optional
        The file of the page, by default ``explore/<build>.html`` in the home.

    Returns
    -------
    dict
        build_id, load_id, data_clock, problem, split, rows (labelled, by part), looked_at (the training rows
        that were read: rows, of, customers, churn_rate), population and base_rates (by cut-off), the results
        of ``look_at``: cutoffs, features, correlations, findings; definitions (results of other horizons,
        see ``definitions``); page (the file).

    Raises
    ------
    UsageError
        The problem is a regression.
    NotReadyError
        There is no build, it is for another problem, or no cut-off has a label yet.
    """
    from ml.explore.exploration_page import page
    from ml.page.document import write_whole

    home = Home.at(home)
    problem = problem_for(home, problem, progress)
    if problem.task == REGRESSION:
        raise UsageError("churn explore describes who churns: name a classification with --problem FILE")
    with home.reading() as build, progress.bar("reading rows", 100) as bar:
        rows = read_labelled(build, problem)
        bar.step("looking at features", 20)
        undated = list(undated_features(build, rows.catalog))
        result = row_facts(rows) | look_at(rows.table, rows.catalog, problem.seed, bar, undated)
        result["population"] = population(build, rows.split, problem)
        result["base_rates"] = base_rates(build, rows.split, problem)
        result["definitions"] = find_definitions(rows)
        if unfit := of_definitions(result["definitions"]):
            result["findings"] = by_severity([*result["findings"], unfit])
    file = Path(out) if out else home.root / "explore" / f"{result['build_id']}.html"
    write_whole(file, page(result))
    return result | {"page": str(file)}


def row_facts(rows: Rows) -> dict[str, Any]:
    """The rows that are explored, and their build, problem and split."""
    train = rows.train
    return {
        "build_id": rows.build.name,
        "load_id": rows.manifest["load_id"],
        "data_clock": rows.manifest["data_clock"],
        "problem": rows.problem.as_dict(),
        "is_split": rows.is_split,
        "split": rows.split.as_dict(),
        "rows": rows.counts,
        "looked_at": {
            "rows": len(train),
            "of": rows.counts["train"],
            "customers": pc.count_distinct(train["customer_id"]).as_py(),
            "churn_rate": pc.mean(train["churned"]).as_py(),
        },
    }


def look_at(
    table: pa.Table, catalog: Catalog, seed: int, bar: Bar | None = None, undated: Sequence[str] = ()
) -> dict[str, Any]:
    """Explore every feature of a table, also those that are in no feature model.

    Parameters
    ----------
    table : Table
        customer_id, event_timestamp, churned, split (train, validation, test), then features. Later rows are
        used only for the movement and stability of features, which need no label.
    undated : sequence of str
        Features that no model may read because they have no clock.

    Returns
    -------
    dict
        cutoffs; features (see ``shape.shape_of``, with ``psi``, the distance of the test part from training,
        and ``movement`` by cut-off); correlations (see ``together``); findings (see ``findings``).
    """
    part = np.asarray(table["split"].to_pylist())
    train, test = part == "train", part == "test"
    train_rows = table.filter(pa.array(train))
    churned = train_rows["churned"].to_numpy() == 1
    half = halves(train_rows["customer_id"], seed)
    customers = table["customer_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    cutoffs = table["event_timestamp"].to_numpy()
    shapes, still, columns = list[dict[str, Any]](), list[str](), list[Column]()
    findings: list[Finding] = list(of_undated(undated))
    for column in columns_of(table, catalog):
        in_train = column.take(train)
        shape = shape_of(in_train, churned, half, customers[train])
        shape["psi"] = stability(in_train, column.take(test))
        shape["movement"] = movement(column, cutoffs)
        findings += of_column(in_train, shape, churned, customers[train])
        still += [column.name] if stands_still(column, customers, shape["auc_interval"]) else []
        shapes.append(shape)
        columns.append(in_train)
        if bar is not None:
            bar.set_to(20 + 60 * len(shapes) // max(len(table.column_names) - len(KEYS), 1), 100)
    together = correlations(columns, seed)
    findings += of_all(shapes, still, together.pop("families"), churned)
    instants, first = np.unique(cutoffs.astype("datetime64[us]"), return_index=True)
    return {
        "cutoffs": [
            {"cutoff": format_instant(instant), "part": str(name)}
            for instant, name in zip(instants.tolist(), part[first], strict=True)
        ],
        "features": shapes,
        "correlations": together,
        "findings": by_severity(findings),
    }
