"""Builds, the tests of the one that is served, what was loaded, and rejected rows with their reasons.

Of a rejected row only table, file, number and reason are shown: its values may be personal data.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb
from markupsafe import Markup

from ml.common.errors import NotReadyError
from ml.common.instants import parse_instant
from ml.common.number_words import counted
from ml.common.sql import parquet
from ml.home.build_manifest import manifest_of
from ml.home.layout import Home
from ml.ingest.load import REJECTED
from ml.ingest.manifest import FILE, read_load_manifest
from ml.page.document import folded, header, join_parts, notes, paragraph, section, soft, table
from ml.page.number_text import NOTHING, number, readable
from ml.serve.http_errors import HttpError
from ml.serve.pages.customer_list import FIELD, page_links, select
from ml.serve.pages.customer_selection import whole
from ml.serve.pages.receipt import file_name
from ml.serve.pages.values_as_text import instant_or_none, instant_text
from ml.serve.served_state import Served
from ml.warehouse.list_builds import builds

ROWS_A_PAGE = 50
REASON_MAX = 1_000  # characters
TEST = "test."
PASSED = {"pass", "success"}


@dataclass(frozen=True)
class RejectedChoice:
    """Which rejected rows are shown: of one table, with one reason, on which page."""

    table: str = ""
    reason: str = ""
    page: int = 1

    def address(self, **changes: Any) -> str:
        """The address of this choice with changes."""
        fields = {name: value for name, value in (asdict(self) | changes).items() if value and value != 1}
        return "/data" + (f"?{urlencode(fields)}" if fields else "") + "#rejected"


@dataclass(frozen=True)
class RejectedRows:
    """Rejected rows of a load: how many the choice has, and those of its page."""

    total: int
    rows: list[tuple[str, str, int, str]]


def read_choice(fields: Mapping[str, str]) -> RejectedChoice:
    """The choice of a form's fields."""
    reason = fields.get("reason", "")
    if len(reason) > REASON_MAX:
        raise HttpError(422, f"reason has at most {REASON_MAX:,} characters")
    return RejectedChoice(fields.get("table", ""), reason, whole("page", fields) or 1)


def data_page(home: Home, served: Served, choice: RejectedChoice) -> Markup:
    """The page."""
    manifest = manifest_of(served.build)
    load = load_of(home, manifest)
    parts = [
        header("Data", f"{served.build.name} is served, as of {instant_text(served.as_of)} UTC."),
        section("builds", "Builds", build_table(builds(home=home)["builds"], served)),
        section("tests", "Tests", *tests(served.build, manifest)),
    ]
    if load is None:
        gone = paragraph("The raw rows of this build are no longer there.")
        return join_parts(*parts, section("loaded", "What was loaded", gone))
    facts = read_load_manifest(load)
    return join_parts(
        *parts,
        section("loaded", "What was loaded", *loaded(facts)),
        section("rejected", "Rejected rows", *rejected(load, facts, choice)),
    )


def load_of(home: Home, manifest: Mapping[str, Any]) -> Path | None:
    """The folder of the load that a build was made from; None where it is gone."""
    load = home.raw / str(manifest.get("load_id"))
    return load if (load / FILE).is_file() else None


def build_table(entries: Sequence[Mapping[str, Any]], served: Served) -> Markup:
    """Every build, the newest first; the served one stands out."""
    names = (
        "build",
        "published",
        "data end",
        "kind",
        "customers",
        "tests passed",
        "seconds",
        "model",
        "online as of",
    )
    rows = [
        [
            entry["build_id"],
            stored_instant(entry["published_at"]),
            stored_instant(entry["data_clock"]),
            entry["kind"] or NOTHING,
            number(entry["customers"]),
            number(entry["tests_passed"]),
            number(entry["seconds"]),
            entry["model_version"] or NOTHING,
            stored_instant(entry["online_as_of"]),
        ]
        for entry in entries
    ]
    chosen = [place for place, entry in enumerate(entries) if entry["build_id"] == served.build.name]
    return table(names, rows, chosen, texts=(0, 1, 2, 3, 7, 8))


def stored_instant(text: str | None) -> str:
    """An instant of a manifest."""
    return instant_or_none(parse_instant(text) if text else None)


def tests(build: Path, manifest: Mapping[str, Any]) -> list[Markup]:
    """The tests of a build: how many passed, those that did not, and all by name."""
    results = test_results(build)
    passed = (manifest.get("tests") or {}).get("passed", sum(status in PASSED for _, status, _ in results))
    others = [result for result in results if result[1] not in PASSED]
    tone, text = (
        ("bad", f"{counted(len(others), 'test')} did not pass.") if others else ("good", "None failed.")
    )
    parts = [notes([(tone, f"{counted(passed, 'test')} passed.", text)])]
    if others:
        parts.append(result_table(others))
    if results:
        parts.append(folded(f"All {len(results):,} tests", result_table(results)))
    return parts


def test_results(build: Path) -> list[tuple[str, str, float]]:
    """Name, status and seconds of each test; none where the build does not say."""
    try:
        results = json.loads((build / "run_results.json").read_text(encoding="utf-8"))["results"]
        return sorted(
            (name_of(result["unique_id"]), str(result["status"]), float(result["execution_time"]))
            for result in results
            if result["unique_id"].startswith(TEST)
        )
    except (OSError, ValueError, KeyError, TypeError):
        return []


def name_of(unique_id: str) -> str:
    """The name in an id such as ``test.project.not_null_orders.0a1b``."""
    return unique_id.split(".")[2]


def result_table(results: Sequence[tuple[str, str, float]]) -> Markup:
    rows = [[name, status, f"{seconds:.2f}"] for name, status, seconds in results]
    return table(("test", "status", "seconds"), rows, texts=(0, 1))


def loaded(facts: Mapping[str, Any]) -> list[Markup]:
    """Rows by table: read is accepted and rejected together."""
    clocks = facts.get("clocks") or {}
    rows = [
        [
            readable(name),
            number(counts["read"]),
            number(counts["accepted"]),
            number(counts["rejected"]),
            stored_instant(clocks.get(name)),
        ]
        for name, counts in facts["tables"].items()
    ]
    about = f"{facts.get('load_id', 'The load')}, {counted(len(facts.get('ingests') or [0]), 'ingest')}."
    names = ("table", "rows read", "accepted", "rejected", "last row known at")
    return [soft(about), table(names, rows, texts=(0, 4))]


def rejected(load: Path, facts: Mapping[str, Any], choice: RejectedChoice) -> list[Markup]:
    """Reasons with their rows, then the rows one by one."""
    if not facts["reasons"]:
        return [paragraph("No row was rejected.")]
    found = rejected_rows(load, choice)
    link = Markup('<a href="{}">{}</a>')
    by_reason = [
        [
            readable(name.partition(": ")[0]),
            link.format(choice_of(name).address(), name.partition(": ")[2]),
            number(count),
        ]
        for name, count in facts["reasons"].items()
    ]
    return [
        soft("A row may have several reasons. Its values are in the table rejected_rows of the load."),
        table(("table", "reason", "rows"), by_reason, texts=(0, 1)),
        form(facts, choice),
        *rows_of(found, choice),
    ]


def choice_of(name: str) -> RejectedChoice:
    """The rows of a reason as a load's manifest names it."""
    table_name, _, reason = name.partition(": ")
    return RejectedChoice(table_name, reason)


def form(facts: Mapping[str, Any], choice: RejectedChoice) -> Markup:
    """The choices."""
    tables = {"": "any", **{name: readable(name) for name in facts["tables"]}}
    reasons = {"": "any", **{name.partition(": ")[2]: name.partition(": ")[2] for name in facts["reasons"]}}
    return Markup(
        '<form class="choices" action="/data#rejected" method="get" aria-label="Rejected rows">{}{}'
        "<button>Show</button></form>"
    ).format(
        FIELD.format("Table", select("table", tables, choice.table)),
        FIELD.format("Reason", select("reason", reasons, choice.reason)),
    )


def rows_of(found: RejectedRows, choice: RejectedChoice) -> list[Markup]:
    """The rows of a page."""
    if not found.rows:
        return [paragraph("No rejected row is in this choice.")]
    rows = [[readable(name), file_name(file), f"{row:,}", reason] for name, file, row, reason in found.rows]
    pages = page_links(choice.page, -(-found.total // ROWS_A_PAGE), lambda page: choice.address(page=page))
    about = soft(f"{counted(found.total, 'row')}.")
    return [about, table(("table", "file", "row", "reasons"), rows, texts=(0, 1, 3)), pages]


def rejected_rows(load: Path, choice: RejectedChoice) -> RejectedRows:
    """The rows of a choice, and how many it has.

    Raises
    ------
    NotReadyError
        They cannot be read.
    """
    files = sorted((load / REJECTED).glob("*.parquet"))
    if not files:
        return RejectedRows(0, [])
    conditions, values = ["true"], list[Any]()
    if choice.table:
        conditions.append('"table" = ?')
        values.append(choice.table)
    if choice.reason:
        conditions.append("list_contains(string_split(reason, '; '), ?)")
        values.append(choice.reason)
    source = f"from {parquet(files, 'union_by_name = true')} where {' and '.join(conditions)}"
    page = f'select "table", file, row, reason {source} order by all limit ? offset ?'
    try:
        with duckdb.connect() as connection:
            ((total,),) = connection.execute(f"select count(*) {source}", values).fetchall()
            limits = [ROWS_A_PAGE, (choice.page - 1) * ROWS_A_PAGE]
            return RejectedRows(total, connection.execute(page, [*values, *limits]).fetchall())
    except duckdb.Error as error:
        raise NotReadyError("the rejected rows cannot be read") from error
