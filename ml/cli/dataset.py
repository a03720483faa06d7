"""``churn dataset``."""

from typing import Any

import click

from ml.cli.command import Run, churn_command, labels_option, problem_option


@click.command()
@click.option("--out", required=True, help="File to write: .parquet, .csv or .jsonl; - is standard output.")
@problem_option
@labels_option
@churn_command
def command(run: Run, out: str, problem: str | None, labels: str | None) -> None:
    """The labelled rows, for your own notebook.

    One row per customer and cut-off: customer_id, event_timestamp, churned, split (train, validation, test),
    then every feature as it was known then. Parts follow each other in time with at least the horizon between
    them; cut-offs in those gaps are left out, and counted.

    With --labels the rows are those of a file: customer_id, event_timestamp and label (0 or 1), at any
    instants. They are split by shares of rows, in the order of time.

    \b
    Example:
      churn dataset --out labelled.parquet
      churn dataset --labels cancellations.csv --out labelled.parquet
    """
    from ml.features.dataset import dataset

    result = dataset(
        out,
        home=run.home,
        problem=problem,
        labels=labels,
        json_lines=run.as_json,
        progress=run.progress,
    )
    if out == "-":
        run.progress.say(summary(result))
    else:
        run.finish(result, summary(result))


def summary(result: dict[str, Any]) -> str:
    """The rows of the file by part."""
    own = result.get("labels")
    whose = f"rows of {own['file']} with features of" if own else "labelled rows of"
    lines = [f"{result['file']}: {whose} {result['build_id']}"]
    instants = "instants" if own else "cut-offs"
    for part, cutoffs in result["split"].items():
        span = f"{cutoffs['first']} to {cutoffs['last']}" if cutoffs["cutoffs"] else ""
        name = part.replace("_", " ")
        size = f"{result['rows'][part]:>12,} rows {cutoffs['cutoffs']:>5} {instants}"
        lines.append(f"  {name:<12}{size}  {span}")
    return "\n".join(lines)
