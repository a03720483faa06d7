"""A world of a few rows per customer, one customer a case, and receipts asked of it."""

from datetime import datetime
from pathlib import Path
from typing import Any

from ml.ingest.declaration import raw_tables
from ml.receipt import receipt
from ml.receipt.receipt_json import as_dict
from tests.reference.by_hand import day, item, order, session, ticket
from tests.reference.worlds import Row, World

CLOCK = day(500)


def of(who: str, row: Row) -> Row:
    """``row`` of customer ``who``, its own key made unlike those of others."""
    keys = {"order_id", "ticket_id", "session_id"} & {*row}
    owner = {} if "line_number" in row else {"customer_id": who}
    return {**row, **{key: f"{who}-{row[key]}" for key in keys}, **owner}


def person(who: str, **columns: Any) -> Row:
    return {"customer_id": who, "registered_at": day(0), **columns}


PEOPLE: dict[str, list[Row]] = {
    # placed on day 10, known on day 12; one in between, known at once; one known long after its window
    "late": [
        order(1, at=10, loaded_at=day(12)),
        order(2, at=11),
        order(3, at=5, loaded_at=day(60)),
    ],
    # told as 10, repeated, corrected to 8 on day 20
    "corrected": [
        order(1, at=10),
        order(1, at=10, loaded_at=day(11)),
        order(1, at=10, total_amount=8, loaded_at=day(20)),
    ],
    # told again on day 14: cancelled on day 13; the other is returned on day 40, in the row of day 10
    "cancelled": [
        order(1, at=10),
        order(1, at=10, cancelled_at=day(13), loaded_at=day(14)),
        order(2, at=12, returned_at=day(40)),
    ],
    # opened on day 10, resolved and rated 26 hours later, which was told on day 15; another is still open
    "asking": [
        ticket(1, at=10),
        ticket(1, at=10, resolved_at=day(11, 7_200_000_000), loaded_at=day(15), satisfaction_score=2),
        ticket(2, at=14),
    ],
    # toys come with two orders, books with the second alone
    "buying": [
        order(1, at=10, total_amount=30),
        order(2, at=20, total_amount=10),
        item(1, "toys", "2"),
        item(2, None, "1"),
        item(1, "toys", "4", order_id="o2"),
        item(2, "books", "1", order_id="o2"),
        item(2, "books", "1", order_id="o2"),
    ],
    "visiting": [session(1, at=10, page_views=3), session(1, at=10, page_views=5, loaded_at=day(11))],
    "recent": [order(1, at=490)],
    "tied": [
        *(order(number, at=10) for number in (1, 2, 3)),
        *(ticket(number, at=10) for number in (1, 2)),
        *(order(number, at=200) for number in (4, 5, 6)),
    ],
    "moving": [],
    "-5": [],
}
CUSTOMERS = [
    *(person(who) for who in PEOPLE if who not in ("moving", "tied")),
    person("moving", city="Oslo", birth_date=day(-9000).date(), updated_at=day(2)),
    person("moving", city="Rome", birth_date=day(-8000).date(), updated_at=day(30)),
    person("moving", city=None, updated_at=day(50)),
    person("clock", registered_at=CLOCK),
    person("tied"),
]


def hand_world() -> World:
    """All of them in one world."""
    world: World = {table.name: [] for table in raw_tables()}
    for who, rows in PEOPLE.items():
        for row in rows:
            kind = next(table.name for table in reversed(raw_tables()) if {*table.key} <= {*row})
            world[kind].append(of(who, row))
    world["customers"] = CUSTOMERS
    return world


def asked(home: Path, who: str, feature: str, at: datetime | None = None) -> dict[str, Any]:
    """The receipt as plain values; it must match what the build says."""
    found = as_dict(receipt(who, feature, as_of=at, home=home))
    assert found["matches"]
    return found


def places(lines: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """The files and rows of lines."""
    return [(line["file"], line["row"]) for line in lines]
