"""A selection of customers as CSV, for a spreadsheet; each score is logged."""

import csv
import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ml.score.scoring import score_names
from ml.serve.answers import log_entries
from ml.serve.pages.customer_selection import RISK, Line, Selection, all_of
from ml.serve.prediction_queue import PredictionQueue
from ml.serve.scored_file import Scored
from ml.serve.served_state import Served

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")  # what makes a spreadsheet compute a cell
WAIT_SECONDS, LOOK_SECONDS = 10.0, 0.05  # for the prediction log, by part


def csv_names(served: Served) -> list[str]:
    """The columns."""
    scores = score_names(served.model.problem)
    origin = ["model_version", "build_id", "event_timestamp", "exact_until"]
    return ["customer_id", "in_population", "call", *scores, "recommended_action", "reasons", *origin]


def csv_parts(
    served: Served, selection: Selection, line: Line | None, queue: PredictionQueue, request_id: str
) -> Iterator[bytes]:
    """The head, then the rows of the selection in parts."""
    names = csv_names(served)
    yield csv_text([names])
    most = None
    if selection.only_calls:
        most, selection = line.totals.customers if line else 0, replace(selection, sort=RISK)
    for rows in all_of(served.scored, selection, most):
        started = time.perf_counter()
        text = csv_text([csv_row(row, names, line) for row in rows])
        milliseconds = (time.perf_counter() - started) * 1000 / len(rows)
        wait_for_room(queue, len(rows))
        queue.put(log_entries(served, rows, request_id, milliseconds))
        yield text


def csv_row(row: Scored, names: list[str], line: Line | None) -> list[str]:
    """One customer, by the columns."""
    values: dict[str, Any] = {
        **json.loads(row.score),
        "customer_id": row.customer_id,
        "in_population": row.is_eligible,
        "call": line is not None and line.has(row),
        "reasons": "; ".join(reason["text"] for reason in json.loads(row.reasons)),
    }
    return [cell(values[name]) for name in names]


def cell(value: Any) -> str:
    """A value; a text that a spreadsheet would compute gets an apostrophe before it."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{value}" if value.startswith(FORMULA_SIGNS) else value
    return repr(value)


def csv_text(rows: list[list[str]]) -> bytes:
    """Lines of CSV by RFC 4180."""
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode("utf-8", "replace")


def wait_for_room(queue: PredictionQueue, count: int) -> None:
    """Wait until the prediction log has room; not for long, and not where it cannot be written."""
    end = time.monotonic() + WAIT_SECONDS
    while not queue.has_room(count) and not queue.fault and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
