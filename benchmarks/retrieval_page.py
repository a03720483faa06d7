"""The section on point-in-time retrieval, from the figures alone."""

from typing import Any

from benchmarks.machine import measured_on
from benchmarks.page import GIB, table
from benchmarks.retrieval_figures import (
    ASKED_SERIES,
    FEAST_DUCKDB,
    FLOOR,
    HISTORY_SERIES,
    OURS,
    PEERS,
    TO_FILE,
    Answered,
    faster,
    leaner,
    middle,
    rate,
    ratio,
    series,
)

MEMORY_AIM = 6 * GIB
HOW = f"""Each peer answers in a process of its own and gives an Arrow table of the entity rows with four
features; by turns, so that the machine's moods meet all of them. The answers are compared with that of bare
DuckDB: rows, and for each feature its nulls, its sum and its sum weighted with the as-of instants. A
figure is the median of the repeats; a peer that takes long is run once. "Inside" counts from the files
to the answer, imports and Feast's `apply` left out; "process" counts all from start to exit, and so does
the memory.

- *{OURS}*: `get_historical_features(...).to_arrow()` with the offline store of `feature_store.yaml`,
  entity rows as a pandas frame; *{TO_FILE}*: the same job's `to_parquet(path)`, streamed.
- *Feast DuckDB*, *Feast Dask*: the same call with Feast's `duckdb` and `dask` stores.
- *polars*: `scan_parquet`, `join_asof(by="customer_id", strategy="backward", check_sortedness=False)`,
  `collect(engine="streaming")`; every file has its rows in order within a customer, which is what it
  needs.
- *pandas*: `merge_asof` of Arrow-backed frames (quicker here than objects, `string[pyarrow]` or
  categories); the history is sorted by instant only where the files are not.
- *DuckDB ASOF*: `asof left join` over both sets of files.
- *{FLOOR}*: the floor; DuckDB reads the same columns and keeps their maxima."""


def section(results: dict[str, Any]) -> str:
    """The section as Markdown, from its heading on."""
    questions = results["questions"]
    parts = [introduction(results["machine"]), HOW, *(one_question(one) for one in questions)]
    parts += [growth(results)]
    parts += [temporal(results["temporal"])] if "temporal" in results else []
    return "\n\n".join([*parts, losses(questions)]) + "\n"


def introduction(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return f"""## Point-in-time retrieval

Written by `python -m benchmarks.retrieval` on {measured_on(machine)}, with {versions}; every run is in
`benchmarks/retrieval.json`. Histories are made up, the same on any machine; asked are random customers at
random instants of the year, in the order of the instants.

![Seconds and memory of each peer, and how they grow](retrieval.png)"""


def one_question(question: Answered) -> str:
    """What every peer took for one question."""
    head = [
        "peer",
        "inside, s",
        "process, s",
        "CPU, s",
        "rows a second",
        "peak memory",
        "/ floor",
        "/ Feast DuckDB",
    ]
    rows = [peer_row(question, peer) for peer in PEERS if peer in question["runs"]]
    notes = [f"- {peer} was not run: {reason}." for peer, reason in question["not_run"].items()]
    notes += [f"- {peer} gives another answer: {how}{why(peer)}." for peer, how in question["differ"].items()]
    often = max(map(len, question["runs"].values()), default=0)
    few = [f"{peer} {len(runs)}" for peer, runs in question["runs"].items() if len(runs) < often]
    repeats = f"Repeats: {often}" + (f" ({', '.join(few)})" if few else "")
    return f"""### {question["name"].capitalize()}

{question["asked"]:,} entity rows, {question["rows"]:,} feature rows ({question["customers"]:,} customers,
{question["rows_each"]} rows each), files sorted {question["layout"]}. {repeats}.

{table(head, rows)}""" + ("\n\n" + "\n".join(notes) if notes else "")


def why(peer: str) -> str:
    """Where it is told why a peer's answer differs."""
    return " ([why](feast-differences.md))" if peer.startswith("Feast") else ""


def peer_row(question: Answered, peer: str) -> list[str]:
    return [
        f"**{peer}**" if peer == OURS else peer,
        shown(middle(question, peer, "inner_seconds"), ".2f"),
        shown(middle(question, peer, "seconds"), ".1f"),
        shown(middle(question, peer, "cpu_seconds"), ".1f"),
        "" if peer == FLOOR else shown(rate(question, peer), ",.0f"),
        f"{(middle(question, peer, 'peak_bytes') or 0) / GIB:.2f} GiB",
        shown(ratio(question, peer, FLOOR), ".1f"),
        shown(ratio(question, peer, FEAST_DUCKDB), ".2f"),
    ]


def shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def growth(results: dict[str, Any]) -> str:
    """How seconds grow with the entity rows and with the history."""
    return f"""### Growth

Seconds inside, ten times as many entity rows from one column to the next, the history the same:

{growth_table(results, ASKED_SERIES, "asked")}

Ten times as many feature rows (customers) from one column to the next, the entity rows the same:

{growth_table(results, HISTORY_SERIES, "rows")}"""


def growth_table(results: dict[str, Any], names: tuple[str, ...], size: str) -> str:
    found = {peer: dict(series(results, names, size, peer)) for peer in PEERS}
    sizes = sorted({number for of_peer in found.values() for number in of_peer})
    rows = [
        [peer, *(shown(of_peer.get(number), ".2f") for number in sizes)]
        for peer, of_peer in found.items()
        if of_peer
    ]
    return table(["peer", *(f"{number:,}" for number in sizes)], rows)


def temporal(found: dict[str, Any]) -> str:
    """All features of a real build."""
    tables = ", ".join(f"{rows:,} of `{name}`" for name, rows in found["tables"].items())
    rows = [
        [
            way,
            shown(middle(found, way, "inner_seconds"), ".1f"),
            shown(middle(found, way, "seconds"), ".1f"),
            f"{found['asked'] / (middle(found, way, 'inner_seconds') or 1):,.0f}",
            f"{(middle(found, way, 'peak_bytes') or 0) / GIB:.2f} GiB",
            str(runs[0]["columns"]),
        ]
        for way, runs in found["runs"].items()
    ]
    often = max(map(len, found["runs"].values()))
    head = ["to Parquet by", "inside, s", "process, s", "rows a second", "peak memory", "columns"]
    return f"""### All features of a shop

{found["asked"]:,} entity rows of the demo shop's temporal tables
({tables}),
every feature, on-demand ones included; the aim is to stay below {MEMORY_AIM / GIB:.0f} GiB. Repeats: {often}.

{table(head, rows)}"""


def losses(questions: list[Answered]) -> str:
    """Every question and peer that does better than ours."""
    lines = [
        f"- {question['name'].capitalize()}: ours takes {times:.1f} times the {what} of {peer}."
        for question in questions
        for what, better in (("seconds", faster(question)), ("memory", leaner(question)))
        for peer, times in better.items()
    ]
    return "### Where ours loses\n\n" + ("\n".join(lines) or "Nowhere in what is measured here.")
