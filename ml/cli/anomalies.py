"""``churn anomalies``."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from ml.cli.command import Instant, Run, churn_command, problem_option

if TYPE_CHECKING:
    from ml.segments.changed_customers import ChangedCustomers

ROWS_SHOWN = 10


@click.command()
@click.option("--as-of", type=Instant(), help="Instant to look back from (default: that of scoring).")
@click.option("--days", type=int, multiple=True, help="A window to test; may be given many times.")
@click.option(
    "--false-share", type=float, default=0.1, show_default=True, help="False alarms borne among the listed."
)
@click.option("--out", help="File of customers to write: .parquet, .csv or .jsonl; - is standard output.")
@click.option("--page", type=click.Path(dir_okay=False), help="Page to write as well: FILE.html.")
@problem_option
@churn_command
def command(
    run: Run,
    as_of: datetime | None,
    days: tuple[int, ...],
    false_share: float,
    out: str | None,
    page: str | None,
    problem: str | None,
) -> None:
    """Customers whose behaviour changed against their own past, few of them false alarms.

    The orders (or the counts that the problem names) of the last 7, 30 and 90 days are compared with the
    customer's own year before, at the level of the season. Of the customers listed at most --false-share are
    expected not to have changed.

    \b
    Example:
      churn anomalies --out changed.csv
      churn anomalies --days 30 --false-share 0.2
    """
    from ml.segments.changed_customers import anomalies

    result = anomalies(
        as_of=as_of,
        days=days,
        false_share=false_share,
        out=out,
        json_lines=run.as_json,
        home=run.home,
        problem=problem,
        progress=run.progress,
    )
    if page:
        from pathlib import Path

        from ml.page.document import document, write_whole
        from ml.segments.anomalies_page import anomalies_body

        write_whole(Path(page), document("Anomalies", anomalies_body(result)))
    count = f"{len(result.rows):,} customers listed"
    run.finish_with_files(result.as_dict(), summary(result), count, out=out, page=page)


def summary(result: "ChangedCustomers") -> str:
    """How many are listed, what was learned of each window, and the least likely customers."""
    from ml.common.instants import format_instant

    rows = result.rows.to_pylist()
    drops = sum(row["change"] == "drop" for row in rows)
    lines = [
        f"{len(rows):,} of {result.customers:,} customers changed by {format_instant(result.as_of)} "
        f"({drops:,} dropped, {len(rows) - drops:,} rose), at most {result.false_share:.0%} of them false "
        f"alarms, on {result.build_id}",
        *(
            f"  {one.stream.name} in {one.counts.days} days: {len(one.customers):,} customers, level "
            f"{one.usual.level:.2f} of their past"
            for one in result.tested
        ),
    ]
    lines += [
        f"{row['change']:<5} {row['customer_id']}  {row['count']:,} {row['stream']} in {row['days']} days, "
        f"{row['expected']:.1f} expected (q {row['q_value']:.2g})"
        for row in rows[:ROWS_SHOWN]
    ]
    return "\n".join(lines + ([f"... and {len(rows) - ROWS_SHOWN:,} more"] if len(rows) > ROWS_SHOWN else []))
