"""``churn evaluate``."""

from typing import Any

import click

from ml.cli.run import Run, churn_command


@click.command()
@click.option("--problem", type=click.Path(dir_okay=False), help="Problem file (default problem.yml).")
@click.option("--plots", type=click.Path(file_okay=False), help="Folder for reliability.png and gain.png.")
@churn_command
def command(run: Run, problem: str | None, plots: str | None) -> None:
    """The held-out report.

    What every candidate did on the test part when the champion was trained, with 95 % intervals drawn by
    customer, and whether the champion beats the recency rule. Nothing is tried on the test part again.

    \b
    Example:
      churn evaluate --plots report
    """
    from ml.evaluate import evaluate

    result = evaluate(plots=plots, home=run.home, problem=problem, progress=run.progress)
    run.finish(result, summary(result))


def summary(result: dict[str, Any]) -> str:
    """The report as text."""
    from ml.evaluate import LABELS

    test, span = result["test"], result["split"]["test"]
    size = f"{test['rows']:,} rows of {test['customers']:,} customers"
    lines = [
        f"{result['model_version']} ({result['champion']}), trained on {result['build_id']}",
        f"test part: {span['cutoffs']} cut-offs from {span['first']} to {span['last']}, {size}, "
        f"churn rate {test['base_rate']:.3f}",
        "",
        *metric_table(test["candidates"], result["champion"], LABELS),
        "",
        decision_line(result["threshold"], test["decision"]),
        *result["verdict"],
        *(f"wrote {file}" for file in result["plots"]),
    ]
    return "\n".join(lines)


def metric_table(candidates: dict[str, Any], champion: str, labels: dict[str, str]) -> list[str]:
    """One block a metric, one line a candidate, with its interval."""
    lines = []
    for metric, label in labels.items():
        lines.append(label)
        for name, metrics in candidates.items():
            found = metrics[metric]
            mark = "  champion" if name == champion else ""
            interval = f"[{found['low']:.4f}, {found['high']:.4f}]"
            lines.append(f"  {name:<22}{found['value']:>8.4f}  {interval}{mark}")
    return lines


def decision_line(threshold: float, decision: dict[str, Any]) -> str:
    """What the threshold does."""
    precision = "no one" if decision["precision"] is None else f"{decision['precision']:.1%} of them churned"
    return (
        f"threshold {threshold:.4f} lists {decision['listed_share']:.1%} of the customers; {precision}; "
        f"it finds {decision['recall']:.1%} of the churners"
    )
