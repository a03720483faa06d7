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
    "models": "model",
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
    lines += [[cell_text(cells(row)[name]) for name in COLUMNS] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    marks = ["  ", *("* " if row["current"] else "  " for row in rows)]
    return "\n".join(
        mark + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for mark, line in zip(marks, lines, strict=True)
    )


def cells(row: dict[str, Any]) -> dict[str, Any]:
    """The cells of a build; the models of several problems have their names."""
    models = row["models"]
    several = ", ".join(f"{problem}: {model}" for problem, model in models.items())
    return row | row["rows"] | {"models": several if len(models) > 1 else row["model_version"]}


def cell_text(value: Any) -> str:
    """A value as text; a dash for None."""
    return "-" if value is None else f"{value:,d}" if isinstance(value, int) else str(value)
