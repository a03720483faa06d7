"""Read back: before a model is filed, a fresh process loads it and must score as the one in memory does."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ml.common.errors import ModelError, TidemarkError
from ml.common.paths import CODE
from ml.common.sampling import evenly_spaced
from ml.explain.contributions import contributions
from ml.explain.reason_text import reasons_of, wordings
from ml.featurestore.catalog import read_catalog
from ml.model.fitted_model import FittedModel
from ml.model.model_files import read_model
from ml.model.own import REGISTERED

MOST_ROWS = 1_000  # spread over all test cut-offs; the slowest kind scores them in about a second
SECONDS = 600  # far longer than the slowest kind takes
# Columns of a score in a sentence.
NAMES = {"churn_probability": "scores", "churn_decision": "decisions", "risk_band": "risk bands"}
ROWS, ANSWERS = "rows.parquet", "answers.parquet"


def check_reads_back(model: FittedModel, folder: Path, build: Path, test: pa.Table) -> None:
    """Load ``folder`` in a fresh process and compare its scores and reasons with those of ``model``.

    Parameters
    ----------
    model : FittedModel
        The fitted model in memory.
    folder : Path
        The saved model.
    build : Path
        Its catalog has the wording of the reasons.
    test : Table
        Rows with their features; at most 1,000 are compared, every value to the last bit.

    Raises
    ------
    ModelError
        The files cannot be loaded, or give other results.
    """
    rows = test.select([feature.name for feature in model.inputs])
    rows = rows.take(pa.array(evenly_spaced(len(rows), MOST_ROWS)))
    with tempfile.TemporaryDirectory() as scratch:
        pq.write_table(rows, Path(scratch) / ROWS)
        if error := run_fresh(folder, build, Path(scratch)):
            raise readback_error(model, folder, f"cannot be loaded again: {error}")
        loaded = pq.read_table(Path(scratch) / ANSWERS)
    if difference := first_difference(answers(model, rows, build), loaded):
        raise readback_error(model, folder, f"gives other {difference} when it is loaded again")


def answers(model: FittedModel, rows: pa.Table, build: Path) -> pa.Table:
    """The columns of a score, reasons and the contributions behind them, for each row."""
    frame = model.frame(rows)
    added, words = contributions(model, frame), wordings(model.inputs, read_catalog(build))
    columns = {NAMES.get(name, name): pa.array(values) for name, values in model.scores(frame).items()}
    return pa.table(
        columns
        | {
            "contributions": pa.array(list(added), pa.list_(pa.float64())),
            "reasons": pa.array(reasons_of(model, frame, added, words), pa.list_(pa.string())),
        }
    )


def first_difference(expected: pa.Table, loaded: pa.Table) -> str | None:
    """The first column that differs, and on how many rows."""
    for name in expected.column_names:
        before, after = expected[name].to_pylist(), loaded[name].to_pylist()
        differing = sum(one != other for one, other in zip(before, after, strict=True))
        if differing:
            return f"{name} on {differing:,} of {len(before):,} test rows"
    return None


def run_fresh(folder: Path, build: Path, scratch: Path) -> str | None:
    """Score the rows in ``scratch`` in a process of its own; the error, if there is one."""
    command = [sys.executable, "-m", "ml.train.readback", *map(str, (folder, build, scratch))]
    paths = os.pathsep.join([str(CODE), *filter(None, sys.path)])
    try:
        process = subprocess.run(
            command,
            env=os.environ | {"PYTHONPATH": paths},
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {SECONDS} seconds"
    if not process.returncode:
        return None
    return next(reversed(process.stderr.strip().splitlines()), f"the process ended with {process.returncode}")


def readback_error(model: FittedModel, folder: Path, what: str) -> ModelError:
    name = folder.name.removesuffix(".unfinished")
    message = f"{name} ({model.kind}) {what}; it was not filed and the champion stays as it was"
    if model.kind == REGISTERED:
        return ModelError(message)
    return ModelError(
        f"{message}: leave {model.kind} out of 'candidates' in the problem, then run 'churn train' again"
    )


def main(folder: Path, build: Path, scratch: Path) -> int:
    """The fresh process: load, score, write; one sentence on standard error when that fails."""
    try:
        table = answers(read_model(folder), pq.read_table(scratch / ROWS), build)
    except TidemarkError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    pq.write_table(table, scratch / ANSWERS)
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
