"""``churn late``."""

from typing import TYPE_CHECKING

import click

from ml.cli.command import Run, churn_command, problem_option

if TYPE_CHECKING:
    from ml.monitor.late import Late, LateFigures

SHOWN = 10


@click.command(name="late")
@problem_option
@churn_command
def command(run: Run, problem: str | None) -> None:
    """What facts that came late did to features, labels and the model's figures.

    At past cut-offs, each feature as it was known then stands beside its value in hindsight, every fact
    counted from when it happened; each label as it was known when it ripened stands beside that of today; the
    champion is judged on both. A sample of customers is looked at.

    \b
    Example:
      churn late --json
    """
    from ml.monitor.late import late

    result = late(home=run.home, problem=problem, progress=run.progress)
    run.finish(result.as_dict(), summary(result))


def summary(result: "Late") -> str:
    """Rows, features and labels moved, then the figures."""
    share = result.rows_moved / max(result.rows, 1)
    flips = result.now_stayed + result.now_churned
    lines = [
        f"{result.build_id}, {len(result.cutoffs)} cut-offs to {result.cutoffs[-1].cutoff}, "
        f"{result.customers:,} of {result.all_customers:,} customers",
        f"late facts move a feature in {result.rows_moved:,} of {result.rows:,} rows ({share:.1%})",
    ]
    for feature in result.features[:SHOWN]:
        change = "" if feature.mean_change is None else f"  mean change there {feature.mean_change:+,.4g}"
        lines.append(f"  {feature.feature:<32}{feature.rows_moved:>10,} rows  {feature.rate:>7.2%}{change}")
    if len(result.features) > SHOWN:
        lines.append(f"  and {len(result.features) - SHOWN} more features: --json has all")
    lines.append(
        f"{flips:,} labels are others than when they ripened: {result.now_stayed:,} stayed after all, "
        f"{result.now_churned:,} churned after all"
    )
    lines += [figures_line(figures) for figures in result.figures]
    return "\n".join([*lines, *(f"note: {note}" for note in result.notes)])


def figures_line(figures: "LateFigures") -> str:
    """The figures on one pair of features and labels."""
    where = f"  features of {figures.features}, labels of {figures.labels}"
    if figures.roc_auc is None or figures.log_loss is None:
        return f"{where}: all labels are alike"
    return f"{where}: ROC-AUC {figures.roc_auc:.4f}, log-loss {figures.log_loss:.4f}"
