"""The section on the online store in SQLite, PostgreSQL and Redis, from the figures alone."""

from typing import Any

from benchmarks.online_page import about, verdict

AIM = 1.5
STORES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "redis": "Redis"}
WAYS = {
    "bare": "bare read of the same bytes: one row, one text",
    "rows": "ours: the row of every view, of one state, decoded",
    "reader": "ours, through `OnlineReader`, on-demand features too",
    "feast": "Feast's own store, through Feast's API",
}


def servers_section(results: dict[str, Any]) -> str:
    """One customer as Markdown: milliseconds by store and way, and our rows against a bare read."""
    ways = results["ways"]
    lines = ["| store | what | p50 ms | p99 ms | p99, least to most |", "| --- | --- | ---: | ---: | --- |"]
    ratios = []
    for kind, store in STORES.items():
        for way, words in WAYS.items():
            found = ways.get(f"{kind} {way}")
            if found:
                spread = f"{found['least_p99_ms']:.3f} to {found['most_p99_ms']:.3f}"
                lines.append(
                    f"| {store} | {words} | {found['p50_ms']:.3f} | {found['p99_ms']:.3f} | {spread} |"
                )
        if f"{kind} rows" in ways:
            ratios.append(ratio(store, ways[f"{kind} rows"], ways[f"{kind} bare"]))
    return f"""## One customer online: SQLite, PostgreSQL, Redis

    python -m benchmarks.online_servers

{about(results["machine"])} One process asks, our rows and the bare read by turns,
{results["repeats"]} repeats, medians. Ours hold {results["customers"]:,} customers, Feast's own stores
{results["customers_of_peers"]:,}, who are asked.

{chr(10).join(lines)}

Our rows against a bare read of the same bytes (aim: at most {AIM} at p99): {"; ".join(ratios)}."""


def ratio(store: str, rows: dict[str, float], bare: dict[str, float]) -> str:
    """The quotients of one store, at both quantiles."""
    middle, tail = (rows[name] / bare[name] for name in ("p50_ms", "p99_ms"))
    return f"{store} {middle:.1f} times at p50 and {tail:.1f} times at p99 ({verdict(tail <= AIM)})"
