"""``churn export``."""

from dataclasses import asdict

import click

from ml.cli.command import Run, churn_command, problem_option


@click.command()
@click.option(
    "--format",
    type=click.Choice(["onnx", "treelite"]),
    default="onnx",
    show_default=True,
    help="ONNX takes any shipped kind but gamma_gamma; treelite takes trees.",
)
@click.option("--out", required=True, help="A folder that is new or empty.")
@problem_option
@churn_command
def command(run: Run, format: str, out: str, problem: str | None) -> None:
    """The champion as files, for programs without this package.

    Writes the model from stored features to the score, with its on-demand formulas inside, and manifest.json:
    what each input means, what stands for null, threshold and bands. Up to 10,000 labelled rows are scored by
    the files as well; the largest difference is printed, and nothing is written if it is more than a rounding
    error. Needs the extra 'export'.

    \b
    Example:
      churn export --format onnx --out champion
      churn export --format treelite --out trees
    """
    from ml.export import export

    result = export(format, out, home=run.home, problem=problem, progress=run.progress)
    text = (
        f"{result.model_version} written to {result.folder}: {', '.join(result.files)}\n"
        f"largest difference from 'churn score' on {result.rows:,} rows: {result.largest_difference:.2g}"
    )
    run.finish(asdict(result), text)
