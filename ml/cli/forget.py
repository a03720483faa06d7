"""``churn forget``."""

import sys
from typing import Any

import click

from ml.cli.command import Run, churn_command

HITS_SHOWN = 10


@click.command()
@click.argument("customer")
@click.option("--allow-again", is_flag=True, help="Let loads take a forgotten customer in again.")
@churn_command
def command(run: Run, customer: str, allow_again: bool) -> None:
    """Erase a customer, and prove it by a search of every file.

    CUSTOMER and all keys that merged with it go from raw rows, builds, online values, scores, logs, pushed
    facts and models' files; everything else stays as it is. The models that learned from the customer are
    listed. Rows of the customer in a later load are rejected. The status is 1 where the search still finds
    the customer, or nobody has this key.

    \b
    Example:
      churn forget C0000012
    """
    if allow_again:
        lift(run, customer)
        return
    from ml.erasure import forget

    result = forget(customer, home=run.home, progress=run.progress)
    run.finish(result, summary(result))
    sys.exit(0 if result["is_gone"] else 1)


def lift(run: Run, customer: str) -> None:
    """Let loads take a forgotten customer in again; status 1 for one who was not forgotten."""
    from ml.erasure import allow_again

    was_forgotten = allow_again(customer, home=run.home)
    text = "the next load may have this customer again"
    run.finish({"allowed_again": was_forgotten}, text if was_forgotten else "this customer was not forgotten")
    sys.exit(0 if was_forgotten else 1)


def summary(result: dict[str, Any]) -> str:
    """What went, who learned, and what the search found."""
    places = [f"{count:,} {place}" for place, count in result["erased"].items() if count]
    lines = [f"rows erased: {', '.join(places) or 'none'}"]
    if result["customers"] > 1:
        lines.append(f"{result['customers']} keys had merged, and all of them went")
    lines += [f"{file}: {count:,} rows or lines" for file, count in result["files"].items()]
    lines += [f"{file}: removed, make it again if you need it" for file in result["removed"]]
    lines += [learned(model) for model in result["models"]]
    notes = [f"note: {note}" for note in result["notes"]]
    return "\n".join([*lines, *search_lines(result["search"]), *notes])


def learned(model: dict[str, Any]) -> str:
    """A model that learned from the customer."""
    rows = "labels of your own" if model["rows"] is None else f"{model['rows']:,} rows of the customer"
    return (
        f"{model['model']}, trained {model['trained_at']}, could learn from {rows} between {model['first']} "
        f"and {model['last']}: run 'churn train'"
    )


def search_lines(search: dict[str, Any]) -> list[str]:
    """What was searched, and what was found."""
    how = {"bytes": "every byte", "values": "the columns of customers, for the key is short or common"}
    kind = how.get(search["kind"], "every byte for the keys that are long enough, columns for the others")
    hits, files = search["hits"], f"{search['files']:,} files, {search['bytes']:,} bytes"
    lines = [f"searched {files} ({kind}): {len(hits)} hits"]
    lines += [f"  {hit['file']}: {hit['form']}" for hit in hits[:HITS_SHOWN]]
    lines += [f"  and {len(hits) - HITS_SHOWN} more"] if len(hits) > HITS_SHOWN else []
    return lines + [f"  {file}: not whole, only its bytes were searched" for file in search["unread"]]
