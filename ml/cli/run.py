"""``churn run``."""

import sys
from typing import TYPE_CHECKING

import click

from ml.cli.command import Run, churn_command, problem_option

if TYPE_CHECKING:
    from ml.daily_run.one_run import DayRun


@click.command(name="run")
@click.argument("source", metavar="[SOURCE]", required=False)
@click.option("--log/--no-log", default=True, show_default=True, help="Whether scores go into the log.")
@problem_option
@churn_command
def command(run: Run, source: str | None, log: bool, problem: str | None) -> None:
    """The day in one command, for cron and orchestrators.

    Takes in SOURCE (a folder, file or URL of raw tables, on top of what is there) and what was pushed, builds
    if anything is new, monitors, trains again if that is due, puts values into the online store, scores
    everyone eligible and logs the scores. Scores, report and run.json are in runs/<instant> of the home.

    A run that failed or was killed is finished by the next. Where nothing is new, nothing is written. The
    status is 1 if a step failed or the monitor has an alert.

    \b
    Example:
      churn run exports/
    """
    from ml.daily_run import run as run_day

    done = run_day(source, home=run.home, problem=problem, log=log, progress=run.progress)
    run.finish(done.as_dict(), summary(done))
    if not done.record.ok:
        click.echo(f"churn: {alarm(done)}", err=True)
        sys.exit(1)


def summary(done: "DayRun") -> str:
    """What was done, in a line or two."""
    record = done.record
    what = (
        f"{record.customers:,} customers scored by {record.model_version} on {record.build_id}, data clock "
        f"{record.data_clock}"
    )
    if not done.is_new:
        return f"nothing is new since {record.finished_at}: nothing was written\nthen {what}: {done.folder}"
    return f"{what}: {done.folder}"


def alarm(done: "DayRun") -> str:
    """The alerts of the monitor in one sentence."""
    from ml.daily_run.run_record import REPORT

    alerts = "; ".join(done.record.alerts) or "not all is well"
    return f"the monitor has an alert: {alerts}; see {done.folder / REPORT}"
