"""``churn push``: facts as they happen."""

import sys
from pathlib import Path
from typing import Any

import click

from ml.cli.command import Run, churn_command

REJECTED_SHOWN = 5


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--table", help="The raw table of lines that name none (default: FILE's name, if it is one).")
@click.option("--key", help="An idempotency key: the same facts with it count once (default: their hash).")
@churn_command
def command(run: Run, file: str, table: str | None, key: str | None) -> None:
    """Add raw rows that count at once.

    FILE has JSON lines, each an object of one raw row, such as {"table": "orders", "order_id": "o-17", ...};
    - is standard input. Each line is accepted or rejected as 'churn ingest' would, and is on disk before this
    command ends. A running 'churn serve' counts the accepted ones in its next score; the next 'churn build'
    takes all of them in. The status is 1 where no line was accepted.

    \b
    Example:
        churn push orders.jsonl
    """
    from ml.common.errors import UsageError
    from ml.ingest.declaration import raw_tables
    from ml.journal import push

    if file == "-":
        content = sys.stdin.buffer.read()
    else:
        try:
            content = Path(file).read_bytes()
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    name = Path(file).name.split(".")[0]
    known = name if name in {declared.name for declared in raw_tables()} else None
    result = push(content, table=table or known, key=key, home=run.home)
    run.finish(result, as_text(result))
    if not result["accepted"]:
        sys.exit(1)


def as_text(result: dict[str, Any]) -> str:
    """The counts, and the first rows that were rejected."""
    lines = [f"{result['read']} read = {result['accepted']} accepted + {result['rejected']} rejected"]
    rejected = [row for row in result["rows"] if row["status"] == "rejected"]
    lines += [f"  line {row['line']}: {row['reason']}" for row in rejected[:REJECTED_SHOWN]]
    if len(rejected) > REJECTED_SHOWN:
        lines.append(f"  and {len(rejected) - REJECTED_SHOWN} more")
    return "\n".join(lines)
