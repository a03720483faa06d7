"""docs/training.md from benchmarks/training.json."""

from typing import Any

GIB = 1024**3


def page(results: dict[str, Any]) -> str:
    """The page."""
    told, boosted, every = results["machine"], results["boosted"], results["every"]
    return f"""# What training costs

Written by `make bench` (`python -m benchmarks.training`) on {told["date"]}, {told["cores"]} cores,
{told["memory_bytes"] / GIB:.0f} GiB of memory, xgboost-cpu {told["versions"]["xgboost-cpu"]}; every figure
is in `benchmarks/training.json`. One run each, each in a process of its own, on made-up rows; the whole
process makes the rows as well, the peak is its largest resident memory.

## The boosted candidates on {boosted["rows"]:,} rows of {boosted["features"]} features

Preparation, a fit that learns from a later part when to stop, and the fit on all rows, one after the other.

{table(boosted)}

## Every candidate on {every["rows"]:,} rows of {every["features"]} features

With their usual settings, not tuned, in three folds by time: what `churn train` does before it tunes.

{table(every)}
"""


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
