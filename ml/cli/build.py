"""``churn build``."""

from datetime import datetime
from typing import Any

import click

from ml.cli.command import Instant, Run, churn_command, problem_option


@click.command(name="build")
@click.option("--as-of", type=Instant(), help="The data clock: an ISO 8601 instant, not later than the data.")
@problem_option
@click.option(
    "--full-refresh", is_flag=True, help="Make everything anew, not only what new facts have touched."
)
@click.option(
    "--keep", type=click.IntRange(min=1), help="Builds to keep on disk (default $CHURN_KEEP_BUILDS or 3)."
)
@churn_command
def command(
    run: Run, as_of: datetime | None, problem: str | None, full_refresh: bool, keep: int | None
) -> None:
    """Make, test and publish features and labels.

    dbt writes a new build beside the old one and tests it; only when every test has passed do readers see it.
    After 'churn ingest --append' only the customers whom new facts have touched are made again, with the
    same result.

    \b
    Example:
      churn build --as-of 2024-06-30T00:00:00Z
    """
    from ml.warehouse import build

    record = build(
        home=run.home,
        as_of=as_of,
        problem=problem,
        full_refresh=full_refresh,
        keep=keep,
        progress=run.progress,
    )
    run.finish(record, summary(record))


def summary(record: dict[str, Any]) -> str:
    """The build in a few lines."""
    from ml.ingest.table_clocks import clocks_text

    rows = "\n".join(f"  {table:28s} {count:>12,d} rows" for table, count in record["rows"].items())
    notes = "".join(f"\nnote: {note}" for note in record["notes"])
    return (
        f"{record['build_id']} published: data clock {record['data_clock']}, "
        f"{record['tests']['passed']} tests passed, {record['seconds']} s ({extent(record)})\n{rows}\n"
        f"tables end: {clocks_text(record['clocks'])}\n"
        f"labels end at {record['orders_delivered_until']}, until when orders were delivered{notes}"
    )


def extent(record: dict[str, Any]) -> str:
    if record["kind"] == "full":
        return "everything made"
    return f"incremental: {record['touched']:,} of {record['rows']['int_customers']:,} customers made again"
