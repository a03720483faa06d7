"""Where errors of libraries become one sentence: no room on disk or in memory is the user's to mend."""

from pathlib import Path

import click
import duckdb
import pytest
from click.testing import CliRunner

from ml.cli.command import Run, churn_command

FULL = 'Could not write file "touched.parquet": No space left on device'


@pytest.mark.parametrize(
    "error", [duckdb.IOException(f"IO Error: {FULL}\nmore"), duckdb.OutOfMemoryException("Out of Memory")]
)
def test_no_room_is_one_sentence(tmp_path: Path, error: Exception) -> None:
    done = CliRunner().invoke(failing(error), ["--home", str(tmp_path)])
    said = str(error).splitlines()[0]
    sentence = f"churn: {said}: free some space or memory, then try again; nothing was published\n"
    assert (done.exit_code, done.stderr) == (1, sentence)


def test_a_fault_of_ours_is_not_hidden(tmp_path: Path) -> None:
    done = CliRunner().invoke(failing(duckdb.BinderException("no such column")), ["--home", str(tmp_path)])
    assert isinstance(done.exception, duckdb.BinderException)


def test_a_stop_during_a_query_is_one_sentence(tmp_path: Path) -> None:
    """DuckDB makes a RuntimeError of Ctrl-C."""
    done = CliRunner().invoke(failing(RuntimeError("Query interrupted")), ["--home", str(tmp_path)])
    assert (done.exit_code, done.stderr) == (1, "churn: stopped; nothing was published\n")


def failing(error: Exception) -> click.Command:
    """A command that ends with ``error``."""

    @click.command()
    @churn_command
    def command(run: Run) -> None:
        raise error

    return command
