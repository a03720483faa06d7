"""``churn train``."""

from typing import Any

import click

from ml.cli.run import Run, churn_command


@click.command()
@click.option("--problem", type=click.Path(dir_okay=False), help="Problem file (default problem.yml).")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed (default: the problem's).")
@click.option(
    "--promote",
    type=click.Choice(["better", "always"]),
    default="better",
    show_default=True,
    help="When the new model takes the champion's place.",
)
@click.option(
    "--tracking",
    metavar="URL",
    help="MLflow server to record to (default $MLFLOW_TRACKING_URI, else mlflow.db in the home).",
)
@churn_command
def command(run: Run, problem: str | None, seed: int | None, promote: str, tracking: str | None) -> None:
    """Choose, calibrate and save a model.

    Candidates are fitted on the training part. One half of the validation customers chooses among them by the
    problem's metric, the simpler one when two are as good; the other half calibrates and sets the threshold.
    The test part is read once, at the end.

    Where there is a champion already, the new model takes its place only when it is better on the same later
    cut-offs by an interval that excludes zero; else it is kept as challenger.

    \b
    Example:
      churn train
    """
    from ml.train import train

    result = train(
        home=run.home,
        problem=problem,
        seed=seed,
        promotion=promote,
        tracking=tracking,
        progress=run.progress,
    )
    run.finish(result, summary(result))


def summary(result: dict[str, Any]) -> str:
    """Parts, candidates and champion in a few lines."""
    lines = [f"{result['build_id']}, data clock {result['data_clock']}", ""]
    lines += [part_line(name, facts) for name, facts in result["parts"].items()]
    lines += sampled(result)
    lines += ["", f"chosen by {result['problem']['metric']} on the selection rows, simplest first:"]
    lines += [candidate_line(row) for row in result["selection"]]
    lines += [
        "",
        f"{result['model_version']} saved: {result['champion']}, threshold {result['threshold']:.4f}",
    ]
    if not result["threshold_rule_met"]:
        lines.append("note: no threshold meets the rule on the calibration rows; the nearest one was taken")
    return "\n".join([*lines, *standing(result)])


def standing(result: dict[str, Any]) -> list[str]:
    """Whether the model is champion now, and where it is recorded."""
    model, promotion = result["model_version"], result["promotion"]
    place = "is the champion now" if promotion["promoted"] else "stays a challenger"
    lines = [f"{model} {place}: {promotion['why']}"]
    if promotion["promoted"]:
        lines.append("'churn evaluate' shows how it did on the test part")
    else:
        lines.append(f"{promotion['against']} remains the champion; '--promote always' would replace it")
    if result["record"]["error"] is None:
        lines.append(f"recorded in {result['record']['tracking']}")
    return lines


def part_line(name: str, facts: dict[str, Any]) -> str:
    size = f"{facts['rows']:>10,} rows {facts['customers']:>9,} customers"
    return f"  {name:<12}{size}  churn rate {facts['base_rate']:.3f}"


def sampled(result: dict[str, Any]) -> list[str]:
    """A note for each part of which only a sample was read."""
    most, labelled = result["problem"]["training_rows_max"], result["labelled_rows"]
    return [
        f"  note: {most:,} of {labelled[part]:,} {part} rows, drawn by a seeded hash (training_rows_max)"
        for part in ("train", "validation", "test")
        if labelled[part] > most
    ]


def candidate_line(row: dict[str, Any]) -> str:
    mark = "champion" if row["champion"] else "best" if row["best"] else ""
    error = f"(standard error to the best {row['standard_error_to_best']:.4f})"
    return f"  {row['candidate']:<22}{row['value']:>9.4f}  {error}  {mark}".rstrip()
