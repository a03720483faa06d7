"""What a score becomes if something happens is what it is once that has happened, to the last digit."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb
import pytest

from ml.common.instants import format_instant
from ml.home.layout import Home
from ml.page.number_text import percent
from ml.serve.served_state import Served
from ml.serve.what_if import ORDER_KEY, Supposed, outcome_of
from tests.ml.serve.serving import Server

pytestmark = pytest.mark.subjects("dbt_project", "ml/serve", "ml/journal", "ml/ingest", "ml/warehouse")


@pytest.fixture
def served(server: Server) -> Served:
    found: Served = server.app.state.served.get()
    return found


@pytest.fixture
def ticket(home: Path, served: Served) -> dict[str, Any]:
    """The last version of a ticket that is open at the instant that is served."""
    files = f"read_parquet('{Home.at(home).current_load()}/support_tickets/*.parquet')"
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"""
            select ticket_id, customer_id, opened_at, category, channel
            from {files} where coalesce(loaded_at, opened_at) <= $1
            qualify row_number() over (partition by ticket_id order by loaded_at desc nulls last) = 1
                and (resolved_at is null or resolved_at > $1)
            order by ticket_id
            """,
            [served.as_of],
        ).to_arrow_table()
    found: dict[str, Any] = rows.to_pylist()[0]
    return found


def test_a_supposed_order_is_that_order_once_it_is_pushed(server: Server, served: Served) -> None:
    row = served.find("C0000010")
    assert row
    outcome = outcome_of(served, row, Supposed(Decimal("40.25")))
    assert outcome.after
    assert served.find("C0000010") == row  # nothing was written
    fact = {
        "order_id": ORDER_KEY,
        "customer_id": "C0000010",
        "ordered_at": format_instant(served.as_of),
        "total_amount": 40.25,
    }
    assert server.ask("/v1/facts?table=orders", json.dumps(fact).encode()).json["accepted"] == 1
    (score,) = server.scores("C0000010")
    happened = served.find("C0000010")
    assert happened
    assert happened.features == outcome.after.features
    assert score["churn_probability"] == outcome.after.prediction != row.prediction
    assert (happened.reasons, happened.is_eligible) == (outcome.after.reasons, outcome.after.is_eligible)


def test_a_resolved_ticket_is_that_ticket_once_it_is_pushed(
    server: Server, served: Served, ticket: dict[str, Any]
) -> None:
    row = served.find(ticket["customer_id"])
    assert row
    outcome = outcome_of(served, row, Supposed(resolved=[ticket["ticket_id"]]))
    assert ticket["ticket_id"] in {found.ticket_id for found in outcome.tickets}
    assert outcome.after
    before, after = json.loads(row.features), json.loads(outcome.after.features)
    assert after["open_tickets"] == before["open_tickets"] - 1
    assert after["tickets_resolved_90d"] == before["tickets_resolved_90d"] + 1
    now = format_instant(served.as_of)
    fact = ticket | {"opened_at": format_instant(ticket["opened_at"]), "resolved_at": now, "loaded_at": now}
    answer = server.ask("/v1/facts?table=support_tickets", json.dumps(fact).encode()).json
    assert answer["accepted"] == 1, answer
    server.scores(ticket["customer_id"])
    happened = served.find(ticket["customer_id"])
    assert happened
    assert happened.features == outcome.after.features


def test_a_ticket_of_somebody_else_and_nothing_at_all_change_nothing(
    served: Served, ticket: dict[str, Any]
) -> None:
    other = next(
        key
        for (key,) in served.scored.query("select customer_id from scores")
        if key != ticket["customer_id"]
    )
    row = served.find(other)
    assert row
    for supposed in (Supposed(), Supposed(resolved=[ticket["ticket_id"]])):
        assert outcome_of(served, row, supposed).after is None


def test_the_page(server: Server, served: Served, ticket: dict[str, Any]) -> None:
    customer = ticket["customer_id"]
    content = server.ask(f"/customer?{urlencode({'id': customer})}").body.decode()
    (link,) = re.findall(r'href="(/what-if\?[^"]*)"', content)
    first = server.ask(link).seen
    assert "Nothing is supposed yet." in first
    assert f"ticket {ticket['ticket_id']} resolved" in first
    fields = {"id": customer, "amount": "49.90", "ticket": ticket["ticket_id"]}
    page = server.ask(f"/what-if?{urlencode(fields)}")
    assert page.status == 200
    text = page.seen
    row = served.find(customer)
    assert row
    outcome = outcome_of(served, row, Supposed(Decimal("49.90"), [ticket["ticket_id"]]))
    assert outcome.after
    now, then = percent(row.prediction), percent(outcome.after.prediction)
    assert f"churn probability {now} {then}" in text, text
    placed = json.loads(row.features)["orders_placed_lifetime"]
    assert f"orders_placed_lifetime {placed} {placed + 1}" in text
    assert "checked" in page.body.decode()


@pytest.mark.parametrize("amount", ["much", "1e99", "nan"])
def test_an_amount_that_is_none_is_one_sentence(amount: str, server: Server) -> None:
    answer = server.ask(f"/what-if?{urlencode({'id': 'C0000010', 'amount': amount})}")
    assert answer.status == 422
    assert "the amount of the order is a number up to 1,000,000,000, such as 49.90" in answer.seen
