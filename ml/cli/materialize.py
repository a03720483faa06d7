"""``churn materialize``."""

from datetime import datetime
from typing import Any

import click

from ml.cli.command import Instant, Run, churn_command


@click.command()
@click.option(
    "--as-of", type=Instant(), help="An instant up to the data clock of the build (default: that clock)."
)
@click.option("--full-refresh", is_flag=True, help="Write every customer, even where the changed would do.")
@churn_command
def command(run: Run, as_of: datetime | None, full_refresh: bool) -> None:
    """Put feature values into the online store.

    The store then holds exactly what the published build says at that instant: for every customer the last
    row at or before it. Readers see the values before or the values after, never a mixture. Where it holds an
    earlier instant, or the build this one was added to, only customers with something new are written.

    \b
    Example:
        churn materialize
    """
    from ml.warehouse.materialize import materialize

    result = materialize(home=run.home, as_of=as_of, full_refresh=full_refresh, progress=run.progress)
    run.finish(result, report(result))


def report(result: dict[str, Any]) -> str:
    lines = [f"{result['build_id']} is online as of {result['as_of']}"]
    for name, counts in result["views"].items():
        written = result["written"][name]
        of_them = f", {written} of them written" if written < counts["customers"] else ""
        lines.append(f"  {name}: {counts['customers']} customers{of_them}, from {counts['rows']} rows")
    return "\n".join(lines)
