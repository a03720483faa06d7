"""The prediction log as a file."""

import os
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import pyarrow as pa

from ml.common.instants import format_instant
from ml.common.row_files import check_out, write_rows
from ml.home.layout import Home
from ml.predictions.entries import COLUMNS
from ml.predictions.log import ROWS_AT_ONCE, PredictionLog

TYPES = {
    "sequence": pa.int64(),
    "prediction": pa.float64(),
    "decision": pa.bool_(),
    "latency_ms": pa.float64(),
    "count": pa.int64(),
}
SCHEMA = pa.schema([(name, TYPES.get(name, pa.string())) for name in COLUMNS])


def export_log(
    out: str | os.PathLike[str],
    *,
    home: Home | str | None = None,
    since: datetime | None = None,
    json_lines: bool = False,
) -> dict[str, Any]:
    """Write the entries in their order.

    Parameters
    ----------
    out : path
        Parquet, CSV or JSON lines by its ending; ``-`` is standard output.
    since : datetime, optional
        Only what was logged from this instant on, naive UTC.

    Returns
    -------
    dict
        ``entries`` and ``out``.
    """
    check_out(out)
    count = 0

    def batches(log: PredictionLog) -> Iterator[pa.RecordBatch]:
        nonlocal count
        rows = log.rows(format_instant(since) if since else "")
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            count += len(batch)
            yield pa.RecordBatch.from_pylist(batch, SCHEMA)

    with PredictionLog(Home.at(home)) as log:
        write_rows(pa.RecordBatchReader.from_batches(SCHEMA, batches(log)), out, json_lines=json_lines)
    return {"entries": count, "out": os.fspath(out)}
