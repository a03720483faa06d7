"""``churn retention``."""

from typing import Any

import click

from ml.cli.command import Run, churn_command


@click.command()
@click.option(
    "--older-than",
    type=int,
    required=True,
    metavar="DAYS",
    help="Erase what happened so long before the data clock.",
)
@click.option("--dry-run", is_flag=True, help="Count what would go, and change nothing.")
@churn_command
def command(run: Run, older_than: int, dry_run: bool) -> None:
    """Erase what is older than a limit.

    Facts that occurred more than DAYS days before the data clock leave the raw rows, with the customers who
    have none since; features, labels and online values are made anew from the rest, and older builds and
    loads are removed. Features over all time then count what is retained. Entries of the prediction log that
    are older go too.

    \b
    Example:
      churn retention --older-than 1095 --dry-run
    """
    from ml.erasure import retention

    result = retention(older_than, home=run.home, dry_run=dry_run, progress=run.progress)
    run.finish(result, summary(result))


def summary(result: dict[str, Any]) -> str:
    """What goes or went, by table."""
    verb = "would go" if result["dry_run"] else "went"
    lines = [f"before {result['limit']}: {result['customers']:,} customers {verb}"]
    lines += [
        f"{table}: {rows['erased']:,} rows {verb}, {rows['kept']:,} stay"
        for table, rows in result["tables"].items()
    ]
    if result["rejected"]:
        lines.append(f"rejected rows: {result['rejected']:,} {verb}")
    if not result["dry_run"]:
        lines.append(f"{result['log']:,} entries of the prediction log, {result['pushes']:,} pushes {verb}")
        made = result["build_id"]
        lines.append(
            f"{made} was made of the rest; run 'churn train'" if made else "nothing was older: no build"
        )
        lines += [f"{build} is being read: remove it by the next build" for build in result["builds_left"]]
    return "\n".join(lines)
