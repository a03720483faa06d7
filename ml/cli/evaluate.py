"""``churn evaluate``."""

import click

from ml.cli.command import Run, churn_command, exit_unless_better_than_chance, problem_option


@click.command()
@problem_option
@click.option("--plots", type=click.Path(file_okay=False), help="Folder for the plots (PNG).")
@click.option("--anew", is_flag=True, help="Compute the deep evidence again, though it is there.")
@click.option("--origins", type=int, metavar="N", help="Instead: train as of N earlier instants, judge each.")
@churn_command
def command(run: Run, problem: str | None, plots: str | None, anew: bool, origins: int | None) -> None:
    """The held-out report.

    What every candidate did on the test part, with 95 % intervals drawn by customer; what the threshold
    earns; the same by segment and month; what more customers, each subject and each feature are worth; the
    price of old features. Computed once a model and kept; each look at the test part is written down.

    With --origins the whole training is done again as of N earlier instants, 28 days apart, from the labels
    settled by then; each model scores what followed. That is how the model that scores would have done.

    \b
    Example:
      churn evaluate --plots report
      churn evaluate --origins 5
    """
    if origins is not None:
        from ml.evaluate.rolling_origins import origins_report, rolling_origins

        if plots or anew:
            raise click.UsageError("--origins goes with neither --plots nor --anew")
        rolled = rolling_origins(origins, home=run.home, problem=problem, progress=run.progress)
        run.finish(rolled.as_dict(), "\n".join(origins_report(rolled)))
        return
    from ml.evaluate import evaluate
    from ml.evaluate.evidence_text import report
    from ml.evaluate.value_evidence import value_report

    result = evaluate(plots=plots, anew=anew, home=run.home, problem=problem, progress=run.progress)
    text = value_report if result["task"] == "regression" else report
    run.finish(result, "\n".join(text(result)))
    exit_unless_better_than_chance(result["better_than_chance"])
