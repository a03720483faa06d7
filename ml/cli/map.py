"""``churn map``: a first mapping of exports to the raw tables."""

from typing import Any

import click

from ml.cli.command import Run, churn_command


@click.command()
@click.argument("path", type=click.Path())
@click.option("--out", default="mapping", show_default=True, type=click.Path(), help="The folder to write.")
@churn_command
def command(run: Run, path: str, out: str) -> None:
    """Guess how the exports in PATH become raw tables, and write the guess as a folder of SQL files.

    PATH is a folder of CSV, TSV, JSON or Parquet files, or one of them. Columns are matched by name and
    content; each line of the SQL says why. Read the files, correct them, then load them with 'churn ingest'.
    Nothing that is there is replaced.

    \b
    Example:
      churn map exports
      churn ingest mapping
    """
    from ml.mapping import map_exports

    result = map_exports(path, out=out, progress=run.progress)
    run.finish(result, as_text(result, out))


def as_text(result: dict[str, Any], out: str) -> str:
    lines = [f"{'table':<18}{'matched':>8}{'check':>7}  from"]
    for name, table in result["tables"].items():
        lines.append(f"{name:<18}{len(table['matched']):>8}{len(table['check']):>7}  {table['export']}")
        lines += [
            f"  MISSING: {column} is required, write it into {table['file']}" for column in table["missing"]
        ]
    if result["not_mapped"]:
        lines.append(f"no export seems to hold {', '.join(result['not_mapped'])}")
    if result["not_used"]:
        lines.append(f"not used: {', '.join(result['not_used'])}")
    return "\n".join([*lines, f"wrote {result['folder']}: read its files, then 'churn ingest {out}'"])
