"""``churn builds``."""

from typing import Any

import click

from ml.cli.command import Run, churn_command

COLUMNS = {
    "build_id": "build",
    "published_at": "published",
    "data_clock": "data clock",
    "load_id": "load",
    "kind": "kind",
    "features": "feature rows",
    "labels": "labels",
    "customers": "customers",
    "tests_passed": "tests",
    "seconds": "seconds",
    "model_version": "model",
    "online_as_of": "online as of",
}


@click.command()
@churn_command
def command(run: Run) -> None:
    """What was published when, the newest first.

    The star marks the build that readers see. 'churn rollback' goes back to an earlier one, with the model
    that goes with it and its online values.

    \b
    Example:
      churn builds
    """
    from ml.warehouse.list_builds import builds

    result = builds(home=run.home)
    run.finish(result, table(result["builds"]))


def table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "nothing has been built yet: run 'churn build'"
    lines = [list(COLUMNS.values())]
    lines += [[cell_text((row | row["rows"])[name]) for name in COLUMNS] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    marks = ["  ", *("* " if row["current"] else "  " for row in rows)]
    return "\n".join(
        mark + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for mark, line in zip(marks, lines, strict=True)
    )


def cell_text(value: Any) -> str:
    """A value as text; a dash for None."""
    return "-" if value is None else f"{value:,d}" if isinstance(value, int) else str(value)
