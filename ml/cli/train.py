"""``churn train``."""

import sys
from typing import Any

import click

from ml.cli.command import Run, churn_command, exit_unless_better_than_chance, labels_option, problem_option

DIFFERENCES_SHOWN = 10


@click.command()
@problem_option
@labels_option
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
@click.option(
    "--repeat", metavar="MODEL", help="Train MODEL once more from its record, and compare; keeps nothing."
)
@churn_command
def command(
    run: Run,
    problem: str | None,
    labels: str | None,
    seed: int | None,
    promote: str,
    tracking: str | None,
    repeat: str | None,
) -> None:
    """Choose, calibrate and save a model.

    Candidates are tried in folds by time: two within the training part, where settings are searched as well,
    and one that is scored on the first half of the validation customers. The best by the problem's metric is
    chosen, or a simpler one that is as good. It is refitted on the training part plus that first half; the
    other half calibrates it and sets the threshold. The test part is read once, at the end.

    Where there is a champion already, the new model takes its place only when it is better on the same later
    cut-offs, with an interval of the difference that excludes zero; else it is kept as challenger.

    With --labels the model learns from the rows of a file: customer_id, event_timestamp and label (0 or 1),
    at any instants. They are split by shares of rows, in the order of time, and kept with the model.

    With --repeat a model is trained once more on its build with its problem and seed; the status is 1 when
    any figure or test probability is not what it was.

    If the champion is the churn rate alone, or the 95 % interval of its ROC-AUC on the test part is not above
    0.5, the model is saved with its evidence but gives no scores, and the status is 1.

    \b
    Example:
      churn train
      churn train --labels cancellations.csv
      churn train --repeat model-000001
    """
    if repeat is not None:
        if problem or labels or seed is not None or tracking:
            raise click.UsageError(
                "--repeat takes problem, labels and seed from the record: leave the others out"
            )
        run_repeat(run, repeat)
        return
    from ml.train import train

    result = train(
        home=run.home,
        problem=problem,
        labels=labels,
        seed=seed,
        promotion=promote,
        tracking=tracking,
        progress=run.progress,
    )
    run.finish(result, summary(result))
    exit_unless_better_than_chance(result["better_than_chance"])


def run_repeat(run: Run, model: str) -> None:
    """Train a model again from its manifest; exit with status 1 if the result differs."""
    from ml.train.repeat import repeat

    result = repeat(model, home=run.home, progress=run.progress)
    run.finish(result, repeat_summary(result))
    sys.exit(0 if result["same"] else 1)


def repeat_summary(result: dict[str, Any]) -> str:
    """Whether the second training gave the same result, and the differences."""
    head = f"{result['model_version']} repeated on {result['build_id']} with seed {result['seed']}"
    changed = [f"  changed since: {name} {old}, now {new}" for name, (old, new) in result["changed"].items()]
    if result["same"]:
        size = result["compared"]
        same = f"{size['values']:,} values and {size['probabilities']:,} test probabilities are the same"
        return "\n".join([f"{head}: {same}", *changed])
    differences = result["differences"]
    more = (
        [f"  and {len(differences) - DIFFERENCES_SHOWN} more"] if len(differences) > DIFFERENCES_SHOWN else []
    )
    lines = [f"  {difference}" for difference in differences[:DIFFERENCES_SHOWN]]
    return "\n".join([f"{head} is NOT the same:", *lines, *more, *changed])


def burn_in_line(result: dict[str, Any]) -> list[str]:
    """The first cut-offs, where nobody learns from them."""
    cutoffs = result["split"]["burn_in"]["cutoffs"]
    rows = result["labelled_rows"]["burn_in"]
    line = f"  {'burn-in':<12}{rows:>10,} rows at the first {cutoffs} cut-offs, not learned from"
    return [line] if cutoffs else []


def settled_line(result: dict[str, Any]) -> list[str]:
    """What the model that scores learned from, where that is more than what it was judged with."""
    if "judged" not in result:
        return []
    learned = result["learned"]
    return [f"at last learned from all {learned['rows']:,} settled rows, up to the cut-off {learned['last']}"]


def summary(result: dict[str, Any]) -> str:
    """Parts, candidates and champion in a few lines."""
    from ml.evaluate.metric_names import answer_of_amounts
    from ml.featurestore.attributes import note

    lines = [f"{result['build_id']}, data clock {result['data_clock']}", ""]
    lines += own_labels(result)
    lines += [part_line(name, facts) for name, facts in result["parts"].items()]
    lines += burn_in_line(result)
    lines += sampling_notes(result)
    folds = len(result["folds"])
    judged = result.get("judged", result)["learned"]
    over = f"over {folds} folds by time" if folds > 1 else "on the selection rows"
    lines += ["", f"chosen by {result['problem']['metric']} {over}, simplest first:"]
    lines += [candidate_line(row) for row in result["selection"]]
    lines += [tuning_line(row) for row in result["tuning"]]
    lines += [
        f"then refitted from {judged['rows']:,} rows, those of train and selection, and judged",
        *settled_line(result),
        "",
    ]
    if result["problem"]["task"] == "regression":
        lines += [f"{result['model_version']} saved: {result['champion']}", answer_of_amounts(result)]
    else:
        threshold = f"threshold {result['threshold']:.4f}"
        lines += [f"{result['model_version']} saved: {result['champion']}, {threshold}"]
        lines += money_lines(result)
    lines += [leakage_note(row, result["problem"]["task"]) for row in result["suspects"]]
    lines += [note(result["undated"])] if result["undated"] else []
    if not result.get("threshold_rule_met", True):
        from ml.decision.threshold import unmet_rule

        lines.append(f"note: {unmet_rule(result['problem']['threshold']['rule'])}")
    return "\n".join([*lines, *promotion_lines(result)])


def own_labels(result: dict[str, Any]) -> list[str]:
    """A line about the user's own labels, if there are any."""
    if "labels" not in result:
        return []
    labels, left_out = result["labels"], result["labelled_rows"]["left_out"]
    return [
        f"labels of {labels['file']}: {labels['rows']:,} rows at {labels['instants']:,} instants, "
        f"{left_out:,} of them left out between the parts"
    ]


def money_lines(result: dict[str, Any]) -> list[str]:
    """The profit of the flagged customers on the test part, beside the simple policies."""
    from ml.decision.contact_profit import shortfalls

    decision = result["test"]["decision"]
    even = decision["break_even"]
    pays = "no contact pays" if even is None else f"a contact pays from {even:.1%} on"
    rule, everyone = result["problem"]["threshold"]["rule"], decision["profit_of_everyone"]
    lines = [
        f"by {rule} it lists {decision['listed_share']:.1%} of the test rows and earns "
        f"{decision['profit']:,.0f}; contacting everyone {everyone:,.0f}, no one 0; {pays}"
    ]
    return lines + [
        f"note: {shortfall}" for shortfall in shortfalls(decision["profit"], decision["profit_of_everyone"])
    ]


def leakage_note(row: dict[str, Any], task: str) -> str:
    """A note on a leakage suspect."""
    what = "whose amount is above the median" if task == "regression" else "who churned"
    return (
        f"note: {row['feature']} alone tells {what} (ROC-AUC {row['roc_auc']:.3f} on training rows): "
        "perhaps it is known only later, and then this model is worth nothing; 'churn explore' shows it"
    )


def tuning_line(row: dict[str, Any]) -> str:
    """The result of the search for better settings of one candidate."""
    result = f"{row['before']:.4f} to {row['after']:.4f}" if row["settings"] else "nothing better"
    short = "; cut short by tuning.seconds, so another run may find more" if row["cut_short"] else ""
    return f"  tuned {row['candidate']}: {row['trials']} trials within training, {result}{short}"


def promotion_lines(result: dict[str, Any]) -> list[str]:
    """The promotion decision, and where the model is recorded."""
    model, promotion = result["model_version"], result["promotion"]
    state = "is the champion now" if promotion["promoted"] else "stays a challenger"
    lines = [f"{model} {state}: {promotion['why']}"]
    if promotion["promoted"]:
        lines.append("'churn evaluate' shows how it did on the test part")
    else:
        lines.append(f"{promotion['against']} remains the champion; '--promote always' would replace it")
    if result["record"]["error"] is None:
        lines.append(f"recorded in {result['record']['tracking']}")
    return lines


def part_line(name: str, facts: dict[str, Any]) -> str:
    size = f"{facts['rows']:>10,} rows {facts['customers']:>9,} customers"
    rate = (
        f"churn rate {facts['base_rate']:.3f}"
        if "base_rate" in facts
        else f"mean amount {facts['mean']:,.2f}"
    )
    return f"  {name:<12}{size}  {rate}"


def sampling_notes(result: dict[str, Any]) -> list[str]:
    """A note for each part that was sampled."""
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
