"""docs/training.md from benchmarks/training.json, reasons.json, truth.json and origins.json."""

from typing import Any

from benchmarks.machine import measured_on

GIB = 1024**3


def page(
    results: dict[str, Any], reasons: dict[str, Any], truth: dict[str, Any], origins: dict[str, Any]
) -> str:
    """The page."""
    told, boosted, every = results["machine"], results["boosted"], results["every"]
    return f"""# What training costs

Written by `make bench` (`python -m benchmarks.training`) on {measured_on(told)},
xgboost-cpu {told["versions"]["xgboost-cpu"]}; every figure is in
`benchmarks/training.json`. One run each, each in a process of its own, on made-up rows; the whole process
makes the rows as well, the peak is its largest resident memory.

## The boosted candidates on {boosted["rows"]:,} rows of {boosted["features"]} features

Preparation, a fit that learns from a later part when to stop, and the fit on all rows, one after the other.

{table(boosted)}

## Every candidate on {every["rows"]:,} rows of {every["features"]} features

With their usual settings, not tuned, in three folds by time and anew from all rows: `churn train` without a
search for settings.

{table(every)}

## Scores with reasons

Probability, decision, band and three reasons in words of {reasons["customers"]:,} customers with
{reasons["features"]} features, in memory, by models of {reasons["training_rows"]:,} rows; the median of
{reasons["repeats"]} runs (`python -m benchmarks.reasons`, {reasons["machine"]["date"]} at commit
{reasons["machine"]["commit"]}). Values alone are the Shapley values before they become words; beside them the
library's own, on all threads.

{reasons_table(reasons["kinds"])}

## How far from the truth

A simulated shop's true churn probabilities lie beside its data. They order customers as well as anything can
on average; on one test part labels come by chance, so the lead of the truth has an interval, from paired
replicates that draw customers. The expected lead is free of that chance: each row counts as a churner by its
true probability. Shops of {truth["customers"]:,} customers, the champion that `churn train` chooses
(`python -m benchmarks.truth`, {truth["machine"]["date"]} at commit {truth["machine"]["commit"]}):

{truth_table(truth["shops"])}

## What the final fit is worth

The model that scores learns from every settled row, without the burn-in, and is calibrated only where that
helped in earlier periods
([decision record](adr/0024-the-model-that-scores-learns-all-that-is-settled.md)). Here the whole training is
done as of earlier instants, 28 days apart, with and without all that (before: the judged model, calibrated by
a line), and both score the customers of the cut-offs that followed. Candidates, not tuned:
{", ".join(origins["candidates"])}. Shops of {origins["customers"]:,} customers; the season swings
by 40 %, in the drift orders fall by a third a year and customers leave 1.8 times as fast in the second year.
Now minus before, with 95 % intervals drawn by customer (`{origins_command(origins["worlds"])}`,
{origins["machine"]["date"]} at commit {origins["machine"]["commit"]}):

{origins_table(origins["worlds"])}
"""


def reasons_table(kinds: dict[str, dict[str, int]]) -> str:
    """One line a kind of model."""
    lines = [
        "|  | customers a second | values alone | by the library |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, rates in kinds.items():
        own = f"{rates['values_of_the_library']:,}" if "values_of_the_library" in rates else ""
        lines.append(f"| {name} | {rates['with_reasons']:,} | {rates['values']:,} | {own} |")
    return "\n".join(lines)


def origins_command(worlds: list[dict[str, Any]]) -> str:
    """What measures the same worlds again."""
    seeds = ",".join(str(seed) for seed in sorted({world["seed"] for world in worlds if world["seed"]}))
    return f"python -m benchmarks.origins --seeds {seeds}"


def origins_table(worlds: list[dict[str, Any]]) -> str:
    """One line a world."""
    lines = [
        "| world | seed | origins | rows | ROC-AUC before | change | log-loss before | change | ECE before "
        "| change |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for world in worlds:
        before = world["measures"]["before"]
        cells = [world["world"], world["seed"] or "", len(world["origins"]), f"{world['rows']:,}"]
        for metric in ("roc_auc", "log_loss", "ece"):
            change = world["change"][metric]
            cells.append(f"{before[metric]['value']:.4f}")
            cells.append(f"{change['value']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}]")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def truth_table(shops: list[dict[str, Any]]) -> str:
    """One line a shop, then the mean."""
    lines = [
        "| seed | champion | ROC-AUC | of the truth | lead of the truth | expected lead |",
        "| ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for shop in shops:
        auc, gap = shop["auc"], shop["gap"]
        lines.append(
            f"| {shop['seed']} | {shop['champion']} | {auc['model']:.4f} | {auc['truth']:.4f} | "
            f"{gap['value']:.4f} [{gap['low']:.4f}, {gap['high']:.4f}] | {shop['expected_gap']:.4f} |"
        )
    means = [sum(values) / len(shops) for values in zip(*map(figures, shops), strict=True)]
    model, true, gap, expected = means
    return "\n".join([*lines, f"| mean |  | {model:.4f} | {true:.4f} | {gap:.4f} | {expected:.4f} |"])


def figures(shop: dict[str, Any]) -> tuple[float, float, float, float]:
    """What is averaged over shops."""
    return shop["auc"]["model"], shop["auc"]["truth"], shop["gap"]["value"], shop["expected_gap"]


def table(job: dict[str, Any]) -> str:
    """Seconds by candidate, then the whole process."""
    took = job["took"]
    lines = ["|  | seconds |", "| --- | ---: |"]
    lines += [f"| {name} | {seconds:,.1f} |" for name, seconds in job["seconds"].items()]
    lines += [
        f"| **whole process** | **{took['seconds']:,.1f}** |",
        f"| CPU | {took['cpu_seconds']:,.1f} |",
        f"| peak GiB | {took['peak_bytes'] / GIB:.2f} |",
        f"| load average before | {took['load_before']:.1f} |",
    ]
    return "\n".join(lines)
