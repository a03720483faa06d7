"""The sections on online reads and on materialization, from the figures alone."""

from typing import Any

from benchmarks.machine import measured_on

GIB = 1024**3
NAMES = {
    "sqlite": "Feast's SQLite store",
    "redis": "Feast's Redis store",
    "api": "ours, through Feast's API",
    "reader": "ours, through `OnlineReader`",
}
READ_AIM, READ_MANY_AIM, WRITE_AIM = 1.0, 5.0, 10.0


def online_section(results: dict[str, Any]) -> str:
    """Reads as Markdown: milliseconds by store and number of customers, and the two ratios aimed at."""
    sizes = results["sizes"]
    lines = ["| customers a request | store | p50 ms | p99 ms |", "| --- | --- | ---: | ---: |"]
    for size, stores in sizes.items():
        for kind, found in stores.items():
            lines.append(f"| {int(size):,} | {NAMES[kind]} | {found['p50_ms']:.2f} | {found['p99_ms']:.2f} |")
    one, many = sizes["1"], sizes["1000"]
    tail = one["api"]["p99_ms"] / one["sqlite"]["p50_ms"]
    faster = many["sqlite"]["p50_ms"] / many["api"]["p50_ms"]
    return f"""## Online reads

    python -m benchmarks.online

{about(results["machine"])} Every feature, on-demand ones included, as a dictionary; ours holds
{results["customers"]:,} customers, Feast's own stores {results["customers_of_peers"]:,}. The same customers
are asked of all, in processes of their own, by turns ({results["repeats"]} each, medians).

{chr(10).join(lines)}

One customer: our 99th percentile is {tail:.2f} times the median of Feast's SQLite store
({verdict(tail <= READ_AIM)}: at most {READ_AIM:.0f}). 1,000 customers: {faster:.1f} times faster at the
median ({verdict(faster >= READ_MANY_AIM)}: at least {READ_MANY_AIM:.0f})."""


def materialization_section(results: dict[str, Any]) -> str:
    """Materialization as Markdown: seconds and memory, the ratio aimed at, and what increments take."""
    whole, customers = results["whole"], results["customers"]
    lines = [
        "| what | customers | seconds | spread | customers/s | peak GiB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, found in whole.items():
        kind, _, size = name.partition(" ")
        what = {"own": "`churn materialize`", "feast": "ours, through Feast's API"}.get(kind) or NAMES[kind]
        lines.append(row(what, int(size or customers), found))
    told = [scaled_line(results, kind) for kind in results["scaled"]]
    steps = ["| since | rows written | share | seconds | spread |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, found in results["increments"].items():
        share = found["rows"] / found["rows_of_all"]
        seconds = found["seconds"]
        steps.append(
            f"| {name} | {found['rows']:,} | {share:.1%} | {seconds['median']:.1f} | {between(seconds)} |"
        )
    return f"""## Materialization

    python -m benchmarks.materialization

{about(results["machine"])} The whole catalogue, whole processes with their start-up,
{results["repeats"]} each, medians.

{chr(10).join(lines)}

{chr(10).join(told)}

What is written when some time has passed, in the same build:

{chr(10).join(steps)}

{day_line(results["day"])}"""


def day_line(day: dict[str, Any]) -> str:
    """A day's facts in a build of their own: the increment beside everybody."""
    added, everybody = (day[name]["seconds"] for name in ("increment", "everybody"))
    rows, of_all = day["increment"]["rows"], day["increment"]["rows_of_all"]
    return (
        f"A day's new facts, ingested and built on top of two years: {rows:,} of {of_all:,} rows"
        f" ({rows / of_all:.1%}) are written in {added['median']:.1f} s ({between(added)}), everybody's in"
        f" {everybody['median']:.1f} s ({between(everybody)})."
    )


def scaled_line(results: dict[str, Any], kind: str) -> str:
    """What the parts say of the whole, and the ratio."""
    customers, found = results["customers"], results["scaled"][kind]
    ratio = found["seconds"] / results["whole"]["own"]["seconds"]["median"]
    through = found["seconds"] / results["whole"]["feast"]["seconds"]["median"]
    aim = f" ({verdict(ratio >= WRITE_AIM)}: at least {WRITE_AIM:.0f})" if kind == "sqlite" else ""
    small, large = results["parts"]
    return (
        f"{NAMES[kind]} was measured at {small:,} and {large:,} customers; from one to the other its time"
        f" grew {found['linearity']:.2f} times as much as the customers. Scaled to {customers:,}, the smaller"
        f" of proportion and straight line: {found['seconds']:,.0f} s, {ratio:.1f} times"
        f" `churn materialize`{aim}, {through:.1f} times ours through Feast's API."
    )


def row(what: str, customers: int, found: dict[str, Any]) -> str:
    seconds, memory = found["seconds"], found["peak_bytes"]["median"] / GIB
    return (
        f"| {what} | {customers:,} | {seconds['median']:.1f} | {between(seconds)} |"
        f" {customers / seconds['median']:,.0f} | {memory:.2f} |"
    )


def between(found: dict[str, float]) -> str:
    return f"{found['least']:.1f} to {found['most']:.1f}"


def about(machine: dict[str, Any]) -> str:
    return f"Measured on {measured_on(machine)}, Python {machine['versions']['python']}."


def verdict(is_kept: bool) -> str:
    return "aim kept" if is_kept else "aim missed"
