"""``churn log``: the prediction log."""

import sys
from datetime import datetime

import click

from ml.cli.command import Instant, Run, churn_command


@click.group()
def command() -> None:
    """The prediction log: export, verify, prune.

    \b
    Example:
      churn log verify
    """


@command.command()
@click.option("--out", required=True, help="File to write: .parquet, .csv or .jsonl; - is standard output.")
@click.option("--since", type=Instant(), help="Only what was logged from this instant on.")
@churn_command
def export(run: Run, out: str, since: datetime | None) -> None:
    """Write every logged score, with its features and its place in the chain of hashes."""
    from ml.predictions.export import export_log

    result = export_log(out, home=run.home, since=since, json_lines=run.as_json)
    if out != "-":
        run.finish(result, f"{result['entries']:,} entries: {out}")


@command.command()
@churn_command
def verify(run: Run) -> None:
    """Whether every entry is as it was written and none is missing; status 1 if not."""
    from ml.home.layout import Home
    from ml.predictions.log import PredictionLog

    with PredictionLog(Home.at(run.home)) as log:
        result = log.verify()
    lost = f", {result['dropped']:,} scores could not be logged" if result["dropped"] else ""
    erased = f", {result['erased']:,} emptied by 'churn forget'" if result["erased"] else ""
    whole = f"{result['entries']:,} entries, none changed, none missing{lost}{erased}"
    run.finish(result, result["first_fault"] or whole)
    sys.exit(0 if result["whole"] else 1)


@command.command()
@click.option("--older-than", type=int, required=True, metavar="DAYS", help="Remove what was logged before.")
@churn_command
def prune(run: Run, older_than: int) -> None:
    """Remove old entries; the others can be verified as before."""
    from ml.home.layout import Home
    from ml.predictions.log import PredictionLog

    with PredictionLog(Home.at(run.home)) as log:
        result = log.prune(older_than)
    run.finish(result, f"{result['removed']:,} entries removed, {result['kept']:,} kept")
