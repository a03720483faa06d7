"""Medians, rates and ratios from measured retrievals; page and plot read them here."""

from statistics import median
from typing import Any

FLOOR, OURS, TO_FILE = "scan", "ours", "ours to Parquet"
FEAST_DUCKDB, FEAST_DASK, REFERENCE = "Feast DuckDB", "Feast Dask", "DuckDB ASOF"
PEERS = (OURS, TO_FILE, FEAST_DUCKDB, FEAST_DASK, "polars", "pandas", REFERENCE, FLOOR)
LONG = "long histories"
ASKED_SERIES = ("a hundredth of the entity rows", "a tenth of the entity rows", LONG)
HISTORY_SERIES = ("a hundredth of the histories", "a tenth of the histories", LONG)
Answered = dict[str, Any]


def named(results: dict[str, Any], name: str) -> Answered | None:
    """One question, if it was asked."""
    return next((one for one in results["questions"] if one["name"] == name), None)


def middle(question: Answered, peer: str, what: str) -> float | None:
    """Median over the repeats of one peer; None where it was not run."""
    runs = question["runs"].get(peer)
    return median(run[what] for run in runs) if runs else None


def ratio(question: Answered, peer: str, other: str, what: str = "inner_seconds") -> float | None:
    """Median over the repeats of peer / other, each pair from the same repeat; None where one was not run.

    A peer that was repeated less often is compared in the repeats that it has.
    """
    pairs = zip(question["runs"].get(peer, ()), question["runs"].get(other, ()), strict=False)
    ratios = [one[what] / two[what] for one, two in pairs]
    return median(ratios) if ratios else None


def rate(question: Answered, peer: str) -> float | None:
    """Entity rows a second, start-up left out."""
    took = middle(question, peer, "inner_seconds")
    return question["asked"] / took if took else None


def series(results: dict[str, Any], names: tuple[str, ...], size: str, peer: str) -> list[tuple[int, float]]:
    """Size (``asked`` or ``rows``) and inner seconds of one peer over the questions ``names``."""
    found = [question for name in names if (question := named(results, name))]
    taken = [(question[size], middle(question, peer, "inner_seconds")) for question in found]
    return [(number, seconds) for number, seconds in taken if seconds is not None]


def faster(question: Answered) -> dict[str, float]:
    """Peers that answer in less time than ours, and how many times as long ours takes."""
    return {peer: times for peer in rivals(question) if (times := ratio(question, OURS, peer)) and times > 1}


def leaner(question: Answered) -> dict[str, float]:
    """Peers whose peak memory is less than ours, and how many times as much ours takes."""
    found = {peer: ratio(question, OURS, peer, "peak_bytes") for peer in rivals(question)}
    return {peer: times for peer, times in found.items() if times and times > 1}


def rivals(question: Answered) -> list[str]:
    """Who answers the question, ours apart."""
    return [peer for peer in question["runs"] if peer not in (OURS, TO_FILE, FLOOR)]
