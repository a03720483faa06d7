"""``churn init``."""

from pathlib import Path

import click

from ml.cli.command import Run, churn_command


@click.command()
@click.argument("folder", type=click.Path(file_okay=False))
@click.option(
    "--demo", type=click.Choice(["subscriptions"]), help="Add the tables, models and problem of a demo."
)
@churn_command
def command(run: Run, folder: str, demo: str | None) -> None:
    """Write a project of one's own into FOLDER.

    The dbt project, the Feast repository, problem.yml, actions.yml and monitor.yml, as they come with
    Tidemark, to be edited. Commands that are run in FOLDER, or below it, use them; their state goes to
    FOLDER/var. Nothing that is there is replaced. --demo subscriptions adds raw tables, features and a label
    of subscriptions.

    \b
    Example:
      churn init our-churn
    """
    from ml.config.project import write_project

    written = write_project(Path(folder), demo=demo)
    text = f"wrote {', '.join(written['files'])} to {written['folder']}"
    run.finish(written, f"{text}\nnext: cd {folder}, then 'churn ingest PATH' or 'churn demo'")
