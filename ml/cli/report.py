"""``churn report``."""

from typing import Any

import click

from ml.cli.command import Run, churn_command, exit_unless_better_than_chance, problem_option


@click.command()
@click.option("--out", type=click.Path(dir_okay=False), help="Page to write (default report/<model>.html).")
@problem_option
@churn_command
def command(run: Run, out: str | None, problem: str | None) -> None:
    """The model card of the current model, as one page.

    The question, the data, every candidate, curves, calibration, profit, segments, months, the price of
    staleness, importance, reasons of example customers, limits, and how to repeat it. It draws what
    'churn evaluate' has kept, and says what is missing.

    \b
    Example:
      churn report --out model-card.html
    """
    from ml.reports import report

    result = report(out=out, home=run.home, problem=problem, progress=run.progress)
    run.finish(result, summary(result))
    exit_unless_better_than_chance(result["better_than_chance"])


def summary(result: dict[str, Any]) -> str:
    """The conclusion, missing measurements, and the path of the page."""
    lines = [
        f"{result['model_version']} ({result['champion']}), trained on {result['build_id']}",
        result["answer"],
        *result["verdict"],
    ]
    if result["missing"]:
        lines.append(
            f"not measured yet: {', '.join(result['missing'])}; 'churn evaluate' does, then report again"
        )
    return "\n".join([*lines, f"wrote {result['page']}"])
