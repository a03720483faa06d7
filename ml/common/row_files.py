"""Rows in files: Parquet, CSV or JSON lines by the name's ending, read as a stream, written in one step.

Commands with rows in files use this module; the callers check the rows.
"""

import csv
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ml.common.durable_files import replacing
from ml.common.errors import TidemarkError, UsageError
from ml.common.sql import exact, literal, quoted

PARQUET, CSV, JSON_LINES = "Parquet", "CSV", "JSON lines"
ENDINGS = {".parquet": PARQUET, ".csv": CSV, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES, ".json": JSON_LINES}
STANDARD_OUTPUT = "-"
TYPES_READ_AS_TEXT = re.compile(r"\b(?:DATE|TIME|TIMESTAMP|TIMESTAMP WITH TIME ZONE|UUID|JSON)(?=[\[\]),]|$)")
DELIMITERS = (",", ";", "\t", "|")
BATCH = 122_880  # rows; the size of DuckDB's row groups
Rows: TypeAlias = "pa.Table | pa.RecordBatchReader"
File = str | os.PathLike[str]


def format_of(file: File) -> str:
    """The format of a file, by its name.

    Raises
    ------
    UsageError
        Its ending is none of the known ones.
    """
    ending = Path(file).suffix.lower()
    if ending not in ENDINGS:
        raise UsageError(f"{str(file)!r} has an unknown ending: use one of {', '.join(ENDINGS)}")
    return ENDINGS[ending]


def read_rows(file: File) -> pa.RecordBatchReader:
    """Read rows as a stream.

    Parameters
    ----------
    file : path
        Parquet has types. Every CSV value is text, unchanged: nothing is null, ``""`` is empty text. JSON
        lines have numbers, booleans, lists and objects; text stays text.

    Raises
    ------
    UsageError
        There is no such file, or its format is not that of its ending; the error may come from the stream.
    """
    path, format_ = Path(file), format_of(file)
    if not path.is_file():
        raise UsageError(f"there is no file {path}: check the name")
    with read_errors(format_, path):
        schema, batches = READERS[format_](path)
    return pa.RecordBatchReader.from_batches(schema, with_read_errors(batches, format_, path))


def with_read_errors(batches: Iterator[pa.RecordBatch], format_: str, path: Path) -> Iterator[pa.RecordBatch]:
    with read_errors(format_, path):
        yield from batches


@contextmanager
def read_errors(format_: str, path: Path) -> Iterator[None]:
    """Turn an error about a broken file into one sentence."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, UnicodeDecodeError) as error:
        message = "; ".join(line.strip() for line in str(error).splitlines()[:3])
        reason = re.sub(r"^[A-Za-z ]+ Error: ", "", message)[:200]
        raise UsageError(f"{path} cannot be read as {format_}: {reason}") from error


def read_parquet(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """A Parquet file's columns and rows."""
    file = pq.ParquetFile(path)
    return file.schema_arrow, file.iter_batches(BATCH)


def read_csv(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """A CSV file's columns and rows, all text; nothing is guessed but the delimiter, from the header."""
    names, delimiter = csv_header(path)
    sql = """
        select * from read_csv(
            $path, auto_detect = false, header = true, columns = $columns, delim = $delimiter,
            quote = '"', escape = '"', allow_quoted_nulls = false, hive_partitioning = false
        )
    """
    columns = {f"column_{number}": "VARCHAR" for number in range(len(names))}
    _, batches = query(sql, {"path": exact(path), "columns": columns, "delimiter": delimiter})
    return pa.schema([(name, pa.string()) for name in names]), (
        batch.rename_columns(names) for batch in batches
    )


def csv_header(path: Path) -> tuple[list[str], str]:
    """The column names and the delimiter."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        line = file.readline()
    if not line.strip():
        raise UsageError(f"{path} has no header: its first line must name the columns")
    delimiter = max(DELIMITERS, key=line.count)
    return next(csv.reader([line], delimiter=delimiter)), delimiter


def read_json_lines(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The columns and rows of a file of JSON objects; text stays text, whatever it looks like."""
    guess = "describe select * from read_json($path, sample_size = -1, hive_partitioning = false)"
    with duckdb.connect() as connection:
        columns_read = connection.execute(guess, {"path": exact(path)}).fetchall()
    # Text stays text, also in columns whose values are of several types.
    columns = {name: TYPES_READ_AS_TEXT.sub("VARCHAR", kind) for name, kind, *_ in columns_read}
    if list(columns) == ["json"]:
        raise UsageError(f"{path} holds no JSON objects: each line must be one")
    sql = "select * from read_json($path, columns = $columns, hive_partitioning = false)"
    return query(sql, {"path": exact(path), "columns": columns})


READERS: dict[str, Any] = {PARQUET: read_parquet, CSV: read_csv, JSON_LINES: read_json_lines}


def query(sql: str, parameters: dict[str, Any]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The schema and rows of a query, in the order of the file."""
    connection = duckdb.connect()
    reader = connection.execute(sql, parameters).to_arrow_reader(BATCH)

    def batches() -> Iterator[pa.RecordBatch]:
        with connection:
            yield from reader

    return reader.schema, batches()


def write_rows(rows: Rows, out: File, *, json_lines: bool = False) -> None:
    """Write rows, whole or not at all.

    Parameters
    ----------
    rows : Table or RecordBatchReader
    out : path
        Parquet, CSV or JSON lines by its ending; ``-`` is standard output, as CSV.
    json_lines : bool
        On standard output write JSON lines instead.

    Raises
    ------
    UsageError
        Its ending is unknown, or its folder is not there.
    """
    if str(out) == STANDARD_OUTPUT:
        print_rows(rows, JSON_LINES if json_lines else CSV)
        return
    check_out(out)
    try:
        with replacing(Path(out)) as path:
            WRITERS[format_of(out)](rows, path)
    except OSError as error:
        raise TidemarkError(f"{Path(out)} cannot be written: {error.strerror or error}") from error


def check_out(out: File) -> None:
    """Refuse, before any work, an ``out`` that could not be written.

    Raises
    ------
    UsageError
    """
    if str(out) == STANDARD_OUTPUT:
        return
    format_of(out)
    if not Path(out).absolute().parent.is_dir():
        raise UsageError(
            f"there is no folder {Path(out).absolute().parent} to write {Path(out).name} to: make it first"
        )
    if Path(out).is_dir():
        raise UsageError(f"{out} is a folder: give the name of a file")


def print_rows(rows: Rows, format_: str) -> None:
    """Print rows on standard output, after all of them were made."""
    with tempfile.TemporaryDirectory(prefix="tidemark-") as folder:
        path = Path(folder) / "rows"
        WRITERS[format_](rows, path)
        with path.open("rb") as file:
            try:
                shutil.copyfileobj(file, sys.stdout.buffer)
                sys.stdout.flush()
            except BrokenPipeError:
                # The reader closed the pipe; Python must not flush into it at exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_parquet(rows: Rows, path: Path) -> None:
    batches = rows.to_batches(BATCH) if isinstance(rows, pa.Table) else rows
    with pq.ParquetWriter(path, rows.schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


def write_csv(rows: Rows, path: Path) -> None:
    copy(rows, "*", f"to {literal(path)} (format csv, header true)")


def write_json_lines(rows: Rows, path: Path) -> None:
    """JSON has no NaN and no infinity: they become null."""
    fractions = [quoted(field.name) for field in rows.schema if pa.types.is_floating(field.type)]
    finite = ", ".join(f"if(isfinite({name}), {name}, null) as {name}" for name in fractions)
    copy(rows, f"* replace ({finite})" if finite else "*", f"to {literal(path)} (format json)")


WRITERS: dict[str, Any] = {PARQUET: write_parquet, CSV: write_csv, JSON_LINES: write_json_lines}


def copy(rows: Rows, columns: str, target: str) -> None:
    """Let DuckDB write rows, in their order; an error of their source is raised unchanged."""
    errors: list[Exception] = []

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from rows.to_batches(BATCH) if isinstance(rows, pa.Table) else rows
        except Exception as error:
            errors.append(error)
            raise

    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("rows", pa.RecordBatchReader.from_batches(rows.schema, batches()))
        try:
            connection.execute(f"copy (select {columns} from rows) {target}")
        except duckdb.Error as error:
            raise (errors or [OSError(str(error).splitlines()[0])])[0] from error
