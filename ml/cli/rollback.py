"""``churn rollback``."""

from typing import Any

import click

from ml.cli.command import Run, churn_command


@click.command()
@click.argument("build", required=False)
@churn_command
def command(run: Run, build: str | None) -> None:
    """Go back to an earlier build and the model that goes with it.

    BUILD is one that 'churn builds' lists; without it, the build that the current one replaced. Features,
    labels, model and online values (as of the instant they were last online) go back together; readers see
    all that was or all that is put back. Give a later BUILD to go forward again.

    The raw data stays as it is: the next 'churn build' builds it again, and replaces the build gone back to.

    \b
    Example:
      churn rollback
      churn rollback build-000003
    """
    from ml.warehouse.rollback import rollback

    result = rollback(build, home=run.home, progress=run.progress)
    run.finish(result, summary(result))


def summary(result: dict[str, Any]) -> str:
    before, now = result["before"], result["build_id"]
    again = "stays current" if before == now else f"is current again, instead of {before}"
    lines = [f"{now} {again}: data clock {result['data_clock']}, {result['model_version'] or 'no model'}"]
    if result["online"]:
        lines.append(f"its values are online as of {result['online']['as_of']}")
    return "\n".join([*lines, *(f"note: {note}" for note in result["notes"])])
