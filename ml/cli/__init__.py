"""The command line: one module per command, imported when the command runs."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

COMMANDS = {
    "init": "Write a project of one's own: dbt models, Feast repository, problem.",
    "demo": "From demo data to scores and pages, every step.",
    "map": "Guess how exports become raw tables.",
    "ingest": "Load a folder or database schema of raw tables.",
    "push": "Facts as they happen: rows that count at once.",
    "build": "Make, test and publish features and labels.",
    "builds": "What was published when.",
    "rollback": "Go back to an earlier build and its model.",
    "features": "Point-in-time features for any rows.",
    "dataset": "The labelled rows, for your own notebook.",
    "explore": "Look at the labelled rows before you train.",
    "train": "Choose, calibrate and save a model.",
    "evaluate": "The held-out report.",
    "report": "The model card, as one page.",
    "materialize": "Put feature values into the online store.",
    "score": "Churn probabilities with reasons.",
    "export": "The champion as ONNX or treelite files.",
    "segments": "Customers by behaviour: names, sizes, churn rates, moves.",
    "anomalies": "Customers whose behaviour changed against their own past.",
    "run": "The day in one command, for cron and orchestrators.",
    "schedule": "A crontab line, systemd units or an Airflow DAG for it.",
    "serve": "Scores, features and receipts over HTTP.",
    "keys": "Who may ask the server.",
    "log": "The prediction log: export, verify, prune.",
    "monitor": "Watch data, scores and outcomes; alarms with causes.",
    "replay": "Logged scores recomputed, and the cause of each difference.",
    "late": "What facts that came late did to features, labels and figures.",
    "receipt": "The raw rows behind one value, and their total.",
    "audit": "Prove on the data at hand that features keep to the past.",
    "compare-engines": "The same build on Spark, cell by cell.",
    "forget": "Erase a customer, and prove it.",
    "retention": "Erase what is older than a limit.",
    "doctor": "Check that everything is in place.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported only when run, so that ``--help`` is instant."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run; a usage error ends with one sentence and status 2."""
        use_project_of_home(sys.argv[1:] if args is None else args)
        try:
            status = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.UsageError as error:
            if not standalone_mode:
                raise
            if isinstance(error, click.exceptions.NoArgsIsHelpError):
                error.show()
                sys.exit(error.exit_code)
            where = f" (see '{error.ctx.command_path} --help')" if error.ctx else ""
            click.echo(f"churn: {error.format_message()}{where}", err=True)
            sys.exit(error.exit_code)
        except click.Abort:
            if not standalone_mode:
                raise
            click.echo("churn: stopped", err=True)
            sys.exit(1)
        if not standalone_mode:
            return status
        sys.exit(status if isinstance(status, int) else 0)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"ml.cli.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def use_project_of_home(args: Sequence[str]) -> None:
    """A home that ``--home`` names is worked with the project in it, if there is one."""
    homes = [args[index + 1] for index, arg in enumerate(args[:-1]) if arg == "--home"]
    homes += [arg.removeprefix("--home=") for arg in args if arg.startswith("--home=")]
    if homes and "CHURN_PROJECT" not in os.environ:
        folder = os.path.join(os.path.expanduser(homes[-1]), "project")
        if os.path.isfile(os.path.join(folder, "problem.yml")):
            os.environ["CHURN_PROJECT"] = os.path.abspath(folder)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tidemark", prog_name="churn")
def main() -> None:
    """Customer features exact at any past instant, and the churn models made from them."""
