"""A table without a customer that only the project declares: comments of tickets, which name their ticket.

A comment counts from when it was written and recorded, while a version of its ticket and of itself holds.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from tests.dbt_project.own_project import OwnProject, own_project, write_empty_tables, write_rows
from tests.reference.random_facts import END, some_delay
from tests.reference.worlds import Row, World, random_world, write_world

pytestmark = pytest.mark.subjects("dbt_project", "ml/ingest", "ml/warehouse")

WINDOWS = (7, 30, 90, 365)
DECLARATION = """
      - name: ticket_comments
        description: One row per version of a comment as delivered.
        config:
          freshness: null
          meta:
            key: comment_id
            occurred_at: written_at
            recorded_at: loaded_at
            references: {ticket_id: support_tickets}
            optional: true
        columns:
          - {name: comment_id, data_type: varchar, description: The comment.}
          - {name: ticket_id, data_type: varchar, description: The ticket.}
          - {name: written_at, data_type: timestamp, description: When it was written.}
          - name: words
            data_type: bigint
            description: How many words it has.
            config: {meta: {required: true}}
          - {name: loaded_at, data_type: timestamp, description: When this version was recorded.}
"""
STAGING = '{{ staged_rows_of("support_tickets", "ticket_comments") }}\n'
FEATURES = """
{% set window = {"since": "written_at", "until": "superseded_at"} %}
{% set features = (
    windowed_count("comments_{w}d", "comments", **window)
    + windowed_sum("words_{w}d", "comments", "words", type="bigint", **window)
    + exists_from_first_fact("comments_7d")
) %}

with

customers as (

    select
        customer_number,
        customer_id,
        first_known_at
    from {{ ref("int_customers") }}
    where {{ in_slice("customer_number") }}

),

comments as (

    select
        tickets.customer_number,
        comments.words,
        comments.written_at,
        greatest(comments.known_at, tickets.known_at) as known_at,
        {{ earliest(["comments.superseded_at", "tickets.superseded_at"]) }} as superseded_at
    from {{ ref("stg_ticket_comments") }} as comments
    inner join {{ ref("int_ticket_facts") }} as tickets on comments.ticket_id = tickets.ticket_id
    where {{ in_slice("tickets.customer_number") }}

),

comment_deltas as (
    {{ deltas(features) }}
),

comment_totals as (
    {{ running_totals("comment_deltas", features) }}
),

totals_of_named_customers as (
    {{ name_customers("comment_totals", features) }}
)

select * from totals_of_named_customers
order by customer_id, event_timestamp
"""
YAML = """
version: 2

models:
  - name: feat_customer_comments
    description: One row per customer and instant at which a comment feature changed.
    config: {meta: {feature_view: true, subject: comments}}
    data_tests:
      - strictly_increasing: {arguments: {columns: [customer_id, event_timestamp]}}
      - columns_as_declared
    columns:
      - {name: customer_id, description: The customer., data_type: varchar, data_tests: [not_null]}
      - {name: event_timestamp, description: The instant (UTC)., data_type: timestamp, data_tests: [not_null]}
      - name: "comments_{w}d"
        description: Comments of the last {w} days on tickets of the customer.
        data_type: bigint
        config: {meta: {minimum: 0}}
      - name: "words_{w}d"
        description: Words of these comments.
        data_type: bigint
        config: {meta: {minimum: 0}}
"""
SCHEMA = pa.schema(
    {
        "comment_id": pa.string(),
        "ticket_id": pa.string(),
        "written_at": pa.timestamp("us"),
        "words": pa.int64(),
        "loaded_at": pa.timestamp("us"),
        "deleted_at": pa.timestamp("us"),
    }
)


def random_comments(world: World, seed: int) -> list[Row]:
    """Comments that come late, before their ticket is known, are corrected, deleted and repeated."""
    random, rows = Random(seed), []
    opened: dict[str, datetime] = {}
    for ticket in world["support_tickets"]:
        opened[ticket["ticket_id"]] = ticket["opened_at"]
    for number in range(400):
        ticket_id = random.choice(sorted(opened))
        written = opened[ticket_id] + random.choice([-1, 1, 1]) * some_delay(random)
        row: Row = {
            "comment_id": f"m{number:04d}",
            "ticket_id": ticket_id,
            "written_at": written,
            "words": random.randrange(1, 300),
            "loaded_at": written + some_delay(random) if random.random() < 0.6 else None,
            "deleted_at": None,
        }
        versions = [row]
        for _ in range(random.choice([0, 0, 1, 2])):
            known = max(row["loaded_at"] or written, written) + some_delay(random) + timedelta(microseconds=1)
            change = random.choice(["copy", "words", "deletion"])
            row = row | {"loaded_at": known}
            if change == "words":
                row["words"] = random.randrange(1, 300)
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


def by_hand(world: World, comments: list[Row], customer: str, at: datetime) -> dict[str, int]:
    """The features of a customer at an instant, from the rule of time alone."""
    tickets: dict[str, list[Row]] = {}
    for row in world["support_tickets"]:
        if row["customer_id"] == customer:
            tickets.setdefault(row["ticket_id"], []).append(row)
    present_tickets = {name for name, rows in tickets.items() if version_at(rows, "opened_at", at)}
    versions: dict[str, list[Row]] = {}
    for row in comments:
        if row["ticket_id"] in present_tickets:
            versions.setdefault(row["comment_id"], []).append(row)
    present = [row for rows in versions.values() if (row := version_at(rows, "written_at", at))]
    values = {}
    for days in WINDOWS:
        recent = [row for row in present if row["written_at"] > at - timedelta(days=days)]
        values[f"comments_{days}d"] = len(recent)
        values[f"words_{days}d"] = sum(row["words"] for row in recent)
    return values


@pytest.fixture(scope="module")
def raw() -> World:
    return random_world(12, customers=40)


@pytest.fixture(scope="module")
def comments(raw: World) -> list[Row]:
    return random_comments(raw, 4)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, raw: World, comments: list[Row]) -> OwnProject:
    """The shop with comments; every tenth comes with a second ingest, after the first build."""
    project = own_project(tmp_path_factory.mktemp("comments") / "project")
    project.declare(DECLARATION)
    folder, models = project.folder, project.folder / "dbt_project" / "models"
    (models / "staging" / "stg_ticket_comments.sql").write_text(STAGING)
    (models / "marts" / "features" / "feat_customer_comments.sql").write_text(FEATURES)
    (models / "marts" / "features" / "feat_customer_comments.yml").write_text(YAML)
    write_world(folder / "raw", raw)
    write_empty_tables(folder / "later", folder / "raw")
    for name, is_later in (("raw", False), ("later", True)):
        part = [row for row in comments if (int(row["comment_id"][1:]) % 10 == 0) is is_later]
        write_rows(folder / name, "ticket_comments", part, SCHEMA)
    project.churn("ingest", folder / "raw", "--max-rejected", 0)
    project.churn("build")
    project.churn("ingest", folder / "later", "--append", "--max-rejected", 0)
    project.churn("build")
    return project


def edges(world: World, comments: list[Row], most: int) -> list[tuple[str, datetime]]:
    """Customers at, just before and just after the instants at which something changes."""
    owner = {row["ticket_id"]: row["customer_id"] for row in world["support_tickets"]}
    pairs = []
    for row in comments:
        instants = [row[name] for name in ("written_at", "loaded_at", "deleted_at") if row[name]]
        instants += [row["written_at"] + timedelta(days=days) for days in WINDOWS]
        for instant in instants:
            for step in (-1, 0, 1):
                pairs.append((owner[row["ticket_id"]], instant + timedelta(microseconds=step)))
    return Random(7).sample([pair for pair in pairs if pair[1] < END], most)


def test_features_equal_a_brute_force_at_their_edges(
    project: OwnProject, raw: World, comments: list[Row]
) -> None:
    pairs = edges(raw, comments, 1000)
    rows = project.features(pairs)
    differing = [
        (customer, at, name, row[name], value)
        for (customer, at), row in zip(pairs, rows, strict=True)
        for name, value in by_hand(raw, comments, customer, at).items()
        if (row[name] or 0) != value
    ]
    assert differing == []
    assert sum(row["comments_30d"] or 0 for row in rows) > 200


def test_an_increment_equals_a_full_build(project: OwnProject) -> None:
    project.increment_equals_full_build("feat_customer_comments", at_least=500)


def test_a_build_as_of_an_instant_knows_no_later_comment(
    project: OwnProject, raw: World, comments: list[Row]
) -> None:
    at = datetime(2024, 1, 1)
    project.churn("build", "--as-of", at.isoformat())
    customers = sorted({row["customer_id"] for row in raw["customers"]})
    rows: list[dict[str, Any]] = project.features([(customer, at) for customer in customers])
    expected = [by_hand(raw, comments, customer, at) for customer in customers]
    assert [
        {name: row[name] or 0 for name in values} for row, values in zip(rows, expected, strict=True)
    ] == expected


def test_a_comment_without_a_ticket_waits(project: OwnProject, tmp_path: Path) -> None:
    row = {"comment_id": "x", "ticket_id": "of nobody", "written_at": datetime(2024, 3, 1), "words": 1}
    write_rows(tmp_path / "more", "ticket_comments", [row], SCHEMA)
    write_empty_tables(tmp_path / "more", project.folder / "raw")
    load = json.loads(project.churn("ingest", tmp_path / "more", "--append", "--max-rejected", 1, "--json"))
    assert load["tables"]["ticket_comments"] == {"read": 1, "accepted": 0, "rejected": 1}
