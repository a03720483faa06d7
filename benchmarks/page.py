"""docs/benchmarks.md, from the figures alone."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.build_parts import FACTS, FEATURES
from benchmarks.figures import (
    STEPS,
    Shop,
    against_bare,
    busiest,
    extent,
    growth,
    middle,
    parts,
    same_work_against_bare,
)

SAME_WORK = (FACTS, FEATURES)
GIB = 1024**3
LINEAR = 1.1
BUSY_SHARE = 0.25
COMMANDS = {
    "ingest": "churn ingest shop/raw --home HOME",
    "build": "churn build --home HOME",
    "bare": "python -m benchmarks.bare_duckdb --raw HOME/raw/current --out TABLES",
    "features": "churn features --rows asked.parquet --out answered.parquet --home HOME",
    "score": "churn score --out scores.parquet --home HOME",
}


def page(results: dict[str, Any], others: Sequence[str] = ()) -> str:
    """The page as Markdown, with the sections of ``others``."""
    shops, machine = results["shops"], results["machine"]
    sections = [
        introduction(machine, shops),
        sizes(shops),
        steps(shops),
        baseline(shops, machine),
        losses(shops),
        *others,
        LIMITS,
    ]
    return "\n\n".join(sections) + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    head = list(head)
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *map(list, rows)])


def introduction(machine: dict[str, Any], shops: list[Shop]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    repeats = ", ".join(f"{len(shop['runs']['build'])} at {shop['customers']:,} customers" for shop in shops)
    return f"""# Benchmarks

Written by `make bench` (`python -m benchmarks.run`) on {machine["date"]} at commit
{machine["commit"]}; every single run is in `benchmarks/results.json`.

- Machine: {machine["system"]}, {machine["cores"]} cores, {machine["memory_bytes"] / GIB:.0f} GiB of memory.
- Versions: {versions}.
- dbt makes as many models at a time as its profile says (three, or `CHURN_DBT_THREADS`), the baseline
  {machine["threads"]} statements; DuckDB may use {machine["duckdb_memory_limit"]} before it spills to disk
  (`CHURN_MEMORY_LIMIT`).
- Repeats: {repeats}. A figure is the median; smallest and largest follow in brackets.

Machines like this one are noisy. Ratios within one run, of steps right after each other, count most; single
seconds least. The largest load average of the minute before any step was
{busiest(shops):.1f}{warning(shops, machine)}.

![Seconds, memory, and the parts of the build beside bare DuckDB](benchmarks.png)"""


def warning(shops: list[Shop], machine: dict[str, Any]) -> str:
    """What to make of the load: the step before leaves at most one for each core behind."""
    if busiest(shops) <= machine["cores"] * (1 + BUSY_SHARE):
        return " (the step before it counts in that)"
    return ": **other work was going on, take the seconds as provisional**"


def sizes(shops: list[Shop]) -> str:
    names = [("raw_rows", name) for name in shops[0]["raw_rows"]]
    names += [("built_rows", name) for name in shops[0]["built_rows"] if name.startswith(("feat_", "label_"))]
    rows = [[f"`{name}`", *(f"{shop[kind][name]:,}" for shop in shops)] for kind, name in names]
    return f"""## The data

The demo shop, seed 7 (`churn ingest --demo shop --customers N` makes the same): late rows, later versions,
cancellations. Rows of the raw tables, then of the tables that `churn build` makes of them:

{table(["table", *headings(shops)], rows)}"""


def headings(shops: list[Shop]) -> list[str]:
    return [f"{shop['customers']:,} customers" for shop in shops]


def steps(shops: list[Shop]) -> str:
    commands = "\n".join(f"    {command}" for command in COMMANDS.values())
    return f"""## Seconds and memory

{commands}

Each is a process of its own, from start to exit. CPU is user and system time of the process and its
children. Memory is the largest sum of resident memory over the process tree (`churn build` runs dbt in a
child), sampled every 50 ms.

{step_table(shops)}{growth_table(shops)}

{answered(shops)}"""


def step_table(shops: list[Shop]) -> str:
    rows = [
        [
            name,
            f"{shop['customers']:,}",
            seconds(shop, step),
            f"{middle(shop, step, 'cpu_seconds'):,.1f}",
            f"{middle(shop, step, 'peak_bytes') / GIB:,.2f} GiB",
        ]
        for step, name in STEPS.items()
        for shop in shops
    ]
    return table(["step", "customers", "seconds", "CPU seconds", "peak memory"], rows)


def seconds(shop: Shop, step: str) -> str:
    """Median, and the extent where there is one."""
    least, most = extent(shop, step, "seconds")
    spread = f" ({least:,.1f} to {most:,.1f})" if len(shop["runs"][step]) > 1 else ""
    return f"{middle(shop, step, 'seconds'):,.1f}{spread}"


def growth_table(shops: list[Shop]) -> str:
    if len(shops) < 2:
        return ""
    small, large = shops[0], shops[-1]
    measures = ("seconds", "cpu_seconds", "peak_bytes")
    rows = [
        [name, *(f"{growth(small, large, step, what):.1f}" for what in measures)]
        for step, name in STEPS.items()
    ]
    return f"""

How many times as much {large["customers"]:,} customers take as {small["customers"]:,}, which is
{large["customers"] / small["customers"]:.0f} times the customers (`features` is asked the same number of rows
of both):

{table(["step", "seconds", "CPU seconds", "peak memory"], rows)}"""


def answered(shops: list[Shop]) -> str:
    """Rows a second, and what training took."""
    lines = []
    for shop in shops:
        rate = shop["asked_rows"] / middle(shop, "features", "seconds")
        lines.append(
            f"- {shop['customers']:,} customers: `features` is asked {shop['asked_rows']:,} rows, each\n"
            "  a random customer at a random instant since registration; "
            f"all {shop['features']} features come back,\n  {rate:,.0f} rows a second, start-up included. "
            f"`score` scores the {shop['scored']:,} who are\n  eligible, each with reasons."
        )
        if shop["train"]:
            lines.append(
                f"- `churn train`, once before the first score: {shop['train']['seconds']:,.0f} s at "
                f"{shop['customers']:,} customers."
            )
    return "\n".join(lines)


def baseline(shops: list[Shop], machine: dict[str, Any]) -> str:
    return f"""## Against bare DuckDB

    {COMMANDS["build"]}
    {COMMANDS["bare"]}

The baseline makes the same four feature tables from the same accepted raw rows by hand-written SQL
(`benchmarks/bare_sql`): deltas by `union all`, `group by` instant, one sort, one pass, in slices of
customers, {machine["threads"]} statements at a time; no dbt, no tests, no labels, no docs. Then the row
counts of the four tables, and a checksum over every value in them, are compared with the build's: they were
the same, or this page would not have been written.

Parts of the build are dbt's own account of when each model and test ran; a moment in which two ran is divided
between them. "What both do" is staging, facts and feature tables, without the rest.

{table(["", *headings(shops)], baseline_rows(shops))}"""


def baseline_rows(shops: list[Shop]) -> list[list[str]]:
    return [
        *([f"build: {part}", *(f"{parts(shop)[part]:,.1f} s" for shop in shops)] for part in parts(shops[0])),
        ["build", *(f"{middle(shop, 'build', 'seconds'):,.1f} s" for shop in shops)],
        ["bare DuckDB", *(f"{middle(shop, 'bare', 'seconds'):,.1f} s" for shop in shops)],
        ["**build / bare, seconds**", *(f"**{against_bare(shop, 'seconds'):.2f}**" for shop in shops)],
        ["build / bare, CPU seconds", *(f"{against_bare(shop, 'cpu_seconds'):.2f}" for shop in shops)],
        ["build / bare, peak memory", *(f"{against_bare(shop, 'peak_bytes'):.2f}" for shop in shops)],
        [
            "what both do / bare, seconds",
            *(f"{same_work_against_bare(shop, SAME_WORK):.2f}" for shop in shops),
        ],
    ]


def losses(shops: list[Shop]) -> str:
    found = [line for shop in shops for line in (slower(shop), hungrier(shop)) if line]
    if len(shops) > 1:
        found += steeper(shops[0], shops[-1])
    text = "\n".join(f"- {line}" for line in found) or "Nowhere in what is measured here."
    return f"## Where we lose\n\n{text}"


def slower(shop: Shop) -> str | None:
    """How much slower than the baseline, and where the difference goes."""
    ratio = against_bare(shop, "seconds")
    if ratio <= 1:
        return None
    left_out = [f"{took:,.1f} s to {part}" for part, took in parts(shop).items() if part not in SAME_WORK]
    return (
        f"Time, {shop['customers']:,} customers: the build takes {ratio:.1f} times as long as SQL by hand.\n"
        f"  Of its {middle(shop, 'build', 'seconds'):,.1f} s go {', '.join(left_out)},\n"
        "  none of which the hand does; what both do takes "
        f"{same_work_against_bare(shop, SAME_WORK):.1f} times as long as by hand."
    )


def hungrier(shop: Shop) -> str | None:
    """How much more memory than the baseline."""
    ratio = against_bare(shop, "peak_bytes")
    if ratio <= 1:
        return None
    return (
        f"Memory, {shop['customers']:,} customers: the build's peak is {ratio:.1f} times that of SQL by hand."
    )


def steeper(small: Shop, large: Shop) -> list[str]:
    """Steps that grow faster than the number of customers."""
    times = large["customers"] / small["customers"]
    return [
        f"Growth: {name} takes {ratio:.1f} times the seconds for {times:.0f} times the customers."
        for step, name in STEPS.items()
        if (ratio := growth(small, large, step, "seconds")) > times * LINEAR
    ]


LIMITS = """## What this does not tell

One machine, made-up data, everything on one local disk, files in the system's cache after the first read.
Of other products only what is named here was run, in the versions named, as their documentation advises.
`make bench` repeats all of it on your machine: data goes to `CHURN_HOME/bench` and is used again; each
benchmark names its options with `--help`."""
