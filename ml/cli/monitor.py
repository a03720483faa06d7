"""``churn monitor``."""

import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from ml.cli.command import Instant, Run, churn_command, problem_option

if TYPE_CHECKING:
    from ml.monitor.report import GroupFigures, MonitorReport


CAUSES_SHOWN = 5


@click.command(name="monitor")
@click.option(
    "--as-of", type=Instant(), help="Instant of the report (default: that of scoring; may be after the data)."
)
@click.option(
    "--since", type=Instant(), help="List pages and logged scores from here on (default: one week)."
)
@click.option("--out", type=click.Path(dir_okay=False), help="Page to write as well: FILE.html.")
@problem_option
@churn_command
def command(
    run: Run, as_of: datetime | None, since: datetime | None, out: str | None, problem: str | None
) -> None:
    """Watch sources, scores and outcomes, and page no more often than monitor.yml allows.

    The newest week is compared with the weeks before it, and that with what past weeks were from theirs: it
    pages when it is farther out than the stated number of false pages a quarter allows. Each alarm names its
    likely cause. The status is 1 when something pages, else 0.

    \b
    Example:
      churn monitor --out monitoring.html
      churn monitor --as-of 2024-10-07T00:00:00Z --json
    """
    from ml.monitor import monitor

    report = monitor(home=run.home, problem=problem, as_of=as_of, since=since, out=out, progress=run.progress)
    run.finish(report.as_dict(), summary(report))
    sys.exit(0 if report.ok else 1)


def summary(report: "MonitorReport") -> str:
    """Alarms with their causes, the groups, what to do."""
    lines = [
        f"{report.build_id}, {report.model_version}, as of {report.as_of}: {report.customers:,} customers",
        report.budget,
        "",
        *map(line_of, report.groups),
        "",
    ]
    for alert in report.alerts:
        lines.append(f"ALARM {alert.group}: {alert.sentence}")
        lines += [f"  likely cause: {alert.cause}"] if alert.cause else []
        lines += [f"  also: {cause}" for cause in alert.other_causes]
    if not report.alerts:
        lines.append("all well")
        lines += [f"beyond its past, but pages no one: {cause}" for cause in report.causes[:CAUSES_SHOWN]]
    lines += [f"note: {note}" for note in report.notes]
    if report.profit and report.alerts:
        lines.append(f"weekly profit at risk: {report.profit['at_risk']:,.0f}")
    lines += [f"do: {advice}" for advice in report.recommendations]
    lines.append(f"wrote {report.file}" + (f" and {report.page}" if report.page else ""))
    return "\n".join(lines)


def line_of(group: "GroupFigures") -> str:
    """One group in one line."""
    p = "" if group.rank_p is None else f"rank p {group.rank_p:.3f}"
    return f"{group.name:<12s} {'PAGES' if group.pages else 'quiet':<6s} {p:<13s} {group.rule}"
