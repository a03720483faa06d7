"""``churn features``."""

import click

from ml.cli.command import Run, churn_command


@click.command(name="features")
@click.option(
    "--rows",
    required=True,
    metavar="FILE",
    help="Rows of customer_id, event_timestamp and any other columns.",
)
@click.option("--out", required=True, metavar="FILE", help="Where the answer goes; - is standard output.")
@click.option("--feature", "names", multiple=True, metavar="NAME", help="Only this feature; may be repeated.")
@churn_command
def command(run: Run, rows: str, out: str, names: tuple[str, ...]) -> None:
    """Point-in-time features for any rows.

    Every row comes back, in the same order and with its own columns, and each feature as it was known at the
    row's event_timestamp. A file is Parquet, CSV or JSON lines by its ending (.parquet, .csv, .jsonl).
    Standard output is CSV, or JSON lines with --json.

    \b
    Example:
      churn features --rows asked.csv --out answered.parquet
    """
    from ml.features.point_in_time import features

    result = features(
        rows, out, home=run.home, names=names or None, json_lines=run.as_json, progress=run.progress
    )
    text = (
        f"{result['rows_answered']:,} of {result['rows_asked']:,} rows answered with {result['features']} "
        f"features from {result['build_id']}"
    )
    if out == "-":
        run.progress.say(text)
    else:
        run.finish(result, f"{text}: {out}")
