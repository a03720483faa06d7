"""docs/increments.md, from the figures alone."""

from typing import Any

from benchmarks.machine import measured_on
from benchmarks.page import GIB, table

AIM = 0.1
KINDS = ("increment", "full")


def page(results: dict[str, Any]) -> str:
    """The page as Markdown."""
    sections = [introduction(results["machine"]), extracts(results["extracts"])]
    sections += [one_day(results["days"])] if results["days"] else []
    return "\n\n".join(sections) + "\n"


def introduction(machine: dict[str, Any]) -> str:
    return f"""# Builds of new facts alone

Written by `make bench` (`python -m benchmarks.increments`) on {measured_on(machine)},
DuckDB {machine["versions"]["duckdb"]}, dbt
{machine["versions"]["dbt-core"]}; every figure is in `benchmarks/increments.json`."""


def extracts(found: dict[str, Any]) -> str:
    rows = [extract_row(step) for step in found["steps"]]
    whole = found["against_full"]
    verdict = f"these differ: {', '.join(whole['differing'])}" if whole["differing"] else "no table differs"
    head = ["extract", "rows read", "touched", "kind", "history cells", "rows moved", "seconds"]
    return f"""## Five extracts

A shop of {found["customers"]:,} customers as it stood at five instants. Each extract holds all rows known by
then, so most come again word for word; each is loaded with `--append` and built. "History cells" are the
feature cells up to the data clock of the build before, "rows moved" those that only one of the two has.

{table(head, rows)}

The last of these builds against a full build of the last extract in a home of its own: {whole["cells"]:,}
cells of features and labels, {verdict}."""


def extract_row(step: dict[str, Any]) -> list[str]:
    said, past = step["said"], step.get("history")
    return [
        step["extract"],
        f"{sum(counts['read'] for counts in step['loaded'].values()):,}",
        f"{said['touched']:,}" if "touched" in said else "everyone",
        said["kind"],
        f"{past['cells']:,}" if past else "",
        f"{past['moved']:,}" if past else "",
        f"{step['took']['seconds']:.1f}",
    ]


def one_day(days: list[dict[str, Any]]) -> str:
    head = ["", *(f"{day['customers']:,} customers" for day in days)]
    rows = [
        ["new order versions", *(f"{day['facts']['orders']:,}" for day in days)],
        ["all new rows", *(f"{sum(day['facts'].values()):,}" for day in days)],
        ["customers touched", *(f"{day['increment']['said']['touched']:,}" for day in days)],
    ]
    for unit, field in (("seconds", "seconds"), ("CPU seconds", "cpu_seconds")):
        for name in ("full", "increment", "full, start-up", "increment, start-up"):
            rows.append([f"{name}, {unit}", *(f"{took(day, name)[field]:,.1f}" for day in days)])
    for name in ("full", "increment"):
        rows.append([f"{name}, peak GiB", *(f"{took(day, name)['peak_bytes'] / GIB:.2f}" for day in days)])
    rows += [
        ["**increment / full, seconds**", *(f"**{ratio(day, 'seconds'):.3f}**" for day in days)],
        ["**increment / full, CPU seconds**", *(f"**{ratio(day, 'cpu_seconds'):.3f}**" for day in days)],
        ["cells compared", *(f"{day['against_full']['cells']:,}" for day in days)],
        ["tables that differ", *(str(len(day["against_full"]["differing"])) for day in days)],
    ]
    return f"""## One day on top of two years

The shop up to 2024-12-30, then what became known on that day alone. "Start-up" is the same build over the
shop of five customers: what dbt and Python take by themselves, mostly the starting of a hundred models and
tests. The ratios count the work without it; the aim is {AIM} at 500,000 customers. Runs of
which the median is given: {len(days[0]["all_seconds"]["full"])}.

{table(head, rows)}"""


def took(day: dict[str, Any], name: str) -> dict[str, Any]:
    """What one kind of build took, with all it starts."""
    kind, _, start_up = name.partition(", ")
    measured: dict[str, Any] = day["start_up"][kind] if start_up else day[kind]["took"]
    return measured


def ratio(day: dict[str, Any], field: str) -> float:
    """The work of the increment by that of the full build, start-up left out of both."""
    increment, full = (took(day, kind)[field] - took(day, f"{kind}, start-up")[field] for kind in KINDS)
    return increment / full
