"""``churn dataset``."""

from typing import Any

import click

from ml.cli.command import Run, churn_command, problem_option


@click.command()
@click.option("--out", required=True, help="File to write: .parquet, .csv or .jsonl; - is standard output.")
@problem_option
@churn_command
def command(run: Run, out: str, problem: str | None) -> None:
    """The labelled rows, for your own notebook.

    One row per customer and cut-off: customer_id, event_timestamp, churned, split (train, validation, test),
    then every feature as it was known then. Parts follow each other in time with at least the horizon between
    them; cut-offs in those gaps are left out, and counted.

    \b
    Example:
      churn dataset --out labelled.parquet
    """
    from ml.features.dataset import dataset

    result = dataset(out, home=run.home, problem=problem, json_lines=run.as_json, progress=run.progress)
    if out == "-":
        run.progress.say(summary(result))
    else:
        run.finish(result, summary(result))


def summary(result: dict[str, Any]) -> str:
    """What is in the file, part by part."""
    lines = [f"{result['file']}: labelled rows of {result['build_id']}"]
    for part, cutoffs in result["split"].items():
        span = f"{cutoffs['first']} to {cutoffs['last']}" if cutoffs["cutoffs"] else ""
        name = part.replace("_", " ")
        lines.append(f"  {name:<12}{result['rows'][part]:>12,} rows {cutoffs['cutoffs']:>5} cut-offs  {span}")
    return "\n".join(lines)
