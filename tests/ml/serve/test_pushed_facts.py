"""A fact that is pushed counts in the very next score, which the next build repeats to the last digit."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ml.common.instants import format_instant, parse_instant
from ml.home.layout import Home
from ml.predictions.log import PredictionLog
from ml.score.scoring import score
from ml.serve.access import ADMIN, READ, SCORE, create_key
from ml.warehouse import build
from ml.warehouse.materialize import materialize
from tests.ml.serve.conftest import SHOP_PROBLEM
from tests.ml.serve.serving import Server, serving

pytestmark = pytest.mark.subjects("dbt_project", "ml/serve", "ml/journal", "ml/ingest", "ml/warehouse")

CUSTOMER, OTHER = "C0000010", "C0000011"


def order(server: Server, name: str, days: int = 1, **more: Any) -> dict[str, Any]:
    """An order of CUSTOMER, so many days after what is served."""
    clock = parse_instant(server.ask("/ready").json["event_timestamp"])
    return {
        "table": "orders",
        "order_id": name,
        "customer_id": CUSTOMER,
        "ordered_at": format_instant(clock + timedelta(days=days)),
        "total_amount": 99.5,
    } | more


def post(server: Server, *rows: dict[str, Any], headers: dict[str, str] | None = None) -> Any:
    content = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    return server.ask("/v1/facts", content, headers)


def test_the_next_score_counts_it_and_the_next_build_gives_the_same(server: Server, home: Path) -> None:
    before, other = server.scores(CUSTOMER, OTHER)
    fact = order(server, "pushed-1")
    answer = post(server, fact, headers={"Idempotency-Key": "one"}).json
    assert (answer["accepted"], answer["rejected"], answer["customers"]) == (1, 0, [CUSTOMER])
    after, same = server.scores(CUSTOMER, OTHER)
    assert same == other
    assert after["event_timestamp"] == fact["ordered_at"] > before["event_timestamp"]
    assert after["churn_probability"] != before["churn_probability"]
    assert after["status"] == "scored"
    features = server.ask(f"/v1/customers/{CUSTOMER}/features").json
    assert (features["as_of"], features["source"]) == (fact["ordered_at"], "online")
    assert features["features"]["last_order_at"] == fact["ordered_at"]
    exact = server.ask(f"/v1/customers/{CUSTOMER}/features?as_of={fact['ordered_at']}").json
    assert exact["features"] == features["features"]
    earlier = server.ask(f"/v1/customers/{CUSTOMER}/features?as_of={before['event_timestamp']}").json
    assert earlier["features"]["orders_placed_lifetime"] == exact["features"]["orders_placed_lifetime"] - 1

    with serving(home) as second:  # another process over the same home
        second.until(lambda: second.ask("/ready").status == 200)
        assert second.scores(CUSTOMER) == [after]

    build(home=home)
    materialize(home=home)
    server.until(lambda: server.ask("/ready").json["event_timestamp"] == fact["ordered_at"])
    built = server.scores(CUSTOMER)[0]
    assert built == after | {"build_id": built["build_id"]}
    batch = score([CUSTOMER], home=home, problem=SHOP_PROBLEM).to_pylist()[0]
    assert batch["churn_probability"] == after["churn_probability"]
    assert [reason["text"] for reason in after["reasons"]] == batch["reasons"]


def test_a_fact_of_the_past_a_new_customer_and_lines_that_are_rejected(server: Server) -> None:
    before = server.scores(CUSTOMER)[0]
    late = order(server, "late", days=-3)
    known = {"table": "customers", "customer_id": "new", "registered_at": late["ordered_at"]}
    first = {**order(server, "first", days=-2), "customer_id": "new"}
    wrong = {**order(server, "wrong"), "customer_id": "nobody"}
    answer = post(server, known, late, first, wrong).json
    assert [row["reason"] for row in answer["rows"]] == [None, None, None, "unknown customer"]
    assert answer["customers"] == [CUSTOMER, "new"]
    after, new = server.scores(CUSTOMER, "new")
    # nothing in it is later than what is served, so the instant stays
    assert after["event_timestamp"] == new["event_timestamp"] == before["event_timestamp"]
    assert after["churn_probability"] != before["churn_probability"]
    assert new["status"] == "scored"
    assert server.ask("/v1/customers/new").json["score"] == new
    assert server.scores("nobody")[0]["status"] == "unknown"


def test_the_same_key_counts_once_and_other_facts_with_it_are_refused(server: Server) -> None:
    header = {"Idempotency-Key": "k"}
    first = post(server, order(server, "p1"), headers=header)
    again = post(server, order(server, "p1"), headers=header)
    assert without_id(again.json) == without_id(first.json)
    refused = post(server, order(server, "p2"), headers=header)
    assert (refused.status, refused.json["detail"]) == (
        422,
        "the idempotency key was used for other facts: give a new one",
    )
    placed = server.ask(f"/v1/customers/{CUSTOMER}/features").json["features"]["orders_placed_lifetime"]
    post(server, order(server, "p1", loaded_at=None), headers={"Idempotency-Key": "another"})
    repeated = server.ask(f"/v1/customers/{CUSTOMER}/features").json["features"]
    assert repeated["orders_placed_lifetime"] == placed  # an exact copy


def without_id(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "request_id"}


@pytest.mark.parametrize(
    ("content", "status", "detail"),
    [
        (b"", 422, "there are no facts: give one JSON object a line, each with its table"),
        (b"\xff\xfe", 422, "the facts are not UTF-8"),
    ],
)
def test_what_is_no_facts(content: bytes, status: int, detail: str, server: Server) -> None:
    answer = server.ask("/v1/facts", content, method="POST")
    assert (answer.status, answer.json["detail"]) == (status, detail)


def test_the_key_of_the_header_is_checked_and_a_table_may_be_in_the_address(server: Server) -> None:
    refused = post(server, order(server, "x"), headers={"Idempotency-Key": "k" * 256})
    assert (refused.status, refused.json["detail"]) == (
        422,
        "Idempotency-Key has 1 to 255 printable characters of ASCII",
    )
    fact = order(server, "in-address")
    del fact["table"]
    answer = server.ask("/v1/facts?table=orders", json.dumps(fact).encode())
    assert (answer.status, answer.json["accepted"]) == (200, 1)


def test_only_an_admin_may_push(home: Path) -> None:
    secrets = {role: create_key(Home.at(home), role, role)[0] for role in (SCORE, READ, ADMIN)}
    with serving(home) as server:
        server.until(lambda: server.ask("/ready").status == 200)
        statuses = {}
        for role, secret in secrets.items():
            headers = {"Authorization": f"Bearer {secret}"}
            statuses[role] = server.ask("/v1/facts?table=orders", b"{}", headers).status
    assert statuses == {SCORE: 403, READ: 403, ADMIN: 200}


def test_the_log_has_the_instant_of_the_fact(server: Server, home: Path) -> None:
    fact = order(server, "logged")
    post(server, fact)
    server.scores(CUSTOMER)
    server.until(lambda: server.app.state.queue.logged >= 1)
    with PredictionLog(Home.at(home)) as log:
        entry = list(log.rows())[-1]
    assert entry["event_timestamp"] == fact["ordered_at"]
    assert json.loads(entry["features"])["last_order_at"] == fact["ordered_at"]


def test_a_build_that_looks_back_counts_nothing_later(home: Path) -> None:
    clock = parse_instant(json.loads((home / "builds" / "current" / "build.json").read_text())["data_clock"])
    assert isinstance(clock, datetime)
    build(home=home, as_of=clock)
    materialize(home=home)
    with serving(home) as server:
        server.until(lambda: server.ask("/ready").status == 200)
        before = server.scores(CUSTOMER)
        assert post(server, order(server, "later")).json["accepted"] == 1
        assert server.scores(CUSTOMER) == before


def test_receipts_history_and_the_page_count_it_too(server: Server) -> None:
    fact = order(server, "shown")
    post(server, fact)
    path = f"/v1/customers/{CUSTOMER}"
    found = server.ask(f"{path}/receipts/orders_placed_lifetime").json
    assert found["as_of"] == fact["ordered_at"]
    assert found["matches"] is True
    assert "order shown" in json.dumps(found)
    points = server.ask(f"{path}/history?feature=last_order_at").json["points"]
    assert points[-1]["features"]["last_order_at"] == fact["ordered_at"]
    assert points[-1]["score"]["churn_probability"] == server.scores(CUSTOMER)[0]["churn_probability"]
    text = server.ask(f"/customer?id={CUSTOMER}").seen
    assert "order shown: ordered" in text
    receipt = server.ask(
        f"/receipt?id={CUSTOMER}&feature=orders_placed_lifetime&as_of={fact['ordered_at']}"
    ).seen
    assert "They match." in receipt
    assert "order shown" in receipt
