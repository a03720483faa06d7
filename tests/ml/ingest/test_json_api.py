"""A JSON API as a raw table: pages in every way, each on disk before the next, every fault in a sentence."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from ml.common.errors import RefusedError, SourceError
from ml.common.progress import Progress
from ml.home.layout import Home
from ml.ingest import api_requests, ingest
from tests.ml.ingest.api_server import Answering, Api, Asked, Reply, serving
from tests.ml.ingest.worlds import CLEAN, read_rejected, read_table, write_folder

ORDERS = [
    {"order_id": f"o{n}", "customer_id": "anna", "ordered_at": f"2024-02-{n:02}", "total_amount": n}
    for n in range(1, 6)
]
Write = Callable[..., Path]


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(lambda asked: Reply(ORDERS)) as server:
        yield server


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, which take no time here."""
    pauses: list[float] = []
    monkeypatch.setattr(api_requests, "pause", pauses.append)
    return pauses


@pytest.fixture
def write(tmp_path: Path, api: Api) -> Write:
    """Write a raw folder with customers as CSV and orders as an API; URL stands for the server's address."""

    def write_api(text: str = "", name: str = "orders.api.yml") -> Path:
        folder = write_folder(tmp_path / "raw", {"customers": CLEAN["customers"]})
        (folder / name).write_text("url: URL/orders\n".replace("URL", api.url) + text.replace("URL", api.url))
        return folder

    return write_api


def order_ids(home: Home) -> list[str]:
    return [order for (order,) in read_table(home, "orders", "order_id")]


def pages(home: Home) -> list[str]:
    """The names of the pages on disk."""
    return sorted(path.name for path in home.pulls.rglob("page-*"))


ALL = ["o1", "o2", "o3", "o4", "o5"]


def numbered(asked: Asked) -> list[dict]:
    """The records of an offset or a page of two."""
    start = int(asked.query["offset"]) if "offset" in asked.query else 2 * int(asked.query["page"]) - 2
    return ORDERS[start : start + 2]


def by_header(asked: Asked) -> Reply:
    page = int(asked.query.get("p", 1))
    links = f'</orders?p=1&x=a,b>; title="<,;next"; rel="first", <?p={page + 1}>; rel="last NEXT"'
    return Reply(ORDERS[2 * page - 2 : 2 * page], headers={"Link": links} if page < 3 else {})


def by_body(asked: Asked) -> Reply:
    page = int(asked.query.get("p", 1))
    link = f"/orders?p={page + 1}" if page < 3 else None
    return Reply({"data": {"rows": ORDERS[2 * page - 2 : 2 * page]}, "links": {"next": link}})


def by_cursor(asked: Asked) -> Reply:
    start = int(asked.query.get("after", 0))
    rows = ORDERS[start : start + 2]
    return Reply({"rows": rows, "meta": {"next": start + 2 if start + 2 < 5 else ""}})


def by_last_record(asked: Asked) -> Reply:
    """As servers that want the key of the last record: past the end there is none."""
    start = ALL.index(asked.query["after"]) + 1 if "after" in asked.query else 0
    return Reply({"rows": ORDERS[start : start + 2]})


@pytest.mark.parametrize(
    ("answer", "text", "queries"),
    [
        (lambda asked: Reply(ORDERS), "", [{}]),
        (by_header, "paging: {link: header}", [{}, {"p": "2"}, {"p": "3"}]),
        (by_body, "records: data.rows\npaging: {link: links.next}", [{}, {"p": "2"}, {"p": "3"}]),
        (
            by_cursor,
            "records: rows\npaging: {cursor: {path: meta.next, parameter: after}}",
            [{}, {"after": "2"}, {"after": "4"}],
        ),
        (
            by_last_record,
            "records: rows\npaging: {cursor: {path: rows.-1.order_id, parameter: after}}",
            [{}, {"after": "o2"}, {"after": "o4"}, {"after": "o5"}],
        ),
        (
            lambda asked: Reply(numbered(asked)),
            "paging: {offset: {parameter: offset, size_parameter: limit, size: 2}}",
            [{"offset": "0", "limit": "2"}, {"offset": "2", "limit": "2"}, {"offset": "4", "limit": "2"}],
        ),
        (
            lambda asked: Reply(numbered(asked)),
            "paging: {page: {parameter: page, size: 2}}",
            [{"page": "1"}, {"page": "2"}, {"page": "3"}],
        ),
        # A server that gives two at most, whatever it is asked for: nothing is lost.
        (
            lambda asked: Reply(numbered(asked)),
            "paging: {offset: {parameter: offset, size_parameter: limit, size: 500}}",
            [{"offset": str(n), "limit": "500"} for n in (0, 2, 4)],
        ),
        # One that repeats its last page, and one that has none after it.
        (
            lambda asked: Reply(ORDERS),
            "paging: {page: {parameter: page, size: 500}}",
            [{"page": "1"}, {"page": "2"}],
        ),
        (
            lambda asked: Reply(ORDERS) if asked.query["page"] == "0" else Reply(status=404),
            "paging: {page: {parameter: page, size: 500, first: 0}}",
            [{"page": "0"}, {"page": "1"}],
        ),
        (
            lambda asked: Reply(ORDERS[:4][int(asked.query["offset"]) :][:2]),
            "paging: {offset: {parameter: offset, size: 2}}",
            [{"offset": "0"}, {"offset": "2"}, {"offset": "4"}],
        ),
    ],
    ids=[
        "whole",
        "header",
        "body",
        "cursor",
        "last-record",
        "offset",
        "page",
        "capped",
        "repeated",
        "404",
        "empty-page",
    ],
)
def test_pages_follow(
    api: Api, write: Write, home: Home, answer: Answering, text: str, queries: list[dict[str, str]]
) -> None:
    api.answer = answer
    folder = write(text)
    result = ingest(folder, home=home)
    expected = ALL[:4] if queries[-1] == {"offset": "4"} else ALL
    assert order_ids(home) == expected
    assert api.queries == queries
    assert {(name, rows["read"]) for name, rows in result["tables"].items() if rows["read"]} == {
        ("customers", 2),
        ("orders", len(expected)),
    }
    assert not list(home.pulls.glob("*"))


def test_values_keep_their_digits_and_columns_their_paths(api: Api, write: Write, home: Home) -> None:
    body = """{"orders": [
        {"id": 12345678901234567890, "who": {"key": "anna", "list": [1.10, {"a": "é"}]}, "Total_Amount": "no",
         "lines": [{"price": 12345678901234.5678}], "ordered_at": "2024-02-01", "nested": {"x": 1.50}},
        {"id": "007", "who": {"key": "ben"}, "lines": [{"price": 1e1}], "ordered_at": "2024-02-02"},
        {"id": "no price", "who": {"key": "ben"}, "lines": [], "ordered_at": "2024-02-02"},
        {"id": "a", "id": "b", "who": {"key": "ben"}, "lines": [{"price": 1}], "ordered_at": "2024-02-02"},
        42,
        {"id": 5, "who": {"key": "ben"}, "lines": [{"price": 0.1}], "ordered_at": null}
    ]}"""
    api.answer = lambda asked: Reply(body=b"\xef\xbb\xbf" + body.encode())
    folder = write(
        "records: orders\ncolumns: {order_id: id, customer_id: who.key, total_amount: lines.0.price}\n"
    )
    ingest(folder, home=home, max_rejected=0.9)
    columns = "order_id, customer_id, total_amount::varchar, nested, who, _file, _row"
    assert read_table(home, "orders", columns) == [
        ("007", "ben", "10.0000", None, '{"key": "ben"}', "orders.api.yml", 2),
        (
            *("12345678901234567890", "anna", "12345678901234.5678", '{"x": 1.50}'),
            *('{"key": "anna", "list": [1.10, {"a": "é"}]}', "orders.api.yml", 1),
        ),
    ]
    assert {row: reason for _, row, reason in read_rejected(home)} == {
        3: "total_amount is missing",
        4: "broken JSON line: no object",
        5: "broken JSON line: no object",
        6: "ordered_at is missing",
    }


@pytest.mark.parametrize(
    ("text", "header", "value"),
    [
        ("token_env: SHOP_TOKEN", "authorization", "Bearer s3cret"),
        ("token_env: SHOP_TOKEN\ntoken_header: X-Api-Key", "x-api-key", "s3cret"),
    ],
)
def test_a_token_goes_in_a_header_and_is_written_nowhere(
    api: Api,
    write: Write,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    text: str,
    header: str,
    value: str,
) -> None:
    folder = write(text)
    with pytest.raises(SourceError, match="takes its token from SHOP_TOKEN, which the environment lacks"):
        ingest(folder, home=home)
    monkeypatch.setenv("SHOP_TOKEN", "s3c\nret")
    with pytest.raises(SourceError, match="the token in SHOP_TOKEN has signs that no header may have"):
        ingest(folder, home=home)
    assert api.asked == []

    monkeypatch.setenv("SHOP_TOKEN", "s3cret")
    ingest(folder, home=home, dry_run=True)
    ingest(folder, home=home, progress=Progress())
    assert [asked.headers[header] for asked in api.asked] == [value]
    api.answer = lambda asked: Reply({"error": asked.headers[header]}, status=401)
    with pytest.raises(SourceError, match=r"refuses access \(status 401\): see to token_env") as failure:
        ingest(folder, home=home)
    written = [path.read_bytes() for path in home.root.rglob("*") if path.is_file()]
    assert not any(b"s3cret" in content for content in written)
    assert "s3cret" not in str(failure.value) + "".join(capfd.readouterr())


def test_attempts_are_repeated_with_growing_waits(
    api: Api, write: Write, home: Home, short_waits: list[float]
) -> None:
    replies = iter([Reply(status=500), Reply(status=429), Reply(status=503), Reply(ORDERS)])
    api.answer = lambda asked: next(replies)
    ingest(write(), home=home)
    assert (short_waits, order_ids(home)) == ([1.0, 2.0, 4.0], ALL)

    api.answer = lambda asked: Reply(status=502)
    with pytest.raises(
        SourceError, match=r"page 1 of http://127.*/orders cannot be read after 6 attempts: stat.* 502"
    ):
        ingest(write(), home=home)
    assert len(api.asked) == 4 + 6
    assert short_waits[3:] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert order_ids(home) == ALL


def test_retry_after_is_honoured(api: Api, write: Write, home: Home, short_waits: list[float]) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    waits = iter(["7", later, "0", "soon"])
    api.answer = lambda asked: Reply(status=429, headers={"Retry-After": next(waits, "301")})
    with pytest.raises(
        SourceError, match=r"status 429, and the server asks for a pause of 301 s: run the same co"
    ):
        ingest(write(), home=home)
    assert short_waits[0] == 7
    assert 85 < short_waits[1] <= 90
    assert short_waits[2:] == [0, 8]


def test_answers_that_break_off_or_do_not_come_are_asked_for_again(
    api: Api, write: Write, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_requests, "TIMEOUT_SECONDS", 0.2)
    count = 0

    def answer(asked: Asked) -> Reply:
        nonlocal count
        count += 1
        if count == 1:
            time.sleep(0.5)
        return Reply(ORDERS, headers={"Content-Length": "99999", "Connection": "close"} if count == 2 else {})

    api.answer = answer
    ingest(write(), home=home)
    assert (count, order_ids(home)) == (3, ALL)


def test_a_server_that_is_away(write: Write, home: Home, api: Api) -> None:
    folder = write()
    (folder / "orders.api.yml").write_text("url: http://127.0.0.1:1/orders")
    with pytest.raises(SourceError, match="cannot be read after 6 attempts: Connection refused"):
        ingest(folder, home=home)
    (folder / "orders.api.yml").write_text("url: https://no-such-host.invalid/orders")
    with pytest.raises(SourceError, match=r"page 1 of https://no-such-host\.invalid/orders cannot be read: "):
        ingest(folder, home=home)


def broken_at(page: int, reply: Reply) -> Answering:
    """An API of pages of two that fails at one of them."""
    return lambda asked: reply if asked.query["page"] == str(page) else Reply(numbered(asked))


PAGED = "paging: {page: {parameter: page, size: 2}}"


def test_a_failed_pull_goes_on_where_it_was(
    api: Api, write: Write, home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = write(PAGED)
    api.answer = broken_at(3, Reply(status=400))
    with pytest.raises(
        SourceError, match=r"page 3 .* status 400; 2 pages with 4 records are kept, and the same co"
    ):
        ingest(folder, home=home)
    assert pages(home) == ["page-000001.json", "page-000002.json"]
    assert not (home.raw / "current").exists()

    api.answer = lambda asked: Reply(numbered(asked))
    ingest(folder, home=home, progress=Progress())
    assert [query["page"] for query in api.queries] == ["1", "2", "3", "3"]
    assert order_ids(home) == ALL
    assert pages(home) == []
    assert "2 pages with 4 records are there from the pull that began" in capfd.readouterr().err


def test_a_pull_is_made_anew_where_its_file_changed_or_its_pages_are_not_whole(
    api: Api, write: Write, home: Home
) -> None:
    api.answer = broken_at(3, Reply(status=400))
    for text in (PAGED, f"{PAGED}\n# changed\n"):
        with pytest.raises(SourceError, match="page 3"):
            ingest(write(text), home=home)
    assert [query["page"] for query in api.queries] == ["1", "2", "3"] * 2
    assert len(pages(home)) == 2
    next(home.pulls.rglob("page-000001.json")).write_text('{"half": ')
    with pytest.raises(SourceError, match="page 3"):
        ingest(write(f"{PAGED}\n# changed\n"), home=home)
    assert [query["page"] for query in api.queries] == ["1", "2", "3"] * 3


def test_a_killed_process_loses_no_page(api: Api, write: Write, home: Home) -> None:
    """The third request never ends; the process is killed there."""
    folder = write(PAGED)
    api.answer = lambda asked: (
        time.sleep(5) or Reply() if asked.query["page"] == "3" else Reply(numbered(asked))
    )
    code = f"from ml.ingest import ingest; ingest({str(folder)!r}, home={str(home.root)!r})"
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    while len(api.asked) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()

    api.answer = lambda asked: Reply(numbered(asked))
    ingest(folder, home=home)
    assert [query["page"] for query in api.queries] == ["1", "2", "3", "3"]
    assert order_ids(home) == ALL


def test_a_dry_run_leaves_its_pages_to_the_ingest(api: Api, write: Write, home: Home) -> None:
    folder = write(PAGED)
    api.answer = lambda asked: Reply(numbered(asked))
    result = ingest(folder, home=home, dry_run=True)
    assert (result["tables"]["orders"]["accepted"], len(pages(home))) == (5, 3)
    assert not (home.raw / "current").exists()
    ingest(folder, home=home)
    assert (len(api.asked), order_ids(home), pages(home)) == (3, ALL, [])


def test_pages_of_a_dry_run_that_is_old_are_fetched_anew(api: Api, write: Write, home: Home) -> None:
    folder = write()
    ingest(folder, home=home, dry_run=True)
    long_ago = time.time() - 25 * 3600
    os.utime(next(home.pulls.rglob("page-000001.json")), (long_ago, long_ago))
    ingest(folder, home=home)
    assert len(api.asked) == 2


def test_a_complete_pull_stays_complete_where_its_end_is_a_status(api: Api, write: Write, home: Home) -> None:
    folder = write("paging: {page: {parameter: page, size: 500}}")
    api.answer = lambda asked: Reply(ORDERS) if asked.query["page"] == "1" else Reply(status=404)
    ingest(folder, home=home, dry_run=True)
    ingest(folder, home=home)
    assert (len(api.asked), order_ids(home)) == (2, ALL)


def test_a_refused_load_is_fetched_anew(api: Api, write: Write, home: Home) -> None:
    """What is mended at the other end must come again."""
    folder = write()
    api.answer = lambda asked: Reply([{**order, "total_amount": "much"} for order in ORDERS])
    with pytest.raises(RefusedError):
        ingest(folder, home=home, dry_run=True)
    with pytest.raises(SourceError, match="total_amount is not a number"):
        ingest(folder, home=home)
    api.answer = lambda asked: Reply(ORDERS)
    ingest(folder, home=home)
    assert (len(api.asked), order_ids(home)) == (2, ALL)


def test_a_pull_that_is_not_of_this_ingest_stays(api: Api, write: Write, home: Home, clean: Path) -> None:
    api.answer = broken_at(3, Reply(status=400))
    folder = write(PAGED)
    with pytest.raises(SourceError):
        ingest(folder, home=home)
    ingest(clean, home=home)
    assert len(pages(home)) == 2


@pytest.mark.parametrize(
    ("text", "reply", "sentence"),
    [
        ("", Reply(body=b"<html>"), "page 1 of .*/orders is no JSON: it is a page of HTML"),
        ("", Reply(body=b'[{"a": 1}'), "is no JSON: Expecting ',' delimiter: line 1 column 10"),
        ("", Reply(body=b""), "is no JSON: Expecting value"),
        ("", Reply(body='["é"]'.encode("latin-1")), "page 1 of .*/orders is no UTF-8 text"),
        ("", Reply({"orders": [], "n": 1}), "is no list as a whole: it has orders, n; name the path"),
        ("records: data.rows", Reply({"data": {"rows": None}}), r"is no list at data\.rows: it has data"),
        ("records: data.rows", Reply([]), r"is no list at data\.rows; name the path"),
        ("", Reply(status=404), "the server answers with status 404"),
        ("", Reply(status=302, headers={"Location": "http://127.0.0.2/orders"}), "redirected, is refused"),
        (
            "",
            Reply(status=302, headers={"Location": "https://127.0.0.1/orders"}),
            "request goes to another host",
        ),
        (
            "paging: {link: header}",
            Reply(ORDERS, headers={"Link": "<http://evil.example/>; rel=next"}),
            r"the page after page 1 of .* in orders.api.yml is refused: it leads to http://evil\.example:80",
        ),
        (
            "records: rows\npaging: {link: next}",
            Reply({"rows": ORDERS, "next": "//127.0.0.1:1/x"}),
            r"is refused: it leads to http://127\.0\.0\.1:1, and the file names http://127",
        ),
        (
            "records: rows\npaging: {link: next}",
            Reply({"rows": ORDERS, "next": {"a": 1}}),
            "has no address at next: see to paging.link in the file",
        ),
        (
            "records: rows\npaging: {cursor: {path: next, parameter: c}}",
            Reply({"rows": ORDERS, "next": [1]}),
            "has no text or number at next: see to paging.cursor",
        ),
        (
            "paging: {link: header}",
            Reply(ORDERS, headers={"Link": "</orders>; rel=next"}),
            "page 1 of .* leads back to a page before it: the pages never end",
        ),
        (
            "records: rows\npaging: {link: next}",
            Reply({"rows": ORDERS, "next": "/orders?x=1"}),
            r"page 2 of .* leads back to a page before it|page 2 of .* holds the same records as page 1",
        ),
        (
            "paging: {page: {parameter: page, size: 5}}",
            Reply(ORDERS),
            "page 2 of .* holds the same records as page 1: see to paging in the file; 1 page",
        ),
        (
            "records: rows\npaging: {cursor: {path: next, parameter: c}}",
            Reply({"rows": [], "next": "x"}),
            "page 2 of .* leads back to a page before it",
        ),
        ("", Reply(body=b"[" + b" " * 5000 + b"]"), "has more than 0 MiB: ask for smaller pages"),
        ("", Reply([]), "raw has no rows in the required table orders"),
        ("", Reply([{"id": 1}]), "orders.api.yml lacks the required columns order_id, customer_id"),
    ],
)
def test_what_cannot_be_read_is_said_and_loads_nothing(
    api: Api,
    write: Write,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    reply: Reply,
    sentence: str,
) -> None:
    ingest(write(), home=home)
    monkeypatch.setattr(api_requests, "ANSWER_BYTES", 4096)
    api.answer = lambda asked: reply
    with pytest.raises(SourceError, match=sentence) as failure:
        ingest(write(text), home=home)
    assert failure.value.exit_status == 1
    assert "\n" not in str(failure.value)
    assert (home.current_load().name, order_ids(home)) == ("load-000001", ALL)


def test_secrets_of_an_address_are_not_shown(api: Api, write: Write, home: Home) -> None:
    folder = write()
    (folder / "orders.api.yml").write_text(f"url: {api.url}/orders?key=s3cret&status=any%20")
    api.answer = lambda asked: Reply(status=400)
    with pytest.raises(
        SourceError, match=r"page 1 of http://127\.0\.0\.1:\d+/orders cannot be read"
    ) as failure:
        ingest(folder, home=home)
    api.answer = lambda asked: Reply(ORDERS)
    ingest(folder, home=home)
    assert api.queries[-1] == {"key": "s3cret", "status": "any "}
    written = [path.read_bytes() for path in home.root.rglob("*") if path.is_file()]
    assert not any(b"s3cret" in content for content in [*written, str(failure.value).encode()])


def test_redirects_on_the_same_host_are_followed(api: Api, write: Write, home: Home) -> None:
    api.answer = lambda asked: (
        Reply(ORDERS) if asked.path == "/v2" else Reply(status=307, headers={"Location": "/v2"})
    )
    ingest(write(), home=home)
    assert [asked.path for asked in api.asked] == ["/orders", "/v2"]


SINCE = "since: {parameter: changed_since, column: loaded_at, overlap: 2 days}\n"


def recorded(*days: int) -> list[dict]:
    return [{**ORDERS[day - 1], "loaded_at": f"2024-03-{day:02}T12:00:00.000001Z"} for day in days]


def test_append_asks_from_the_newest_row_less_the_overlap(api: Api, write: Write, home: Home) -> None:
    """A row that was committed late, with an older instant, is in the overlap; copies count once."""
    folder = write(SINCE)
    api.answer = lambda asked: Reply(recorded(1, 4))
    ingest(folder, home=home, append=True)
    api.answer = lambda asked: Reply(recorded(3, 4, 5))
    result = ingest(folder, home=home, append=True)
    assert api.queries == [{}, {"changed_since": "2024-03-02T12:00:00.000001Z"}]
    assert result["tables"]["orders"] == {"read": 3, "accepted": 3, "rejected": 0}
    assert sorted(set(order_ids(home))) == ["o1", "o3", "o4", "o5"]

    api.answer = lambda asked: Reply([])
    assert ingest(folder, home=home, append=True)["tables"]["orders"]["read"] == 0
    assert api.queries[-1] == {"changed_since": "2024-03-03T12:00:00.000001Z"}

    api.answer = lambda asked: Reply(recorded(1))
    ingest(folder, home=home)
    assert api.queries[-1] == {}


def test_rows_of_files_or_of_another_address_move_no_instant_to_ask_from(
    api: Api, write: Write, home: Home, clean: Path
) -> None:
    ingest(clean, home=home)
    folder = write(SINCE)
    api.answer = lambda asked: Reply(recorded(3))
    ingest(folder, home=home, append=True)
    assert api.queries == [{}]
    (folder / "orders.api.yml").write_text(f"url: {api.url}/others\n{SINCE}")
    ingest(folder, home=home, append=True)
    assert api.queries == [{}, {}]


def test_no_instant_to_ask_from_is_after_the_beginning_of_the_pull(
    api: Api, write: Write, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull that was broken off for days: what changed meanwhile on its first pages is asked for again."""
    folder = write(f"{PAGED}\n{SINCE}")
    api.answer = broken_at(3, Reply(status=400))
    with pytest.raises(SourceError):
        ingest(folder, home=home)
    start = next(home.pulls.rglob("pull.json"))
    start.write_text(json.dumps(json.loads(start.read_text()) | {"started_at": "2024-02-25T00:00:00Z"}))
    api.answer = lambda asked: Reply(recorded(5))
    ingest(folder, home=home)
    ingest(folder, home=home, append=True)
    assert api.queries[-1]["changed_since"] == "2024-02-23T00:00:00Z"


def test_several_apis_of_one_table(api: Api, write: Write, home: Home) -> None:
    folder = write()
    (folder / "orders.api.yml").unlink()
    (folder / "orders").mkdir()
    for name in ("eu", "us"):
        (folder / "orders" / f"{name}.api.yaml").write_text(f"url: {api.url}/{name}")
    replies = {"/eu": Reply(ORDERS[:2]), "/us": Reply(status=400)}
    api.answer = lambda asked: replies[asked.path]
    with pytest.raises(SourceError, match=r"orders/us\.api\.yaml: page 1"):
        ingest(folder, home=home)
    replies["/us"] = Reply(ORDERS[2:])
    result = ingest(folder, home=home)
    assert (result["files"]["orders"], order_ids(home)) == (2, ALL)
    assert [asked.path for asked in api.asked] == ["/eu", "/us", "/us"]


def test_a_table_comes_as_an_api_or_as_files(write: Write, home: Home) -> None:
    folder = write()
    (folder / "orders.csv").write_text("order_id\n")
    with pytest.raises(
        SourceError, match=r"the table orders more than once, as orders\.api\.yml and orders\.csv"
    ):
        ingest(folder, home=home)
