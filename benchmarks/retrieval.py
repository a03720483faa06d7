"""Point-in-time retrieval through Feast with our offline store, beside Feast's own stores and bare tools.

Writes benchmarks/retrieval.json and docs/retrieval.png; ``benchmarks.retrieval_page.section`` tells of them.
Example: python -m benchmarks.retrieval --divide 100
"""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from benchmarks.document import write_document
from benchmarks.machine import machine
from benchmarks.measure import measure
from benchmarks.retrieval_build import WAYS, make_asked_of_build, read_rows
from benchmarks.retrieval_data import BY_CUSTOMER, BY_TIME, Histories, make_asked
from benchmarks.retrieval_figures import FEAST_DASK, FEAST_DUCKDB, OURS, REFERENCE
from benchmarks.retrieval_page import section
from benchmarks.retrieval_peers import PEERS
from benchmarks.retrieval_plot import draw
from ml.common.errors import TidemarkError
from ml.common.paths import ROOT, churn_home
from ml.common.progress import Progress

RESULTS = ROOT / "benchmarks" / "retrieval.json"
PLOT = ROOT / "docs" / "retrieval.png"
PRODUCTS = ("feast", "duckdb", "ibis-framework", "dask", "polars", "pandas", "pyarrow")
REPEATED_BELOW_SECONDS = 25
DASK_ROWS = 4_000_000
DUCKDB_MERGED = 100_000_000


@dataclass(frozen=True)
class Question:
    """Entity rows and histories of one size.

    Parameters
    ----------
    name : str
    customers, rows_each, asked : int
    layout : str
        BY_CUSTOMER or BY_TIME.
    repeats : int
        How often each peer answers, by turns.
    """

    name: str
    customers: int
    rows_each: int
    asked: int
    layout: str = BY_CUSTOMER
    repeats: int = 1

    @property
    def rows(self) -> int:
        return self.customers * self.rows_each

    @property
    def merged(self) -> int:
        """Rows of a join by customer alone, of which half are before the as-of instant."""
        return self.asked * self.rows_each

    def divided(self, by: int) -> "Question":
        """The same question of fewer customers and fewer entity rows."""
        few = max(self.customers // by, 12)
        return Question(self.name, few, self.rows_each, max(self.asked // by, 1), self.layout, self.repeats)


QUESTIONS = (
    Question("a hundredth of both", 1_000, 365, 5_000, repeats=3),
    Question("a hundredth of the entity rows", 100_000, 365, 5_000),
    Question("a tenth of the entity rows", 100_000, 365, 50_000),
    Question("long histories", 100_000, 365, 500_000, repeats=3),
    Question("a hundredth of the histories", 1_000, 365, 500_000),
    Question("a tenth of the histories", 10_000, 365, 500_000),
    Question("long histories, by time", 100_000, 365, 500_000, BY_TIME),
    Question("short histories", 2_000_000, 18, 500_000),
    Question("short histories, by time", 2_000_000, 18, 500_000, BY_TIME),
)
MERGED_ONCE = ("a hundredth of the histories", "a tenth of the histories", "long histories, by time")


def why_not(peer: str, question: Question, thorough: bool) -> str | None:
    """Why a peer is not asked a question, if so."""
    if peer == FEAST_DASK and max(question.merged, question.rows) > DASK_ROWS:
        return (
            f"it reads {question.rows:,} rows into pandas and merges {question.merged:,}; "
            f"run up to {DASK_ROWS:,}"
        )
    if peer == FEAST_DUCKDB and question.name in MERGED_ONCE and not thorough:
        return f"it merges {question.merged:,} rows, as for long histories, where it was run"
    return None


def answer(
    question: Question, folder: Path, patience: int, thorough: bool, progress: Progress
) -> dict[str, Any]:
    """What each peer took, by turns, and how its answer differs from that of bare DuckDB."""
    histories = Histories(folder, question.customers, question.rows_each, question.layout)
    histories.make()
    asked = folder / f"{question.asked}-asked-of-{question.customers}.parquet"
    make_asked(asked, question.customers, question.asked)
    runs: dict[str, list[dict[str, Any]]] = {}
    left_out: dict[str, str] = {}
    for _ in range(question.repeats):
        for peer in PEERS:
            reason = left_out.get(peer) or why_not(peer, question, thorough)
            if reason:
                left_out[peer] = reason
            elif peer not in runs or runs[peer][0]["seconds"] < REPEATED_BELOW_SECONDS:
                try:
                    runs.setdefault(peer, []).append(once(peer, histories.folder, asked, patience))
                    progress.say(f"{question.name:<32}{peer:<16}{runs[peer][-1]['seconds']:>9.1f} s")
                except TidemarkError as error:
                    left_out[peer] = str(error)
                    runs.pop(peer)
    return described(question) | {"runs": runs, "not_run": left_out, "differ": differences(runs)}


def described(question: Question) -> dict[str, Any]:
    return {
        "name": question.name,
        "customers": question.customers,
        "rows_each": question.rows_each,
        "rows": question.rows,
        "asked": question.asked,
        "layout": question.layout,
    }


def once(peer: str, folder: Path, asked: Path, patience: int) -> dict[str, Any]:
    """One answer in a process of its own.

    Raises
    ------
    TidemarkError
        It failed, or took longer than ``patience`` seconds.
    """
    command = [sys.executable, "-m", "benchmarks.retrieval_peers", peer, "--features", folder]
    started = time.perf_counter()
    try:
        measured, said = measure([*command, "--asked", asked, "--seconds", patience])
    except TidemarkError as error:
        if time.perf_counter() - started > patience:
            raise TidemarkError(f"stopped after {patience} s without an answer") from error
        *_, last = str(error).strip().splitlines()
        raise TidemarkError(f"failed: {last[-200:]}") from error
    return measured.as_dict() | json.loads(said.splitlines()[-1])


def differences(runs: Mapping[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Peers whose answer is not that of bare DuckDB, and how."""
    if REFERENCE not in runs:
        return {}
    expected = runs[REFERENCE][0]["answer"]
    found: dict[str, str] = {}
    for peer, of_peer in runs.items():
        for run in of_peer:
            if run["answer"] and run["answer"] != expected:
                rows = run["answer"]["rows"]
                found[peer] = (
                    f"{rows:,} rows for {expected['rows']:,} asked"
                    if rows != expected["rows"]
                    else "other values"
                )
    return found


def temporal(home: Path, rows: int, folder: Path, repeats: int, progress: Progress) -> dict[str, Any]:
    """All features of a published build, by our own stream and through Feast's API."""
    asked = folder / f"{rows}-asked-of-build.parquet"
    build = (home / "builds" / "current").resolve()
    make_asked_of_build(build, asked, rows)
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(repeats):
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.retrieval_build", way, "--home", home]
            measured, said = measure([*command, "--asked", asked, "--out", folder / "answer.parquet"])
            runs[way].append(measured.as_dict() | json.loads(said.splitlines()[-1]))
            progress.say(f"{'temporal tables':<32}{way:<16}{measured.seconds:>9.1f} s")
    return {"asked": rows, "tables": read_rows(build), "runs": runs}


def write_all(results: dict[str, Any]) -> None:
    """Figures, plot and page."""
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    draw(results, PLOT)
    write_document()


@click.command()
@click.option("--divide", default=1, show_default=True, help="Ask every size divided by this.")
@click.option("--only", multiple=True, help="Only the question of this name; may be given again.")
@click.option("--folder", type=click.Path(path_type=Path), help="Data (default CHURN_HOME/bench/retrieval).")
@click.option("--patience", default=300, show_default=True, help="Seconds after which a peer is stopped.")
@click.option("--thorough", is_flag=True, help="Feast's DuckDB store everywhere, though it takes minutes.")
@click.option("--home", type=click.Path(path_type=Path), help="A home whose temporal tables are asked too.")
@click.option("--home-rows", default=6_000_000, show_default=True, help="Rows asked of them.")
@click.option("--home-repeats", default=1, show_default=True)
@click.option("--section-only", is_flag=True, help="Only draw the plot anew and print the section.")
def main(
    divide: int,
    only: tuple[str, ...],
    folder: Path | None,
    patience: int,
    thorough: bool,
    home: Path | None,
    home_rows: int,
    home_repeats: int,
    section_only: bool,
) -> None:
    """Measure retrieval; writes benchmarks/retrieval.json and docs/retrieval.png."""
    results: dict[str, Any] = {"questions": []}
    if section_only or (only and RESULTS.exists()):
        results = json.loads(RESULTS.read_text())
    if section_only:
        draw(results, PLOT)
        return click.echo(section(results))
    place = (folder or churn_home() / "bench" / "retrieval").resolve()
    results["machine"] = machine() | {"versions": {name: version(name) for name in PRODUCTS}}
    progress = Progress()
    try:
        for question in QUESTIONS:
            if not only or question.name in only:
                found = answer(question.divided(divide), place, patience, thorough, progress)
                results["questions"] = with_question(results["questions"], found)
                write_all(results)
        if home:
            results["temporal"] = temporal(home.resolve(), home_rows, place, home_repeats, progress)
    except TidemarkError as error:
        raise click.ClickException(str(error)) from error
    write_all(results)
    wrong = [one["name"] for one in results["questions"] for peer in one["differ"] if peer.startswith(OURS)]
    if wrong:
        raise click.ClickException(f"our answer differs from that of bare DuckDB: {', '.join(wrong)}")


def with_question(questions: list[dict[str, Any]], found: dict[str, Any]) -> list[dict[str, Any]]:
    """The questions so far with one more, in place of an older answer to it; in their order."""
    by_name = {one["name"]: one for one in questions} | {found["name"]: found}
    return [by_name[question.name] for question in QUESTIONS if question.name in by_name]


if __name__ == "__main__":
    main()
