"""Exploration, step by step: rows, each feature, all of them together, what to look at, the page."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.common.instants import format_instant
from ml.common.progress import SILENT, Bar, Progress
from ml.config.problem import Problem
from ml.explore.columns import Column, columns_of
from ml.explore.definitions import find_definitions
from ml.explore.findings import (
    Finding,
    by_weight,
    of_all,
    of_column,
    of_definitions,
    of_undated,
    stands_still,
)
from ml.explore.over_time import base_rates, movement, population
from ml.explore.rows import KEYS, Rows, read_labelled
from ml.explore.shape import shape_of, stability
from ml.explore.together import correlations
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
    """Look at the labelled rows of the current build, and write what there is to see as a page.

    Parameters
    ----------
    out : path, optional
        Where the page goes, by default ``explore/<build>.html`` in the home.

    Returns
    -------
    dict
        build_id, load_id, data_clock, problem, split, rows (labelled, by part), looked_at (the training rows
        that were read: rows, of, customers, churn_rate), population and base_rates (by cut-off), and what
        ``look_at`` finds: cutoffs, features, correlations, findings; definitions (what other horizons
        would give, see ``definitions``); page (the file).

    Raises
    ------
    NotReadyError
        There is no build, it is for another problem, or no cut-off has a label yet.
    """
    from ml.explore.exploration_page import page
    from ml.page.document import write_whole

    house = Home.at(home)
    asked = problem_for(house, problem, progress)
    with house.reading() as build, progress.bar("reading rows", 100) as bar:
        rows = read_labelled(build, asked)
        bar.step("looking at features", 20)
        undated = list(undated_features(build, rows.catalog))
        result = origin(rows) | look_at(rows.table, rows.catalog, asked.seed, bar, undated)
        result["population"] = population(build, rows.split)
        result["base_rates"] = base_rates(build, rows.split)
        result["definitions"] = find_definitions(rows)
        if found := of_definitions(result["definitions"]):
            result["findings"] = by_weight([*result["findings"], found])
    file = Path(out) if out else house.root / "explore" / f"{result['build_id']}.html"
    write_whole(file, page(result))
    return result | {"page": str(file)}


def origin(rows: Rows) -> dict[str, Any]:
    """Which rows were looked at, and where they come from."""
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
    """Look at every feature of a table, those that no feature model describes among them.

    Parameters
    ----------
    table : Table
        customer_id, event_timestamp, churned, split (train, validation, test), then features. Only training
        rows are looked at, but for how a feature moves from cut-off to cut-off, which needs no label.
    undated : sequence of str
        Features that no model may read, for they have no clock.

    Returns
    -------
    dict
        cutoffs; features (see ``shape.shape_of``, with ``psi``, how far the test part is from training, and
        ``movement`` by cut-off); correlations (see ``together``); findings (see ``findings``).
    """
    part = np.asarray(table["split"].to_pylist())
    train, test = part == "train", part == "test"
    trained = table.filter(pa.array(train))
    churned = trained["churned"].to_numpy() == 1
    half = halves(trained["customer_id"], seed)
    customers = codes_of(table["customer_id"])
    cutoffs = table["event_timestamp"].to_numpy()
    shapes, still, kept = list[dict[str, Any]](), list[str](), list[Column]()
    findings: list[Finding] = list(of_undated(undated))
    for column in columns_of(table, catalog):
        known = column.only(train)
        shape = shape_of(known, churned, half, customers[train])
        shape["psi"] = stability(known, column.only(test))
        shape["movement"] = movement(column, cutoffs)
        findings += of_column(known, shape, churned, customers[train])
        still += [column.name] if stands_still(column, customers, shape["auc_interval"]) else []
        shapes.append(shape)
        kept.append(known)
        if bar is not None:
            bar.set_to(20 + 60 * len(shapes) // max(len(table.column_names) - len(KEYS), 1), 100)
    together = correlations(kept, seed)
    findings += of_all(shapes, still, together.pop("families"), churned)
    return {
        "cutoffs": cutoff_parts(cutoffs, part),
        "features": shapes,
        "correlations": together,
        "findings": by_weight(findings),
    }


def codes_of(column: pa.ChunkedArray) -> np.ndarray:
    """A small whole number for each different value."""
    return column.combine_chunks().dictionary_encode().indices.to_numpy()


def cutoff_parts(cutoffs: np.ndarray, part: Sequence[str] | np.ndarray) -> list[dict[str, str]]:
    """Each cut-off with its part, ascending."""
    different, first = np.unique(cutoffs, return_index=True)
    return [
        {"cutoff": format_instant(instant), "part": str(part[place])}
        for instant, place in zip(different.astype("datetime64[us]").tolist(), first, strict=True)
    ]
