"""The pages: what they show, in which order; what is refused; no value becomes HTML or a formula."""

import csv
import io
import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from ml.common.instants import utc_now
from ml.decision.contact_profit import gain, loss
from ml.home.layout import Home
from ml.model.model_files import read_model
from ml.monitor import monitor
from ml.predictions.log import PredictionLog
from ml.score import score
from ml.segments.customer_segments import segments
from ml.serve.access import ADMIN, READ, SCORE, create_key, revoke_key
from ml.serve.pages.page_frame import without_style_attributes
from ml.serve.pages.sessions import COOKIE
from ml.serve.served_state import ServedState
from tests.ml.conftest import PROBLEM
from tests.ml.serve.conftest import customers_of
from tests.ml.serve.serving import Answer, Server, serving

VIEWS = ("/", "/customers", "/segments", "/model", "/data", "/monitoring")
ROW_KEY = re.compile(r'<td class="key" data-name="customer"><a href="[^"]*">([^<]*)</a>')


@pytest.fixture(scope="module")
def server(online: Path) -> Iterator[Server]:
    with serving(online) as running:
        yield running


@pytest.fixture(scope="module")
def batch(online: Path) -> list[dict[str, Any]]:
    """Scores of the population by the batch, at risk first."""
    rows = score(home=online, problem=PROBLEM).to_pylist()
    return sorted(rows, key=lambda row: (-row["churn_probability"], row["customer_id"]))


def keys_on(answer: Answer) -> list[str]:
    """The customers of a page, in its order."""
    assert answer.status == 200, answer.body
    return ROW_KEY.findall(answer.body.decode())


@pytest.mark.parametrize("path", VIEWS)
def test_every_view_is_html_without_script_or_another_host(path: str, server: Server) -> None:
    answer = server.ask(path)
    html = answer.body.decode()
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<script" not in html
    assert " style=" not in html
    assert not re.search(r"""(src|href|action)=["'](https?:)?//""", html)
    assert html.count("<h1") == 1
    assert re.findall(r'aria-current="page">(\w+)', html) == [
        {
            "/": "Overview",
            "/customers": "Customers",
            "/segments": "Segments",
            "/model": "Model",
            "/data": "Data",
            "/monitoring": "Monitoring",
        }[path]
    ]


def test_the_monitoring_page_shows_the_last_report(server: Server, online: Path) -> None:
    assert "No report yet." in server.ask("/monitoring").seen
    assert server.ask("/v1/monitoring").json["last_report"] is None
    report = monitor(home=online, problem=PROBLEM)
    shown = server.ask("/monitoring").seen
    assert f"As of {report.as_of}: build-000001, model-000001. The budget is" in shown
    assert report.groups[0].rule in shown
    last = server.ask("/v1/monitoring").json["last_report"]
    assert (last["as_of"], last["ok"]) == (report.as_of, report.ok)
    shutil.rmtree(online / "monitoring")


def test_the_segments_page_shows_the_last_run(server: Server, online: Path) -> None:
    assert "No segments yet." in server.ask("/segments").seen
    by_orders = replace(PROBLEM, segments=("days_since_last_order", "orders_90d"))
    result = segments(home=online, problem=by_orders, number=2)
    shown = server.ask("/segments").seen
    for one in result.segmentation.figures["segments"]:
        assert f"{one['number']} {one['name']}" in shown
        assert f"({one['customers']:,})" in shown
    assert "Customers by behaviour" in server.ask("/model").seen
    result.file.write_text("{")
    assert "No segments yet." in server.ask("/segments").seen
    result.file.unlink()


def test_the_headers_let_the_browser_do_nothing_else(server: Server) -> None:
    answer = server.ask("/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self' 'sha256-")
    assert policy.endswith("img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
    assert "unsafe" not in policy
    expected = {
        "cache-control": "no-store",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }
    assert {name: answer.headers[name] for name in expected} == expected
    assert server.ask("/v1/model").headers["content-security-policy"].startswith("default-src 'none'")


def test_style_attributes_become_rules() -> None:
    html = '<i style="left:1%"></i><i style="left:2%"></i><b style="left:1%">style=&#34;x&#34;</b>'
    assert without_style_attributes(html) == (
        '<i data-rule="0"></i><i data-rule="1"></i><b data-rule="0">style=&#34;x&#34;</b>',
        '[data-rule="0"]{left:1%}[data-rule="1"]{left:2%}',
    )


def test_the_style_sheet_is_kept_by_its_hash_and_no_other_file_is_there(server: Server) -> None:
    name = re.search(r'href="(/static/style-[0-9a-f]{16}\.css)"', server.ask("/").body.decode())
    assert name
    sheet = server.ask(name[1])
    assert (sheet.status, sheet.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert sheet.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert server.ask(name[1], headers={"If-None-Match": sheet.headers["etag"]}).status == 304
    for other in ("style.css", "..%2Fapp.py", "%2Fetc%2Fpasswd"):
        assert server.ask(f"/static/{other}").status == 404


def test_the_overview_has_the_sums_of_the_batch(
    server: Server, online: Path, batch: list[dict[str, Any]]
) -> None:
    text = server.ask("/").seen
    model = read_model(Home.at(online).current_model())
    leavers = sum(row["churn_probability"] for row in batch)
    flagged = [row for row in batch if row["churn_decision"]]
    outside = len(customers_of(online)) - len(batch)
    assert f"{len(batch)} customers in the population; {outside} known outside it" in text
    assert f"{round(leavers, 1):,.10g} expected leavers within 30 days" in text
    assert f"{round(leavers * 200):,} at stake: expected leavers times 200" in text
    assert f"{len(flagged)} above the threshold of {100 * model.facts['threshold']:.1f} %" in text
    expected = sum(row["churn_probability"] for row in flagged)
    earned = gain(PROBLEM.costs) * expected - loss(PROBLEM.costs) * (len(flagged) - expected)
    assert f"{round(earned):,} to earn by {len(flagged)} calls" in text
    for band in ("high", "medium", "low"):
        assert re.search(
            rf"{band} risk [^.]*? {sum(row['risk_band'] == band for row in batch)} \d+\.\d %", text
        )
    assert "model-000001" in text
    assert "build-000001" in text


def test_the_list_is_the_batch_at_risk_first_page_by_page(
    server: Server, batch: list[dict[str, Any]]
) -> None:
    expected = [row["customer_id"] for row in batch]
    pages = -(-len(expected) // 25)
    found = [
        key for page in range(1, pages + 1) for key in keys_on(server.ask(f"/customers?rows=25&page={page}"))
    ]
    assert found == expected
    assert f"Page 2 of {pages}" in server.ask("/customers?rows=25&page=2").seen
    beyond = server.ask(f"/customers?rows=25&page={pages + 1}")
    assert (beyond.status, "There is no such page" in beyond.seen) == (200, True)


@pytest.mark.parametrize(
    ("fields", "keep", "order"),
    [
        ({"sort": "safe"}, lambda row: True, lambda row: (row["churn_probability"], row["customer_id"])),
        ({"sort": "key"}, lambda row: True, lambda row: row["customer_id"]),
        ({"band": "high"}, lambda row: row["risk_band"] == "high", None),
        ({"flagged": "no"}, lambda row: not row["churn_decision"], None),
        (
            {"search": "C01", "sort": "key"},
            lambda row: "c01" in row["customer_id"],
            lambda row: row["customer_id"],
        ),
        ({"search": "%"}, lambda row: False, None),
        ({"search": "' or 1=1 --"}, lambda row: False, None),
    ],
)
def test_sorting_filters_and_search(
    fields: dict[str, str], keep: Any, order: Any, server: Server, batch: list[dict[str, Any]]
) -> None:
    rows = [row for row in batch if keep(row)]
    expected = [row["customer_id"] for row in (sorted(rows, key=order) if order else rows)]
    assert keys_on(server.ask(f"/customers?{urlencode(fields | {'rows': '200'})}")) == expected[:200]
    head = server.ask(f"/customers?{urlencode(fields)}").seen
    assert f"{len(expected)} customer" in head


def test_customers_outside_the_population(server: Server, online: Path, batch: list[dict[str, Any]]) -> None:
    inside = {row["customer_id"] for row in batch}
    outside = rows_of_csv(server.ask("/customers.csv?population=outside"))
    assert {row["customer_id"] for row in outside} == set(customers_of(online)) - inside
    assert {row["in_population"] for row in outside} == {"false"}
    text = server.ask("/customers?population=all").seen
    assert f"{len(customers_of(online))} customers all known" in text


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("sort=prediction;drop", "sort is one of risk, safe, key, key-down"),
        ("band=higher", "band is one of high, medium, low"),
        ("page=0", "page is a whole number from 1"),
        ("page=-1", "page is a whole number from 1"),
        ("page=99999999999999999999", "page is a whole number from 1"),
        ("rows=7", "rows is one of 25, 50, 100, 200"),
        ("call=many", "call is a whole number from 1"),
        ("page=%D9%A3", "page is a whole number from 1"),
    ],
)
def test_a_wrong_choice_is_one_sentence_on_a_page(query: str, detail: str, server: Server) -> None:
    answer = server.ask(f"/customers?{query}")
    assert (answer.status, answer.headers["content-type"]) == (422, "text/html; charset=utf-8")
    assert detail in answer.seen.lower()


def test_the_line_of_capacity(server: Server, batch: list[dict[str, Any]]) -> None:
    answer = server.ask("/customers?call=30&rows=50")
    html = answer.body.decode()
    above, below = html.split('<tr class="limit-line">')
    assert len(ROW_KEY.findall(above)) == 30
    assert len(ROW_KEY.findall(below)) == 20
    expected = sum(row["churn_probability"] for row in batch[:30])
    last = batch[29]["churn_probability"]
    earned = gain(PROBLEM.costs) * expected - loss(PROBLEM.costs) * (30 - expected)
    sentence = (
        f"Call these 30. Expected leavers among them: {round(expected, 1):.3g} ({expected / 30:.1%}); the "
        f"last one has a churn probability of {last:.1%}. "
        f"By the stated costs the calls earn {round(earned):,}."
    ).replace("%", " %")
    assert sentence in answer.seen
    assert 'class="limit-line"' not in server.ask("/customers?call=30&rows=50&sort=key").body.decode()
    assert server.ask("/customers?call=50&rows=50").body.count(b'class="limit-line"') == 1
    assert server.ask("/customers?call=50&rows=50&page=2").body.count(b'class="limit-line"') == 0


def test_the_capacity_is_that_of_the_problem_unless_another_is_chosen(
    server: Server, online: Path, batch: list[dict[str, Any]]
) -> None:
    contacts = score(home=online, problem=PROBLEM, actions=True).column("contact").to_pylist()
    assert f"Call these {sum(contacts)}." in server.ask("/customers").seen


def rows_of_csv(answer: Answer) -> list[dict[str, str]]:
    assert (answer.status, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    return list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))


def test_the_csv_has_the_selection_to_the_last_digit(server: Server, batch: list[dict[str, Any]]) -> None:
    answer = server.ask("/customers.csv?band=high&call=3")
    expected = [row for row in batch if row["risk_band"] == "high"]
    rows = rows_of_csv(answer)
    assert [row["customer_id"] for row in rows] == [row["customer_id"] for row in expected]
    assert [float(row["churn_probability"]) for row in rows] == [row["churn_probability"] for row in expected]
    assert [row["call"] for row in rows] == ["true"] * 3 + ["false"] * (len(rows) - 3)
    assert [row["reasons"] for row in rows] == ["; ".join(row["reasons"]) for row in expected]
    assert {row["model_version"] for row in rows} == {"model-000001"}
    assert re.fullmatch(
        r'attachment; filename="customers-\d{4}-\d\d-\d\d.csv"', answer.headers["content-disposition"]
    )


def test_the_csv_of_those_to_call_is_by_risk_however_the_table_is_sorted(
    server: Server, batch: list[dict[str, Any]]
) -> None:
    rows = rows_of_csv(server.ask("/customers.csv?call=7&only_calls=yes&sort=key"))
    assert [row["customer_id"] for row in rows] == [row["customer_id"] for row in batch[:7]]
    assert len(rows_of_csv(server.ask("/customers.csv?population=all"))) > len(batch)


def entries_of(home: Path, request_id: str) -> list[str]:
    with PredictionLog(Home.at(home)) as log:
        return [row["customer_id"] for row in log.rows() if row["request_id"] == request_id]


@pytest.mark.parametrize("path", ["/customers?rows=25", "/customers.csv?call=25&only_calls=yes"])
def test_every_score_of_a_list_is_in_the_log(
    path: str, server: Server, online: Path, batch: list[dict[str, Any]]
) -> None:
    request_id = f"list-{len(path)}"
    server.ask(path, headers={"X-Request-ID": request_id})
    server.until(lambda: len(entries_of(online, request_id)) == 25)
    assert entries_of(online, request_id) == [row["customer_id"] for row in batch[:25]]


def test_the_overview_logs_no_score(server: Server, online: Path) -> None:
    server.ask("/", headers={"X-Request-ID": "overview-1"})
    server.ask("/customers?rows=25", headers={"X-Request-ID": "after-overview"})
    server.until(lambda: len(entries_of(online, "after-overview")) == 25)
    assert entries_of(online, "overview-1") == []


def test_one_customer_without_raw_rows(server: Server, online: Path, batch: list[dict[str, Any]]) -> None:
    row = batch[0]
    answer = server.ask(f"/customer?id={row['customer_id']}", headers={"X-Request-ID": "one-1"})
    text = answer.seen
    assert f"{row['churn_probability']:.1%}".replace("%", " %") + " churn probability, next 30 days" in text
    assert f"1 of {len(batch)} in the population, by risk" in text
    assert all(reason in text.replace("&#39;", "'") for reason in row["reasons"])
    assert "The raw rows of this build are no longer there." in text
    server.until(lambda: entries_of(online, "one-1") == [row["customer_id"]])


def test_an_unknown_customer_is_a_page_and_unknown_addresses_too(server: Server) -> None:
    for path in (
        "/customer?id=nobody",
        "/customer",
        f"/customer?id={quote('<b>%00😀')}",
        "/receipt?id=nobody&feature=x",
    ):
        answer = server.ask(path)
        assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8"), path
    browser = server.ask("/nothing", headers={"Accept": "text/html,*/*"})
    assert (browser.status, browser.headers["content-type"]) == (404, "text/html; charset=utf-8")
    for path in ("/v1/nothing", "/v2/nothing"):
        answer = server.ask(path, headers={"Accept": "text/html"})
        assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert server.ask("/nothing").headers["content-type"].endswith("problem+json")


def test_an_error_of_the_server_shows_no_stack_and_no_path(
    server: Server, online: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(f"no such file: {online}/secret")

    monkeypatch.setattr("ml.serve.pages.routes.overview", fail)
    answer = server.ask("/")
    assert (answer.status, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "An error of the server; its log has more." in answer.seen
    assert str(online) not in answer.body.decode()
    assert "Traceback" not in answer.body.decode()


def test_before_values_are_online_a_page_says_so(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    home = shutil.copytree(trained[0], tmp_path / "home", symlinks=True)
    with serving(home) as server:
        answer = server.ask("/")
        assert (answer.status, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "Not ready: see /ready." in answer.seen


def test_pages_count_in_the_metrics(server: Server) -> None:
    server.ask("/customers")
    metrics = server.ask("/metrics").body.decode()
    assert 'tidemark_requests_total{route="/customers",status="200"}' in metrics


def test_json_routes_and_the_schema_have_no_page(server: Server) -> None:
    assert not {"/", "/customers", "/customer", "/sign-in"} & set(server.ask("/openapi.json").json["paths"])


def test_without_keys_only_localhost_is_answered(server: Server) -> None:
    answer = server.ask("/", headers={"Host": "evil.example"})
    assert (answer.status, "Overview" in answer.seen) == (403, False)
    assert server.ask("/sign-in").headers["location"] == "/"


def test_a_key_that_is_html_or_a_formula_stays_text(online: Path, tmp_path: Path) -> None:
    """Planted into the file of scores, under the keys of the customers at risk first."""
    home = shutil.copytree(online, tmp_path / "home", symlinks=True)
    state = ServedState(Home.at(home), PROBLEM)
    state.refresh()
    path = state.get().scored.path
    odd = ["<script>alert(1)</script>", 'a/b?c%20"é😀', "=cmd|' /C calc'!A1", "\x1b[31m\n"]
    with sqlite3.connect(path) as connection:
        found = connection.execute(
            "select customer_id from scores where is_eligible order by prediction desc limit 4"
        )
        for new, (old,) in zip(odd, found.fetchall(), strict=True):
            connection.execute("update scores set customer_id = ? where customer_id = ?", (new, old))
    connection.close()
    with serving(home) as server:
        html = server.ask("/customers").body.decode()
        assert "<script" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "/customer?id=a%2Fb%3Fc%2520%22%C3%A9%F0%9F%98%80" in html
        assert r"\x1b[31m\n" in html
        for key in odd:
            answer = server.ask(f"/customer?{urlencode({'id': key})}")
            assert answer.status == 200
            assert "<script" not in answer.body.decode()
        rows = rows_of_csv(server.ask("/customers.csv?call=4&only_calls=yes"))
        assert {row["customer_id"] for row in rows} == {*odd} - {odd[2]} | {"'" + odd[2]}


@pytest.fixture(scope="module")
def locked(
    online: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Path, dict[str, str]]]:
    """A server with a key of each role."""
    home = shutil.copytree(online, tmp_path_factory.mktemp("locked") / "home", symlinks=True)
    keys = {role: create_key(Home.at(home), role, role)[0] for role in (SCORE, READ, ADMIN)}
    with serving(home) as server:
        yield server, home, keys


def cookie_of(answer: Answer, name: str = COOKIE) -> SimpleCookie:
    return SimpleCookie(answer.headers.get("set-cookie", ""))


def sign_in(server: Server, key: str, token: str | None = None, next_path: str = "/") -> Answer:
    """Load the form and send it with a key."""
    form = server.ask("/sign-in")
    sent = re.search(r'name="token" value="([0-9a-f]+)"', form.body.decode())
    assert sent
    cookie = cookie_of(form)["churn_form"].value
    fields = {"token": sent[1] if token is None else token, "key": key, "next": next_path}
    headers = {"Cookie": f"churn_form={cookie}", "Content-Type": "application/x-www-form-urlencoded"}
    return server.ask("/sign-in", urlencode(fields).encode(), headers)


def session_of(server: Server, key: str) -> dict[str, str]:
    """The header of who is signed in with a key."""
    answer = sign_in(server, key)
    assert answer.status == 303, answer.body
    cookies = [part for part in answer.headers["set-cookie"].split(", ") if part.startswith(f"{COOKIE}=")]
    return {"Cookie": cookies[0].split(";")[0]} if cookies else {"Cookie": cookie_pair(answer)}


def cookie_pair(answer: Answer) -> str:
    return f"{COOKIE}={cookie_of(answer)[COOKIE].value}"


@pytest.mark.parametrize(
    "path", [*VIEWS, "/customers.csv", "/customer?id=c0001", "/receipt?id=c0001&feature=x"]
)
def test_with_keys_nobody_sees_a_page_without_one(
    path: str, locked: tuple[Server, Path, dict[str, str]]
) -> None:
    answer = locked[0].ask(path)
    assert (answer.status, answer.body) == (303, b"")
    assert answer.headers["location"] == f"/sign-in?next={quote(path, safe='')}"


@pytest.mark.parametrize("role", [READ, ADMIN])
def test_readers_sign_in_and_out(role: str, locked: tuple[Server, Path, dict[str, str]]) -> None:
    server, home, keys = locked
    answer = sign_in(server, keys[role], next_path="/customers?band=high")
    assert (answer.status, answer.headers["location"]) == (303, "/customers?band=high")
    attributes = answer.headers["set-cookie"]
    assert "HttpOnly" in attributes
    assert "SameSite=strict" in attributes
    assert keys[role] not in attributes
    session = session_of(server, keys[role])
    page = server.ask("/", headers=session)
    assert (page.status, "Sign out" in page.seen) == (200, True)
    token = re.search(
        r'action="/sign-out" method="post"><input type="hidden" name="token" value="(\w+)"',
        page.body.decode(),
    )
    assert token
    refused = server.ask("/sign-out", b"token=other", session)
    assert refused.status == 403
    assert server.ask("/", headers=session).status == 200
    out = server.ask("/sign-out", f"token={token[1]}".encode(), session)
    assert (out.status, out.headers["location"]) == (303, "/sign-in")
    assert server.ask("/", headers=session).status == 303
    stored = [file.read_text() for file in (home / "serve" / "sessions").iterdir()]
    assert not any(keys[role] in text or session["Cookie"].split("=", 1)[1] in text for text in stored)


def test_a_key_of_the_role_score_is_refused_with_a_page_that_says_so(
    locked: tuple[Server, Path, dict[str, str]],
) -> None:
    server, _, keys = locked
    answer = sign_in(server, keys[SCORE])
    assert answer.status == 403
    assert "A key of the role score may not see pages" in answer.seen
    assert COOKIE not in answer.headers.get("set-cookie", "")
    assert server.ask("/", headers={"Authorization": f"Bearer {keys[SCORE]}"}).status == 403
    assert server.ask("/", headers={"Authorization": f"Bearer {keys[READ]}"}).status == 200


@pytest.mark.parametrize("key", ["", "tmk_wrong", "é😀", "tmk_" + "x" * 100])
def test_a_wrong_key_is_told_on_the_form(key: str, locked: tuple[Server, Path, dict[str, str]]) -> None:
    answer = sign_in(locked[0], key)
    assert (answer.status, "This key is not valid" in answer.seen) == (401, True)
    assert f"{COOKIE}=" not in answer.headers["set-cookie"]


def test_a_form_of_another_site_is_refused(locked: tuple[Server, Path, dict[str, str]]) -> None:
    server, _, keys = locked
    assert sign_in(server, keys[READ], token="0" * 64).status == 403
    fields = urlencode({"key": keys[READ], "token": "0" * 64}).encode()
    assert server.ask("/sign-in", fields).status == 403


@pytest.mark.parametrize(
    "address",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb", ""],
)
def test_signing_in_leads_to_no_other_site(address: str, locked: tuple[Server, Path, dict[str, str]]) -> None:
    server, _, keys = locked
    assert sign_in(server, keys[READ], next_path=address).headers["location"] == "/"


@pytest.mark.parametrize("cookie", ["", "x", "../keys", "a" * 5000, "é"])
def test_a_made_up_cookie_lets_nobody_in(cookie: str, locked: tuple[Server, Path, dict[str, str]]) -> None:
    assert locked[0].ask("/", headers={"Cookie": f"{COOKIE}={quote(cookie)}"}).status == 303


def test_a_cookie_does_not_open_the_json_routes(locked: tuple[Server, Path, dict[str, str]]) -> None:
    server, _, keys = locked
    assert server.ask("/v1/builds", headers=session_of(server, keys[READ])).status == 401


def test_a_revoked_key_ends_its_sessions_at_once_in_every_worker(online: Path, tmp_path: Path) -> None:
    home = Home.at(shutil.copytree(online, tmp_path / "home", symlinks=True))
    key = create_key(home, READ, "desk")[0]
    other = create_key(home, READ, "other")[0]
    with serving(home.root) as server, serving(home.root) as second:
        session, kept = session_of(server, key), session_of(server, other)
        assert second.ask("/", headers=session).status == 200
        revoke_key(home, "desk")
        assert server.ask("/", headers=session).status == 303
        assert second.ask("/", headers=session).status == 303
        assert second.ask("/", headers=kept).status == 200


def test_an_expired_key_and_an_expired_session_end(online: Path, tmp_path: Path) -> None:
    home = Home.at(shutil.copytree(online, tmp_path / "home", symlinks=True))
    key = create_key(home, READ, "desk", utc_now() + timedelta(seconds=3))[0]
    lasting = create_key(home, READ, "lasting")[0]
    with serving(home.root) as server:
        short, session = session_of(server, key), session_of(server, lasting)
        assert server.ask("/", headers=short).status == 200
        server.until(lambda: server.ask("/", headers=short).status == 303)
        assert server.ask("/", headers=session).status == 200
        for file in (home.root / "serve" / "sessions").iterdir():
            content = json.loads(file.read_text())
            file.write_text(json.dumps(content | {"expires_at": "2020-01-01T00:00:00Z"}))
        assert server.ask("/", headers=session).status == 303
        session_of(server, lasting)
        assert len(list((home.root / "serve" / "sessions").iterdir())) == 1
