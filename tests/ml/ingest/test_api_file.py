"""What ``TABLE.api.yml`` may say: each fault has its line and its remedy, and secrets are not repeated."""

from datetime import timedelta
from pathlib import Path

import pytest

from ml.common.errors import ProblemError
from ml.ingest.api_file import read_api_file
from ml.ingest.api_paging import with_parameters
from ml.ingest.api_requests import next_link
from ml.ingest.declaration import raw_tables

ORDERS = next(table for table in raw_tables() if table.name == "orders")
WHOLE = """url: https://shop.example/api/orders?status=any
records: data.orders
columns:
  order_id: id
  customer_id: customer.id
token_env: SHOP_TOKEN
token_header: X-Api-Key
paging:
  page: {parameter: page, size_parameter: per_page, size: 100, first: 0}
since: {parameter: updated_since, column: loaded_at, overlap: 90 minutes}
"""


def read(tmp_path: Path, text: str):
    (tmp_path / "orders.api.yml").write_text(text)
    return read_api_file(tmp_path / "orders.api.yml", "orders.api.yml", ORDERS)[0]


def test_every_key_is_read(tmp_path: Path) -> None:
    api_file = read(tmp_path, WHOLE)
    assert api_file.columns == {"order_id": "id", "customer_id": "customer.id"}
    assert (api_file.paging.page.size, api_file.paging.page.first, api_file.paging.cursor) == (100, 0, None)
    assert (api_file.since.column, api_file.since.span) == ("loaded_at", timedelta(minutes=90))


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("url: https", "adress: https", "line 1: unknown key adress; known here: url, records"),
        (WHOLE.split("\n")[0], "", "line 1: the file says no url; add url: see docs/json-api.md"),
        ("https://shop", "ftp://s3cret", "line 1: url is no address of the web; write https://HOST/PATH"),
        ("https://shop", "https://me:s3cret@shop", "line 1: url holds a user or password; take it out"),
        (
            "https://",
            "http://",
            "line 1: a token would go to shop.example unencrypted over http; write https:",
        ),
        ("?status", "#status", "line 1: url has a part after #, which no server sees; remove it"),
        ("token_env: SHOP_TOKEN\n", "", "line 6: token_header is there without token_env; add token_env"),
        ("order_id: id", "order: id", "line 3: orders has no column order; did you mean order_id"),
        (
            "customer_id: customer.id",
            "customer_id: [1]",
            "line 4: columns is .*; it must be a mapping of columns",
        ),
        ("size: 100", "size: 0", "line 9: paging.page.size is 0; it must be a whole number from 1 to 100000"),
        ("size: 100, ", "", "line 9: paging.page.size is missing; add size"),
        (
            "  page: {",
            "  link: header\n  page: {",
            "line 8: paging says link and page; keep one of link, cursor",
        ),
        (
            "overlap: 90 minutes",
            "overlap: soon",
            "line 10: since.overlap is 'soon'; it must be a whole number and",
        ),
        (", overlap: 90 minutes", "", "line 10: since.overlap is missing; add overlap"),
        (
            "column: loaded_at",
            "column: channel",
            "line 10: channel of orders is no instant; it must be one of ord",
        ),
        (
            "records: data",
            "records: {a: b}\nrecord: data",
            "line 2: records is .*; it must be a path in the answer",
        ),
        ("columns:", "columns: [", "line .*: is no YAML"),
    ],
)
def test_each_fault_has_its_line_and_remedy(tmp_path: Path, before: str, after: str, sentence: str) -> None:
    assert before in WHOLE
    with pytest.raises(ProblemError, match=sentence) as failure:
        read(tmp_path, WHOLE.replace(before, after))
    assert "s3cret" not in str(failure.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]"])
def test_a_token_may_go_over_http_to_this_machine(tmp_path: Path, host: str) -> None:
    assert read(tmp_path, WHOLE.replace("https://shop.example", f"http://{host}")).token_env == "SHOP_TOKEN"


@pytest.mark.parametrize(
    ("links", "address"),
    [
        (['<https://a/?p=2>; rel="next"'], "https://a/?p=2"),
        (["<a>; rel=prev, <b,c;d>;rel=next"], "b,c;d"),
        (['<a>; rel="prev"', '<b> ; title="x, <c>; rel=next" ; REL = "last next"'], "b"),
        (["<a>; rel=prev; rel=next"], None),
        (["<a>; rev=next", "<b>", "", "nonsense"], None),
        ([], None),
    ],
)
def test_the_next_address_of_link_headers(links: list[str], address: str | None) -> None:
    assert next_link(links) == address


def test_parameters_take_the_place_of_their_names() -> None:
    url = "https://a/b?filter[x]=1%202&page=7&empty=&pa%67e=8"
    assert with_parameters(url, {"page": "2", "c d": "é&"}) == (
        "https://a/b?filter[x]=1%202&empty=&page=2&c+d=%C3%A9%26"
    )
