"""``churn schedule``."""

import click

from ml.cli.command import Run, churn_command, problem_option

KINDS = ("cron", "systemd", "airflow")


@click.command(name="schedule")
@click.argument("kind", type=click.Choice(KINDS), default="cron")
@click.option("--at", default="04:00", show_default=True, metavar="HH:MM", help="Time of day.")
@click.option("--source", help="Folder, file or URL of the raw tables that 'churn run' takes in.")
@problem_option
@churn_command
def command(run: Run, kind: str, at: str, source: str | None, problem: str | None) -> None:
    """A crontab line, systemd units or an Airflow DAG that runs 'churn run' with this home every day.

    It is only printed. The time of day is that of the machine for cron and systemd, and UTC for Airflow.

    \b
    Example:
      churn schedule --at 04:30 --source /data/exports cron
      churn schedule systemd
    """
    from ml.daily_run.schedule import schedule

    files = schedule(kind, at=at, source=source, home=run.home, problem=problem)
    run.finish({"kind": kind, "files": files}, text_of(files))


def text_of(files: dict[str, str]) -> str:
    """The text of a single file, or of each under its name."""
    if len(files) == 1:
        return next(iter(files.values())).rstrip("\n")
    return "\n".join(f"# {name}\n{text}" for name, text in files.items()).rstrip("\n")
