"""``churn keys``: who may ask the server."""

from datetime import datetime
from typing import Any

import click

from ml.cli.command import Instant, Run, churn_command


@click.group()
def command() -> None:
    """Keys of the server: create, list, revoke.

    \b
    Example:
      churn keys create --role score --name shop
    """


@command.command()
@click.option(
    "--role",
    type=click.Choice(["score", "read", "admin"]),
    required=True,
    help="score: scores; read: customers, features, history, receipts, builds; admin: everything.",
)
@click.option("--name", default="", help="Whose key it is.")
@click.option("--expires", type=Instant(), help="An ISO 8601 instant from which it is not valid.")
@churn_command
def create(run: Run, role: str, name: str, expires: datetime | None) -> None:
    """Create a key, which is shown now and never again.

    \b
    Example:
      churn keys create --role score --name shop --expires 2027-01-01
    """
    from ml.home.layout import Home
    from ml.serve.access import create_key

    secret, key = create_key(Home.at(run.home), role, name, expires)
    run.finish({"key": secret, **key.public()}, secret)


@command.command(name="list")
@churn_command
def list_(run: Run) -> None:
    """Every key ever created, without the keys themselves."""
    from ml.home.layout import Home
    from ml.serve.access import read_keys

    keys = [key.public() for key in read_keys(Home.at(run.home))]
    run.finish({"keys": keys}, "\n".join(map(line, keys)) or "no key was ever created")


@command.command()
@click.argument("key")
@churn_command
def revoke(run: Run, key: str) -> None:
    """Revoke the key with this id, or the keys with this name, at once in every worker."""
    from ml.home.layout import Home
    from ml.serve.access import revoke_key

    keys = [each.public() for each in revoke_key(Home.at(run.home), key)]
    run.finish({"keys": keys}, "\n".join(map(line, keys)))


def line(key: dict[str, Any]) -> str:
    """One key in a line."""
    state = f"revoked {key['revoked_at']}" if key["revoked_at"] else f"expires {key['expires_at'] or 'never'}"
    return f"{key['key_id']}  {key['role']:<6} {key['name'] or '-':<20} created {key['created_at']}  {state}"
