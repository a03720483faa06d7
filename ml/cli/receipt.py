"""``churn receipt``."""

import shutil
import sys
from datetime import datetime
from itertools import takewhile

import click

from ml.cli.command import Instant, Run, churn_command

WIDTH_OF_FILES = 140  # columns when the output is no terminal


class TextFirst(click.Command):
    """A command whose first argument may begin with a hyphen, such as a customer called -5."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read an argument that looks like a short option as text, unless a long option is unknown."""
        known = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        long = [arg.split("=")[0] for arg in takewhile(lambda arg: arg != "--", args) if arg.startswith("--")]
        ctx.ignore_unknown_options = known.issuperset(long)
        return super().parse_args(ctx, args)


@click.command(name="receipt", cls=TextFirst)
@click.argument("customer")
@click.argument("feature")
@click.option(
    "--as-of", type=Instant(), help="The instant asked about (default: the data clock of the build)."
)
@churn_command
def command(run: Run, customer: str, feature: str, as_of: datetime | None) -> None:
    """The raw rows behind one value, and their total.

    Prints the value of FEATURE for CUSTOMER as the published build gives it, every raw row that makes it
    (file and row, when it happened, when it was known, what it adds), the nearest rows that do not count and
    why, and since when and until when the value holds. Adds the rows up again, and ends with status 1 if they
    do not come to the published value. For a feature computed on demand: the formula, and each part likewise.

    \b
    Example:
      churn receipt C0000042 orders_30d --as-of 2024-06-30T00:00:00Z
    """
    from ml.receipt import receipt
    from ml.receipt.receipt_json import as_dict
    from ml.receipt.receipt_page import page

    result = receipt(customer, feature, as_of=as_of, home=run.home)
    run.finish(as_dict(result), page(result, shutil.get_terminal_size((WIDTH_OF_FILES, 0)).columns))
    if not result.matches:
        click.echo(f"churn: {result.breach()}", err=True)
        sys.exit(1)
