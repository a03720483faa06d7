"""``churn evaluate``."""

import click

from ml.cli.command import Run, churn_command, exit_unless_better_than_chance, problem_option


@click.command()
@problem_option
@click.option("--plots", type=click.Path(file_okay=False), help="Folder for the plots (PNG).")
@click.option("--anew", is_flag=True, help="Compute the deep evidence again, though it is there.")
@churn_command
def command(run: Run, problem: str | None, plots: str | None, anew: bool) -> None:
    """The held-out report.

    What every candidate did on the test part, with 95 % intervals drawn by customer; what the threshold
    earns; the same by segment and month; what more customers, each subject and each feature are worth; the
    price of old features. Computed once a model and kept; each look at the test part is written down.

    \b
    Example:
      churn evaluate --plots report
    """
    from ml.evaluate import evaluate
    from ml.evaluate.evidence_text import report
    from ml.evaluate.value_evidence import value_report

    result = evaluate(plots=plots, anew=anew, home=run.home, problem=problem, progress=run.progress)
    text = value_report if result["task"] == "regression" else report
    run.finish(result, "\n".join(text(result)))
    exit_unless_better_than_chance(result["better_than_chance"])
