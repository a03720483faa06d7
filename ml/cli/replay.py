"""``churn replay``."""

import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from ml.cli.command import Instant, Run, churn_command

if TYPE_CHECKING:
    from ml.monitor.replay import Difference, Replay

SHOWN = 10


@click.command(name="replay")
@click.option("--since", type=Instant(), help="Only what was logged from this instant on.")
@click.option("--out", help="File of all differences: .parquet, .csv or .jsonl; - is standard output.")
@churn_command
def command(run: Run, since: datetime | None, out: str | None) -> None:
    """Recompute every logged score's features at its own instant, and name the cause of each difference.

    Causes are facts that came late, corrections of facts, erased ones, a changed definition or model, a cast,
    null for zero, a row that expired, or the store: a value that its own build never had. The status is 1
    when a difference comes from the store or from nothing known.

    \b
    Example:
      churn replay --since 2026-11-01 --out differences.csv
    """
    from ml.monitor.replay import replay

    result = replay(home=run.home, since=since, out=out, progress=run.progress)
    if out != "-":
        run.finish(result.as_dict(), summary(result))
    sys.exit(0 if result.ok else 1)


def summary(result: "Replay") -> str:
    """Rates by cause, and the first differences, those that are faults before others."""
    from ml.monitor.replay_causes import ALARMING

    lines = [
        f"{result.entries:,} logged scores replayed on {result.build_id}: {result.differing_values:,} of "
        f"{result.values:,} values differ, in {result.differing_entries:,} scores"
    ]
    if result.not_replayed:
        lines.append(f"{result.not_replayed:,} scores of facts that wait for the next build are left out")
    lines += [f"note: {note}" for note in result.notes]
    lines += [
        f"  {rate.cause:<20}{rate.values:>12,} values {rate.entries:>10,} scores  {rate.rate:.4%}"
        for rate in result.causes
    ]
    ordered = sorted(result.differences, key=lambda each: each.cause not in ALARMING)
    lines += [line_of(each) for each in ordered[:SHOWN]]
    more = len(ordered) - SHOWN
    return "\n".join([*lines, *([f"... and {more:,} more: --out FILE has all"] if more > 0 else [])])


def line_of(each: "Difference") -> str:
    """One difference in a line."""
    cause = f"{each.cause} ({each.also} too)" if each.also else each.cause
    values = f"{each.feature} {'null' if each.logged is None else each.logged}, now "
    values += "null" if each.now is None else each.now
    detail = f"; {each.detail}" if each.detail else ""
    return f"{each.customer_id} at {each.event_timestamp}: {values}: {cause}{detail}"
