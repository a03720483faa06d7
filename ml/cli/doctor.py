"""``churn doctor``."""

import sys

import click

from ml.cli.command import Run, churn_command, problem_option


@click.command(name="doctor")
@problem_option
@churn_command
def command(run: Run, problem: str | None) -> None:
    """Check that everything is in place, and say what to do next.

    Ends with status 1 when something is broken; what has merely not been done yet is no fault.

    \b
    Example:
      churn doctor
    """
    from ml.warehouse.doctor import doctor

    result = doctor(home=run.home, problem=problem)
    run.finish(
        result,
        "\n".join(
            f"{check['state']:8s} {check['check']:13s} {check['detail']}" for check in result["checks"]
        ),
    )
    sys.exit(0 if result["healthy"] else 1)
