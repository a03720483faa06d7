"""Point-in-time features for any rows, from file to file or as a table for notebooks.

They come from the published build through ``retrieve``, as in training and scoring.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ml.common.errors import BuildError, FeatureError, RowsError, TidemarkError, UsageError
from ml.common.progress import SILENT, Progress
from ml.common.row_files import check_out, read_rows, write_rows
from ml.featurestore.retrieval.retrieve import point_in_time, point_in_time_stream
from ml.home.layout import Home

if TYPE_CHECKING:
    import pandas as pd

FilePath = str | os.PathLike[str]


def features(
    rows: FilePath,
    out: FilePath,
    *,
    home: FilePath | Home | None = None,
    names: Sequence[str] | None = None,
    json_lines: bool = False,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Write a file of the same rows with their features.

    Parameters
    ----------
    rows : path
        Parquet, CSV or JSON lines with customer_id, event_timestamp and any other columns.
    out : path
        The file to write, in the format of its ending; ``-`` is standard output, as CSV.
    names : sequence of str, optional
        Names of features; all by default.
    json_lines : bool
        On standard output write JSON lines instead.

    Returns
    -------
    dict
        ``rows_asked``, ``rows_answered``, ``features`` (their number), ``build_id`` and ``out``.

    Raises
    ------
    NotReadyError
        Nothing has been built yet.
    UsageError
        A file cannot be read or written, or a row cannot be used; ``out`` is left as it was.
    """
    check_out(out)
    rows_in, rows_out = RowCount(), RowCount()
    with Home.at(home).reading() as build, as_command_errors(), progress.bar("Answering", 100) as bar:
        reader = rows_in.counting(read_rows(rows))
        stream = point_in_time_stream(
            build, reader, features=names, on_progress=lambda done, total: bar.set_to(done, total)
        )
        write_rows(rows_out.counting(stream, must_be=rows_in), out, json_lines=json_lines)
    return {
        "rows_asked": rows_in.rows,
        "rows_answered": rows_out.rows,
        "features": len(stream.schema) - len(reader.schema),
        "build_id": build.name,
        "out": str(out),
    }


def features_table(
    rows: "FilePath | pa.Table | pd.DataFrame",
    *,
    home: FilePath | Home | None = None,
    names: Sequence[str] | None = None,
) -> pa.Table:
    """Features for rows in memory.

    Parameters
    ----------
    rows : path, Table or DataFrame
        Columns customer_id and event_timestamp, and any others.
    names : sequence of str, optional
        Names of features; all by default.

    Returns
    -------
    Table
        The same rows, in the same order, with their features.

    Examples
    --------
    >>> features_table(frame[["customer_id", "event_timestamp"]]).to_pandas()  # doctest: +SKIP
    """
    with Home.at(home).reading() as build, as_command_errors():
        return point_in_time(build, as_rows(rows), features=names)


def as_rows(rows: "FilePath | pa.Table | pd.DataFrame") -> pa.Table | pa.RecordBatchReader:
    if isinstance(rows, str | os.PathLike):
        return read_rows(rows)
    if isinstance(rows, pa.Table):
        return rows
    try:
        return pa.Table.from_pandas(rows, preserve_index=False)
    except pa.ArrowException as error:
        raise UsageError(
            f"the rows hold a column of mixed values: {'; '.join(map(str, error.args))}"
        ) from error


@contextmanager
def as_command_errors() -> Iterator[None]:
    """Turn errors of the feature store into those of commands."""
    try:
        yield
    except RowsError as error:
        raise UsageError(str(error)) from error
    except FeatureError as error:
        raise BuildError(str(error)) from error


class RowCount:
    """The number of rows of a stream."""

    def __init__(self) -> None:
        self.rows = 0

    def counting(
        self, reader: pa.RecordBatchReader, must_be: "RowCount | None" = None
    ) -> pa.RecordBatchReader:
        """The same stream, counted; at its end the count must equal ``must_be``."""

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in reader:
                self.rows += len(batch)
                yield batch
            if must_be is not None and self.rows != must_be.rows:
                raise TidemarkError(
                    f"{must_be.rows} rows asked but {self.rows} answered: nothing was written"
                )

        return pa.RecordBatchReader.from_batches(reader.schema, batches())
