"""The labelled rows as a file for notebooks: customer, cut-off, label, part, every feature."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from ml.common.progress import SILENT, Bar, Progress
from ml.common.row_files import check_out, write_rows
from ml.config.problem import Problem
from ml.features.label_models import labels_with_notes
from ml.features.labels import check_same_problem, count_rows, labelled_rows, split_labels
from ml.features.own_labels import LabelSource
from ml.featurestore.attributes import note, undated_features
from ml.featurestore.catalog import read_catalog
from ml.featurestore.retrieval.retrieve import point_in_time_stream
from ml.home.layout import Home
from ml.home.problem_file import problem_for


def dataset(
    out: str | os.PathLike[str],
    *,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
    labels: "LabelSource | None" = None,
    json_lines: bool = False,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Write the labelled rows of the current build.

    Parameters
    ----------
    out : path
        Parquet, CSV or JSON lines by its ending; ``-`` is standard output. Columns customer_id,
        event_timestamp (the cut-off), churned (0 or 1), split (train, validation, test), then every feature
        in the catalog's order.
    home : path or Home, optional
    problem : Problem or path, optional
    labels : path, Table or DataFrame, optional
        Rows of customer_id, event_timestamp and label instead of the build's labels (docs/own-labels.md).
    json_lines : bool
        On standard output write JSON lines instead of CSV.

    Returns
    -------
    dict
        ``build_id``, ``file``, ``split`` (cut-offs of each part, and those left out), ``rows`` (of each),
        ``undated`` (features that ``churn train`` leaves out because they have no clock). With the user's own
        labels also ``labels`` (see ``OwnLabels``).

    Raises
    ------
    NotReadyError
        There is no build, it is for another problem, or it has too few cut-offs.
    UsageError
        The labels cannot be used; the message names the first such row.
    """
    check_out(out)
    home = Home.at(home)
    problem = problem_for(home, problem, progress)
    with home.reading() as build:
        check_same_problem(build, problem)
        own = labels_with_notes(labels, build, problem, progress)
        table = own.table if own else None
        split = split_labels(build, problem, table)
        counts = count_rows(build, split, table)
        undated = list(undated_features(build, read_catalog(build)))
        if undated:
            progress.say(note(undated))
        rows = labelled_rows(build, split, table)
        with progress.bar("dataset", len(rows)) as bar:
            write_rows(with_progress(point_in_time_stream(build, rows), bar), out, json_lines=json_lines)
    result = {"build_id": build.name, "file": os.fspath(out), "split": split.as_dict(), "rows": counts}
    return result | {"undated": undated} | ({"labels": asdict(own.facts)} if own else {})


def with_progress(rows: pa.RecordBatchReader, bar: Bar) -> pa.RecordBatchReader:
    """The same rows, each batch of which moves the bar."""

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in rows:
            yield batch
            bar.step(steps=len(batch))

    return pa.RecordBatchReader.from_batches(rows.schema, batches())
