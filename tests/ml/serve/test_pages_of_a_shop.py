"""The pages over a real build: one customer now and then, rows to come, receipts, rejected rows."""

import html
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import duckdb
import pytest

from ml.common.instants import format_instant, parse_instant
from ml.common.sql import literal
from ml.featurestore.catalog import read_catalog
from ml.home.build_manifest import data_clock
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.score import score
from ml.serve.pages.customer_events import customer_events
from ml.serve.pages.receipt import file_name
from ml.serve.pages.score_course import Course, score_course
from ml.serve.served_state import Served, ServedState
from tests.ml.serve.conftest import ODD_KEYS, SHOP_PROBLEM
from tests.ml.serve.serving import Answer, Server, serving

pytestmark = pytest.mark.subjects("ml/serve", "ml/receipt", "ml/page", "ml/featurestore/retrieval")


@pytest.fixture(scope="module")
def server(shop_online: Path) -> Iterator[Server]:
    with serving(shop_online) as running:
        yield running


@pytest.fixture(scope="module")
def served(shop_online: Path) -> Served:
    state = ServedState(Home.at(shop_online), problem_for(Home.at(shop_online), None))
    state.refresh()
    return state.get()


@pytest.fixture(scope="module")
def safest(served: Served) -> str:
    """The customer of the population with the lowest score."""
    query = "select customer_id from scores where is_eligible = 1 order by prediction, customer_id limit 1"
    return str(served.scored.query(query)[0][0])


def page(server: Server, path: str, **fields: str) -> Answer:
    answer = server.ask(f"{path}?{urlencode(fields)}")
    assert answer.status == 200, answer.body
    return answer


def course_of(served: Served, customer: str, as_of: datetime | None) -> Course:
    row = served.find(customer)
    assert row
    return score_course(served, served.build, row, as_of)


def raw(home: Path, table: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Rows of an accepted raw table."""
    files = Home.at(home).current_load() / table / "*.parquet"
    with duckdb.connect() as connection:
        return connection.execute(query.format(rows=literal(files)), list(values)).fetchall()


def test_scores_to_come_begin_with_the_present_one_and_end_with_the_population(
    served: Served, safest: str, shop_online: Path
) -> None:
    """Windows empty one by one; silence raises the risk until the customer leaves the population."""
    course = course_of(served, safest, None)
    clock = data_clock(served.build)
    assert course.present.at == served.as_of
    row = served.scored.find(safest)
    assert row
    assert course.present.prediction == row.prediction
    assert course.starts == clock
    assert course.future[0].at == clock
    assert course.future[1].at - course.future[0].at <= timedelta(days=1)
    ((last_order,),) = raw(
        shop_online,
        "orders",
        "select max(ordered_at) from {rows} where customer_id = ? and order_id not in ("
        "select order_id from {rows} where cancelled_at is not null or returned_at is not null)",
        safest,
    )
    assert course.leaves_at == last_order + timedelta(days=90)
    assert course.future[-1].at < course.leaves_at
    assert course.future[-1].prediction > course.present.prediction  # silence raises the risk
    for change in course.changes:
        assert change.at > clock
        for name, (before, after) in change.values.items():
            assert before != after
            if name.endswith("_30d"):
                assert (before or 0) > (after or 0), "a window only empties"


def test_the_page_says_when_the_score_turns_high(server: Server, served: Served) -> None:
    """Of every customer: the first score to come in the high band, or that there is none."""
    keys = [key for (key,) in served.scored.query("select customer_id from scores where is_eligible = 1")]
    found = set()
    for key in keys[::8][:12]:
        course = course_of(served, key, None)
        high = [point for point in course.future if point.band == "high"]
        text = page(server, "/customer", id=key).seen
        if course.present.band == "high":
            assert course.turns_high is None
            found.add("already")
            assert "The score is in the high band already." in text
        elif high:
            assert course.turns_high == high[0]
            found.add("turns")
            assert high[0].prediction >= 0.6
            assert f"the score turns high on {high[0].at.date()}: {100 * high[0].prediction:.1f} %." in text
        else:
            found.add("never")
            assert f"the score does not turn high by {course.future[-1].at.date()}." in text
    assert "turns" in found


def test_the_past_is_what_was_known_then(server: Server, served: Served, shop_online: Path) -> None:
    """Score, features and facts of the end of a day; what was recorded later is absent."""
    ((customer, ordered, recorded, order),) = raw(
        shop_online,
        "orders",
        "select customer_id, min(ordered_at), min(coalesce(loaded_at, ordered_at)), order_id from {rows} "
        "where customer_id like 'C%' group by all having min(coalesce(loaded_at, ordered_at)) "
        ">= min(ordered_at)::date + interval 1 day order by 2 desc limit 1",
    )
    before = page(server, "/customer", id=customer, as_of=ordered.date().isoformat()).seen
    after = page(server, "/customer", id=customer, as_of=recorded.date().isoformat()).seen
    assert f"order {order}: ordered" not in before
    assert f"order {order}: ordered" in after
    assert "Only what was known then" in before
    as_of = datetime.combine(ordered.date(), datetime.max.time())
    assert f"As of {as_of:%Y-%m-%d} 23:59:59 UTC." in before
    expected = score([customer], home=shop_online, problem=SHOP_PROBLEM, as_of=as_of).to_pylist()[0]
    course = course_of(served, customer, as_of)
    assert course.present.prediction == expected["churn_probability"]
    assert [reason["text"] for reason in course.reasons] == expected["reasons"]
    assert (course.future, course.changes, course.turns_high) == ([], [], None)
    features = server.ask(f"/v1/customers/{customer}/features?as_of={format_instant(as_of)}").json["features"]
    assert {name: str(value) for name, value in course.features.items() if isinstance(value, int)} == {
        name: str(features[name]) for name, value in course.features.items() if isinstance(value, int)
    }
    assert "If nothing happens" not in before


def test_before_the_first_fact_nothing_was_known(server: Server, safest: str) -> None:
    text = page(server, "/customer", id=safest, as_of="2001-01-01").seen
    assert "Nothing about this customer was known at that instant." in text
    assert "Nothing was known by then." in text


@pytest.mark.parametrize(
    ("as_of", "detail"),
    [
        ("2100-01-01", "The data end on "),
        ("yesterday", "as_of is no ISO 8601 instant"),
        ("2024-02-31", "as_of is no ISO 8601 instant"),
    ],
)
def test_a_wrong_day_is_one_sentence(as_of: str, detail: str, server: Server, safest: str) -> None:
    answer = server.ask(f"/customer?{urlencode({'id': safest, 'as_of': as_of})}")
    assert (answer.status, answer.headers["content-type"]) == (422, "text/html; charset=utf-8")
    assert detail in answer.seen


def test_every_feature_has_its_value_and_its_receipt(server: Server, served: Served, safest: str) -> None:
    content = page(server, "/customer", id=safest).body.decode()
    links = {html.unescape(link) for link in re.findall(r'href="(/receipt\?[^"]*)"', content)}
    fields = [parse_qs(urlsplit(link).query) for link in links]
    assert {field["feature"][0] for field in fields} == set(read_catalog(served.build).feature_names)
    assert {field["id"][0] for field in fields} == {safest}
    assert {parse_instant(field["as_of"][0]) for field in fields} == {served.as_of}
    link = next(link for link in links if "feature=orders_placed_lifetime&" in link)
    text = server.ask(link).seen
    expected = course_of(served, safest, None).features["orders_placed_lifetime"]
    assert text.count("They match.") == 1
    assert f"orders_placed_lifetime: {expected}" in text
    assert f"total {expected} " in text


def test_events_are_the_rows_without_personal_data(
    server: Server, served: Served, safest: str, shop_online: Path
) -> None:
    events = customer_events(served.build, served.live.load, safest, served.as_of)
    orders = raw(
        shop_online,
        "orders",
        "select distinct order_id, ordered_at from {rows} where customer_id = ?",
        safest,
    )
    assert {(event.subject, event.at) for event in events if event.what == "ordered"} == {
        (f"order {order}", at) for order, at in orders
    }
    assert all(event.known_at >= event.at for event in events)
    assert [event.at for event in events] == sorted((event.at for event in events), reverse=True)
    (emails,) = zip(
        *raw(shop_online, "customers", "select distinct email from {rows} where email is not null"),
        strict=True,
    )
    content = page(server, "/customer", id=safest).body.decode()
    assert emails
    assert not any(email in content for email in emails)
    rated = [
        event
        for event in events
        if event.table == "support_tickets" and "satisfaction_score" in event.details
    ]
    assert all(event.what in ("rated", "resolved") for event in rated)


@pytest.mark.parametrize("key", ODD_KEYS)
def test_customers_of_any_key(key: str, server: Server, served: Served) -> None:
    content = page(server, "/customer", id=key).body.decode()
    assert "<script" not in content
    assert html.escape(key).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in content
    assert "profile: registered" in content
    link = html.unescape(re.findall(r'href="(/receipt\?[^"]*feature=last_order_at[^"]*)"', content)[0])
    receipt = server.ask(link)
    assert (receipt.status, "They match." in receipt.seen) == (200, True)
    back = html.unescape(re.findall(r'href="(/customer\?[^"]*)"', receipt.body.decode())[0])
    assert parse_qs(urlsplit(back).query, keep_blank_values=True)["id"] == [key]
    found = page(server, "/customers", search=key, population="all").body.decode()
    assert html.escape(f"/customer?{urlencode({'id': key})}") in found


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("orders.csv", "orders.csv"),
        ("2024/orders.csv", "2024/orders.csv"),
        ("/home/ann/orders.csv", "orders.csv"),
        ("https://user:word@host/orders?token=secret/x", "orders"),
    ],
)
def test_a_file_is_named_without_where_it_lies(label: str, expected: str) -> None:
    assert file_name(label) == expected


def test_receipts_of_what_is_not_there(server: Server, safest: str) -> None:
    assert server.ask(f"/receipt?{urlencode({'id': safest, 'feature': 'nothing'})}").status == 404
    assert server.ask(f"/receipt?{urlencode({'id': safest})}").status == 404


def test_the_data_page_has_the_build_its_tests_and_the_rows_loaded(server: Server, served: Served) -> None:
    text = server.ask("/data").seen
    answer = server.ask("/v1/builds").json["builds"][0]
    assert f"{answer['tests_passed']} tests passed. None failed." in text
    assert f"{answer['build_id']} {answer['published_at'][:10]}" in text
    assert f"All {answer['tests_passed']} tests" in text


def test_rejected_rows_come_with_their_reasons_and_without_their_values(server: Server) -> None:
    answer = page(server, "/data", table="orders", reason="unknown customer")
    text = answer.seen
    assert "orders unknown customer 2" in text
    assert len(re.findall(r"orders orders\.parquet [\d,]+ unknown customer", text)) == 2
    assert "Page 1 of 1" in text
    for value in ("secret@example.org", "nobody", "bad-"):
        assert value not in answer.body.decode()
    none = page(server, "/data", table="sessions").seen
    assert "No rejected row is in this choice." in none
    assert "No rejected row is in this choice." in page(server, "/data", reason="' or true --").seen


def test_no_page_has_a_path_of_the_machine(server: Server, shop_online: Path, safest: str) -> None:
    for path in ("/", "/customers", "/model", "/data", f"/customer?{urlencode({'id': safest})}"):
        content = server.ask(path).body.decode()
        assert str(shop_online) not in content, path
        assert str(shop_online.parent) not in content, path


def test_the_model_page_is_the_card_with_its_curves(server: Server) -> None:
    content = server.ask("/model").body.decode()
    for name in ("ROC", "Precision and recall", "Gain", "Lift", "Reliability"):
        assert f'role="img" aria-label="{name}"' in content
    assert "<h1>model-000001" in content


def test_pages_of_amounts(shop_online: Path) -> None:
    """A regression has amounts with intervals, and neither bands nor a threshold."""
    value = shop_online.parent / "value.yml"
    rows = score(home=shop_online, problem=value).to_pylist()
    rows.sort(key=lambda row: (-row["predicted_value"], row["customer_id"]))
    first = rows[0]
    with serving(shop_online, str(value)) as server:
        total = sum(row["predicted_value"] for row in rows)
        overview = server.ask("/").seen
        assert f"{len(rows)} customers in the population" in overview
        assert f"{total:,.0f} expected in 30 days" in overview
        listed = server.ask("/customers?call=2").seen
        assert listed.index(first["customer_id"]) < listed.index(rows[1]["customer_id"])
        assert "Call these 2. " in listed
        assert "risk band" not in listed
        one = page(server, "/customer", id=first["customer_id"]).seen
        assert f"{first['value_low']:.3g} to " in one
        assert f"1 of {len(rows)} in the population, by amount" in one
        assert "If nothing happens after" in one
        assert "above the threshold" not in one
        assert server.ask("/model").status == 200
        content = server.ask("/customers.csv?only_calls=yes&call=2").body.decode()
        assert content.startswith("customer_id,in_population,call,predicted_value,value_low,value_high,")
        assert f"{first['customer_id']},true,true,{first['predicted_value']!r}," in content
