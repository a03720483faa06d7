"""Shared by every command: --home, --quiet, --json, and errors as one sentence."""

import functools
import json
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

import click

from ml.common.errors import TidemarkError
from ml.common.instants import format_instant
from ml.common.progress import Progress
from ml.home.layout import Home

STOPPED = "stopped; nothing was published"
# The text of DuckDB's RuntimeError after a KeyboardInterrupt during a query.
INTERRUPTED = "Query interrupted"


@dataclass(frozen=True)
class Run:
    """One run of one command: its home and its output."""

    home: Home
    progress: Progress
    as_json: bool

    def finish(self, result: dict[str, Any], text: str) -> None:
        """Print the result: ``text`` for people, ``result`` as JSON when asked for."""
        if self.as_json:
            click.echo(json.dumps(result, default=as_text))
        elif not self.progress.quiet and text:
            click.echo(text)

    def finish_with_files(
        self, result: dict[str, Any], text: str, count: str, *, out: str | None, page: str | None
    ) -> None:
        """Print the result and the files written; where ``out`` is standard output, only say the count."""
        if out == "-":
            self.progress.say(count)
            return
        written = "".join(f"\nwrote {file}" for file in (out, page) if file)
        self.finish(result | {"out": out, "page": page}, text + written)


def churn_command(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click callback the shared options; it receives a ``Run`` as first argument."""

    @click.option(
        "--home", type=click.Path(file_okay=False), help="Folder of all state (default $CHURN_HOME or var/)."
    )
    @click.option("--quiet", is_flag=True, help="Say nothing but errors.")
    @click.option("--json", "as_json", is_flag=True, help="Machine-readable result on standard output.")
    @functools.wraps(function)
    def edge(home: str | None, quiet: bool, as_json: bool, **options: Any) -> None:
        run = Run(Home.at(home), Progress(quiet=quiet), as_json)
        try:
            function(run, **options)
        except TidemarkError as error:
            fail(str(error), error.exit_status, as_json)
        except KeyboardInterrupt:
            fail(STOPPED, 1, as_json)
        except OSError as error:
            fail(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), 1, as_json)
        except sqlite3.Error as error:
            fail(
                f"a database in {run.home.root} cannot be used ({error}): free some space on its disk, then "
                "try again; 'churn doctor' says what is there",
                1,
                as_json,
            )
        except Exception as error:
            if str(error) == INTERRUPTED:
                fail(STOPPED, 1, as_json)
            if not lacks_room(error):
                raise
            what = str(error).splitlines()[0]
            fail(f"{what}: free some space or memory, then try again; nothing was published", 1, as_json)

    return edge


problem_option = click.option(
    "--problem",
    type=click.Path(dir_okay=False),
    help="Problem file (default: the last given to this home, else problem.yml).",
)

labels_option = click.option(
    "--labels",
    type=click.Path(),
    metavar="FILE",
    help="Labels of your own: rows of customer_id, event_timestamp and label.",
)


def exit_unless_better_than_chance(better_than_chance: bool) -> None:
    """Exit with status 1 and one sentence if the model is no better than chance."""
    if not better_than_chance:
        from ml.metrics.chance import NO_BETTER_THAN_CHANCE

        click.echo(f"churn: {NO_BETTER_THAN_CHANCE}", err=True)
        sys.exit(1)


def lacks_room(error: Exception) -> bool:
    """Whether DuckDB, if it was imported, had too little disk or memory."""
    duckdb = sys.modules.get("duckdb")
    return duckdb is not None and isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException)


def as_text(value: Any) -> str:
    """A value that JSON cannot express: an instant as ISO 8601 with a Z, anything else as text."""
    return format_instant(value) if isinstance(value, datetime) else str(value)


def fail(message: str, status: int, as_json: bool) -> NoReturn:
    """Print one sentence on standard error and exit with ``status``."""
    if as_json:
        click.echo(json.dumps({"error": message, "status": status}))
    click.echo(f"churn: {message}", err=True)
    sys.exit(status)


class Instant(click.ParamType):
    """An ISO 8601 instant; without a zone it is UTC. Becomes a naive ``datetime`` in UTC."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        from ml.common.instant_grammar import EXAMPLE, parse_text

        if isinstance(value, datetime):
            return value
        try:
            return parse_text(value)
        except ValueError:
            self.fail(f"{value!r} is not an ISO 8601 instant such as {EXAMPLE}", param, ctx)
