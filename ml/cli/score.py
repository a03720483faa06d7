"""``churn score``."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from ml.cli.command import Instant, Run, churn_command, problem_option

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_SHOWN = 10


@click.command()
@click.option(
    "--customer-id", "customer_ids", multiple=True, help="A customer to score; may be given many times."
)
@click.option(
    "--as-of",
    type=Instant(),
    help="Instant of the scores (default: the data clock, or the end of orders if a day or more earlier).",
)
@click.option("--out", help="File to write: .parquet, .csv or .jsonl; - is standard output.")
@click.option("--actions", is_flag=True, help="Add whom to contact, and what to do by risk band.")
@click.option("--segments", is_flag=True, help="Add the segment of each customer ('churn segments').")
@click.option("--log", is_flag=True, help="Append every score to the prediction log.")
@problem_option
@churn_command
def command(
    run: Run,
    customer_ids: tuple[str, ...],
    as_of: datetime | None,
    out: str | None,
    actions: bool,
    segments: bool,
    log: bool,
    problem: str | None,
) -> None:
    """Churn probabilities, or amounts where the problem is a regression, with reasons.

    Scores everyone with a kept order in the activity span, or the customers named, with the current model.
    Reasons are what raises a customer's risk, the weightiest first. With --actions and the threshold rule
    'capacity', exactly as many customers are marked for contact as can be contacted.

    \b
    Example:
      churn score --out scores.parquet --actions
      churn score --customer-id C0000042 --as-of 2024-06-30T00:00:00Z
    """
    from ml.score.scoring import score

    scores = score(
        customer_ids,
        as_of=as_of,
        out=out,
        actions=actions,
        segments=segments,
        json_lines=run.as_json,
        log=log,
        home=run.home,
        problem=problem,
        progress=run.progress,
    )
    if out is None:
        run.finish({"customers": len(scores), "scores": scores.to_pylist()}, summary(scores))
    elif out == "-":
        run.progress.say(f"{len(scores):,} customers scored")
    else:
        run.finish({"customers": len(scores), "out": out}, f"{len(scores):,} customers scored: {out}")


def summary(scores: "pa.Table") -> str:
    """The number of customers in each band, and the riskiest with their reasons."""
    from ml.common.instants import format_instant
    from ml.config.problem import RISK_BANDS

    if not len(scores):
        return "no one is eligible: nobody has a kept order in the activity span"
    if "predicted_value" in scores.column_names:
        return value_summary(scores)
    rows = sorted(scores.to_pylist(), key=lambda row: (-row["churn_probability"], row["customer_id"]))
    first = rows[0]
    bands = {name: sum(row["risk_band"] == name for row in rows) for name in reversed(RISK_BANDS)}
    instant = format_instant(first["event_timestamp"])
    lines = [
        f"{len(rows):,} customers at {instant} by {first['model_version']} on {first['build_id']}: "
        + ", ".join(f"{count:,} {name}" for name, count in bands.items())
    ]
    for row in rows[:ROWS_SHOWN]:
        lines.append(f"{row['churn_probability']:7.1%}  {row['risk_band']:<7} {row['customer_id']}")
        lines += [f"{'':17}{reason}" for reason in row["reasons"]]
        lines += [f"{'':17}-> {row['recommended_action']}"] if "recommended_action" in row else []
    return "\n".join(lines + ([f"... and {len(rows) - ROWS_SHOWN:,} more"] if len(rows) > ROWS_SHOWN else []))


def value_summary(scores: "pa.Table") -> str:
    """The total of the expected amounts, and the customers with the highest with their reasons."""
    from ml.common.instants import format_instant

    rows = sorted(scores.to_pylist(), key=lambda row: (-row["predicted_value"], row["customer_id"]))
    first, total = rows[0], sum(row["predicted_value"] for row in rows)
    lines = [
        f"{len(rows):,} customers at {format_instant(first['event_timestamp'])} by {first['model_version']} "
        f"on {first['build_id']}: {total:,.0f} expected in all"
    ]
    for row in rows[:ROWS_SHOWN]:
        ends = f"{row['value_low']:,.0f} to {row['value_high']:,.0f}"
        lines.append(f"{row['predicted_value']:10,.2f}  {ends:<18} {row['customer_id']}")
        lines += [f"{'':31}{reason}" for reason in row["reasons"]]
    return "\n".join(lines + ([f"... and {len(rows) - ROWS_SHOWN:,} more"] if len(rows) > ROWS_SHOWN else []))
