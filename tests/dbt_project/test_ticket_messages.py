"""Texts as features: messages of tickets, a table without a customer, as the subscriptions demo declares it.

A message counts from when it was written and recorded, while a version of its ticket and of itself holds; of
its text the numbers of words of some lists count.
"""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from jinja2 import Environment

from ml.common.paths import ROOT
from ml.config.project import DEMO_PROJECTS
from tests.dbt_project.own_project import OwnProject, own_project, write_empty_tables, write_rows
from tests.reference.random_facts import END, some_delay
from tests.reference.worlds import Row, World, random_world, write_world

pytestmark = pytest.mark.subjects("dbt_project", "ml/ingest", "ml/warehouse", "ml/demos/projects")

WINDOWS = (7, 30, 90, 365)
DEMO = DEMO_PROJECTS / "subscriptions"
MODELS = Path("dbt_project", "models")
FILES = (
    MODELS / "staging" / "stg_ticket_messages.sql",
    MODELS / "staging" / "stg_ticket_messages.yml",
    MODELS / "marts" / "features" / "feat_customer_messages.sql",
    MODELS / "marts" / "features" / "feat_customer_messages.yml",
)
TEXTS = (
    "Thank you, it works!",
    "The export FAILS with an error; wrong numbers, wrong totals.",
    "We want to cancel: charged twice on one invoice.",
    "Cancellations? Not leaving. Goodness knows, a good, GOOD tool.",
    "können wir kündigen? Fehler über Fehler - error",
    "priced at 20.50, paymentX failed_twice don't unhappy",
    "nothing of note",
    "",
    None,
)
# The lists of the staging model once more: words, and beginnings of words.
POSITIVE = (
    {"great", "good", "helpful", "happy", "works", "easy"},
    ("thank", "love", "perfect"),
)
NEGATIVE = (
    {"wrong", "broken", "empty", "slow", "bug", "bugs", "unhappy", "useless", "twice"},
    ("error", "fail", "crash", "problem", "annoy", "disappoint"),
)
LEAVING = ({"leave", "leaving", "ending"}, ("cancel", "terminat", "unsubscribe", "switch"))
MONEY = ({"expensive"}, ("invoice", "charge", "payment", "price", "refund", "discount"))
SCHEMA = pa.schema(
    {
        "message_id": pa.string(),
        "ticket_id": pa.string(),
        "written_at": pa.timestamp("us"),
        "author": pa.string(),
        "body": pa.string(),
        "loaded_at": pa.timestamp("us"),
        "deleted_at": pa.timestamp("us"),
    }
)


def random_messages(world: World, seed: int) -> list[Row]:
    """Messages that come late, before their ticket is known, are corrected, deleted and repeated."""
    random, rows = Random(seed), []
    opened: dict[str, datetime] = {}
    for ticket in world["support_tickets"]:
        opened[ticket["ticket_id"]] = ticket["opened_at"]
    for number in range(400):
        ticket_id = random.choice(sorted(opened))
        written = opened[ticket_id] + random.choice([-1, 1, 1]) * some_delay(random)
        row: Row = {
            "message_id": f"m{number:04d}",
            "ticket_id": ticket_id,
            "written_at": written,
            "author": random.choice(["customer", "customer", "customer", "agent", None]),
            "body": random.choice(TEXTS),
            "loaded_at": written + some_delay(random) if random.random() < 0.6 else None,
            "deleted_at": None,
        }
        versions = [row]
        for _ in range(random.choice([0, 0, 1, 2])):
            known = max(row["loaded_at"] or written, written) + some_delay(random) + timedelta(microseconds=1)
            change = random.choice(["copy", "text", "author", "deletion"])
            row = row | {"loaded_at": known}
            if change == "text":
                row["body"] = random.choice(TEXTS)
            if change == "author":
                row["author"] = random.choice(["customer", "agent"])
            if change == "deletion":
                row["deleted_at"] = random.choice([known, written])
            versions.append(row)
        instants = [
            version[name] for version in versions for name in ("written_at", "loaded_at", "deleted_at")
        ]
        if all(instant is None or instant < END for instant in instants):
            rows += versions
    return rows


def version_at(rows: list[Row], occurred: str, at: datetime) -> Row | None:
    """The version of one thing that holds at an instant; None before it is known and after its deletion."""
    known = [row for row in rows if max(row[occurred], row.get("loaded_at") or row[occurred]) <= at]
    if not known:
        return None
    last = max(known, key=lambda row: row.get("loaded_at") or row[occurred])
    deleted = last.get("deleted_at")
    return None if deleted is not None and deleted <= at else last


def words_of(text: str | None, words: tuple[set[str], tuple[str, ...]]) -> int:
    """How many runs of letters of a text are in a list, or begin as one of its beginnings."""
    whole, beginnings = words
    found = re.findall(r"[^\W\d_]+", (text or "").lower())
    return sum(word in whole or word.startswith(beginnings) for word in found)


def by_hand(world: World, messages: list[Row], customer: str, at: datetime) -> dict[str, Any]:
    """The features of a customer at an instant, from the rule of time alone."""
    tickets: dict[str, list[Row]] = {}
    for row in world["support_tickets"]:
        if row["customer_id"] == customer:
            tickets.setdefault(row["ticket_id"], []).append(row)
    present_tickets = {name for name, rows in tickets.items() if version_at(rows, "opened_at", at)}
    versions: dict[str, list[Row]] = {}
    for row in messages:
        if row["ticket_id"] in present_tickets:
            versions.setdefault(row["message_id"], []).append(row)
    present = [row for rows in versions.values() if (row := version_at(rows, "written_at", at))]
    values: dict[str, Any] = {}
    for days in WINDOWS:
        texts = [
            row["body"]
            for row in present
            if row["author"] == "customer" and row["written_at"] > at - timedelta(days=days)
        ]
        values[f"messages_{days}d"] = len(texts)
        values[f"positive_words_{days}d"] = sum(words_of(text, POSITIVE) for text in texts)
        values[f"negative_words_{days}d"] = sum(words_of(text, NEGATIVE) for text in texts)
        values[f"leaving_messages_{days}d"] = sum(words_of(text, LEAVING) > 0 for text in texts)
        values[f"money_messages_{days}d"] = sum(words_of(text, MONEY) > 0 for text in texts)
    good, bad, count = (values[f"{name}_90d"] for name in ("positive_words", "negative_words", "messages"))
    values["tone_90d"] = (good - bad) / count if count else None
    return values


@pytest.fixture(scope="module")
def raw() -> World:
    return random_world(12, customers=40)


@pytest.fixture(scope="module")
def messages(raw: World) -> list[Row]:
    return random_messages(raw, 4)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, raw: World, messages: list[Row]) -> OwnProject:
    """The shop with messages; every tenth message comes with a second ingest, after the first build."""
    project = own_project(tmp_path_factory.mktemp("messages") / "project")
    folder = project.folder
    declarations = (DEMO / "tables.yml").read_text()
    project.declare(declarations[declarations.index("      - name: ticket_messages") :])
    for file in FILES:
        (folder / file).write_text((DEMO / file).read_text())
    write_world(folder / "raw", raw)
    write_empty_tables(folder / "later", folder / "raw")
    for name, is_later in (("raw", False), ("later", True)):
        part = [row for row in messages if (int(row["message_id"][1:]) % 10 == 0) is is_later]
        write_rows(folder / name, "ticket_messages", part, SCHEMA)
    project.churn("ingest", folder / "raw", "--max-rejected", 0)
    project.churn("build")
    project.churn("ingest", folder / "later", "--append", "--max-rejected", 0)
    project.churn("build")
    return project


def edges(world: World, messages: list[Row], most: int) -> list[tuple[str, datetime]]:
    """Customers at, just before and just after the instants at which something changes."""
    owner = {row["ticket_id"]: row["customer_id"] for row in world["support_tickets"]}
    pairs = []
    for row in messages:
        instants = [row[name] for name in ("written_at", "loaded_at", "deleted_at") if row[name]]
        instants += [row["written_at"] + timedelta(days=days) for days in WINDOWS]
        for instant in instants:
            for step in (-1, 0, 1):
                pairs.append((owner[row["ticket_id"]], instant + timedelta(microseconds=step)))
    return Random(7).sample([pair for pair in pairs if pair[1] < END], most)


def test_features_equal_a_brute_force_at_their_edges(
    project: OwnProject, raw: World, messages: list[Row]
) -> None:
    pairs = edges(raw, messages, 1000)
    rows = project.features(pairs)
    differing = [
        (customer, at, name, row[name], value)
        for (customer, at), row in zip(pairs, rows, strict=True)
        for name, value in by_hand(raw, messages, customer, at).items()
        if (row[name] if name == "tone_90d" else row[name] or 0) != value
    ]
    assert differing == []
    assert sum(row["messages_30d"] or 0 for row in rows) > 200


def test_an_increment_equals_a_full_build(project: OwnProject) -> None:
    project.increment_equals_full_build("feat_customer_messages", at_least=500)


def test_a_build_as_of_an_instant_knows_no_later_message(
    project: OwnProject, raw: World, messages: list[Row]
) -> None:
    at = datetime(2024, 1, 1)
    project.churn("build", "--as-of", at.isoformat())
    customers = sorted({row["customer_id"] for row in raw["customers"]})
    rows: list[dict[str, Any]] = project.features([(customer, at) for customer in customers])
    expected = [by_hand(raw, messages, customer, at) for customer in customers]
    assert [
        {name: row[name] if name == "tone_90d" else row[name] or 0 for name in values}
        for row, values in zip(rows, expected, strict=True)
    ] == expected


def test_a_message_without_a_ticket_waits(project: OwnProject, tmp_path: Path) -> None:
    row = {"message_id": "x", "ticket_id": "of nobody", "written_at": datetime(2024, 3, 1), "body": "hello"}
    write_rows(tmp_path / "more", "ticket_messages", [row], SCHEMA)
    write_empty_tables(tmp_path / "more", project.folder / "raw")
    load = json.loads(project.churn("ingest", tmp_path / "more", "--append", "--max-rejected", 1, "--json"))
    assert load["tables"]["ticket_messages"] == {"read": 1, "accepted": 0, "rejected": 1}


def test_the_audit_poisons_messages_and_finds_one_that_counts_before_it_is_known(project: OwnProject) -> None:
    checks = ("--check", "windows", "--check", "poison", "--seconds", 20, "--json")
    honest = json.loads(project.churn("audit", *checks))
    assert honest["passed"]
    assert {check["check"] for check in honest["checks"] if check["compared"] > 1000} == {"windows", "poison"}

    model = project.folder / FILES[2]
    known = "greatest(messages.known_at, tickets.known_at) as known_at"
    assert known in model.read_text()
    model.write_text(model.read_text().replace(known, "messages.written_at as known_at"))
    project.churn("build")
    result = json.loads(project.churn("audit", "--check", "poison", "--seconds", 20, "--json", status=1))
    found = [breach["what"] for breach in result["checks"][0]["breaches"]]
    of_messages = [what for what in found if what.startswith("feat_customer_messages.")]
    of_tone = [what for what in found if what.startswith("the on-demand feature tone_90d ")]
    assert of_messages
    assert sorted(found) == sorted([*of_messages, *of_tone])


@pytest.mark.parametrize("word", ["not good", "e-mail", "covid19", "*", "", "it's"])
def test_a_list_with_what_is_no_word_is_refused(word: str) -> None:
    """Such an entry would never match: the macro stops the build and names it."""

    def refuse(message: str) -> None:
        raise ValueError(message)

    environment = Environment(extensions=["jinja2.ext.do"])
    macros = environment.from_string(
        (ROOT / "dbt_project" / "macros" / "text_words.sql").read_text(),
        globals={"modules": {"re": re}, "exceptions": {"raise_compiler_error": refuse}},
    ).module
    with pytest.raises(
        ValueError, match=re.escape(f"the word {word.rstrip('*')} has characters that are no")
    ):
        macros.count_words("body", ["fine", word])
