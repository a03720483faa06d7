"""The search: copies of a key planted in every form and format are found, and chance finds are not."""

import base64
import bz2
import gzip
import hashlib
import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.erasure import forget, search
from ml.erasure.search_terms import is_distinctive
from ml.ingest import ingest
from tests.ml.erasure.conftest import copy_of

KEY = 'Zoë/O\'Neil "7" 12'
PLAIN = "C0000012"
CUSTOMERS = "customer_id,registered_at,email\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of four customers, one of whom has a short key, and one whose key is a part of another's."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "raw").mkdir()
    rows = ["C0000012,2024-01-01,twelve@example.org", "7,2024-01-01,", "anna-maria,2024-01-01,"]
    rows += ["anna-maria-2,2024-01-01,anna@example.org"]
    (folder / "raw" / "customers.csv").write_text(CUSTOMERS + "\n".join(rows) + "\n")
    orders = "o1,7,2024-02-01,7.00\no2,C0000012,2024-02-01,7.00\no7,anna-maria-2,2024-02-01,7\n"
    (folder / "raw" / "orders.csv").write_text("order_id,customer_id,ordered_at,total_amount\n" + orders)
    ingest(folder / "raw", home=folder / "home")
    return folder / "home"


@pytest.fixture
def home(small: Path, tmp_path: Path) -> Path:
    return copy_of(small, tmp_path / "home")


PLANTS = {
    "as it is": lambda key: f"x{key}y".encode(),
    "in JSON": lambda key: json.dumps({"note": f"saw {key}"}).encode(),
    "in JSON within JSON": lambda key: json.dumps([json.dumps({"note": key})]).encode(),
    "percent-encoded": lambda key: f"GET /v1/customers/{quote(key, safe='')} 200".encode(),
    "every sign percent-encoded": lambda key: "".join(f"%{byte:02X}" for byte in key.encode()).encode(),
    "UTF-16": lambda key: key.encode("utf-16"),
    "big-endian UTF-16": lambda key: key.encode("utf-16-be"),
    "SHA-256": lambda key: f"{hashlib.sha256(key.encode()).hexdigest()}\n".encode(),
    "SHA-256, raw": lambda key: b"\0\1" + hashlib.sha256(key.encode()).digest(),
    "MD5 in capitals": lambda key: hashlib.md5(key.encode()).hexdigest().upper().encode(),
    "base64": lambda key: base64.b64encode(key.encode()),
    "base64 after one sign": lambda key: base64.b64encode(b"?" + key.encode() + b"ending"),
    "base64 after two signs, for URLs": lambda key: base64.urlsafe_b64encode(b"?>" + key.encode()),
    "HTML": lambda key: f"<b>{key.replace('&', '&amp;').replace('<', '&lt;')}</b>".encode(),
    "quoted in SQL": lambda key: f"where id = '{key.replace(chr(39), chr(39) * 2)}'".encode(),
    "quoted in CSV": lambda key: f'"{key.replace(chr(34), chr(34) * 2)}",1\n'.encode(),
}


@pytest.mark.parametrize("key", [KEY, PLAIN])
def test_every_form_is_found(home: Path, key: str) -> None:
    for name, plant in PLANTS.items():
        (home / f"{name}.bin").write_bytes(b"\xff\0" + plant(key) + b"\0")
    hits = {hit["file"] for hit in search(key, home=home)["hits"]}
    assert [name for name in PLANTS if f"{name}.bin" not in hits] == []


NEVER_CLEANED = ("zip", "bytes in Parquet")
FILES = {
    "a column of Parquet": lambda path: pq.write_table(
        pa.table({"note": [f"told {PLAIN} so"] * 9}), path, compression="zstd"
    ),
    "lists in Parquet": lambda path: pq.write_table(pa.table({"notes": [["a", PLAIN], None]}), path),
    "structures in Parquet": lambda path: pq.write_table(pa.table({"who": [{"name": PLAIN}]}), path),
    "bytes in Parquet": lambda path: pq.write_table(
        pa.table({"raw": [PLAIN.encode()]}), path, compression="gzip"
    ),
    "gzip": lambda path: path.write_bytes(gzip.compress(PLAIN.encode())),
    "gzip in gzip": lambda path: path.write_bytes(gzip.compress(gzip.compress(PLAIN.encode()))),
    "zstd": lambda path: path.write_bytes(pa.compress(PLAIN.encode() * 9, "zstd", asbytes=True)),
    "zip": lambda path: write_zip(path),
    "SQLite": lambda path: write_sqlite(path, "insert"),
    "a free page of SQLite": lambda path: write_sqlite(path, "delete"),
    "DuckDB": lambda path: write_duckdb(path),
}


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.txt", PLAIN * 9)


def write_sqlite(path: Path, what: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma secure_delete = off")
        connection.execute("create table notes (note text)")
        connection.executemany("insert into notes values (?)", [(f"{PLAIN} {'x' * 3000}",)] * 5)
        connection.execute("delete from notes" if what == "delete" else "select 1")
        connection.commit()


def write_duckdb(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            f"create table t as select '{PLAIN}' || i::varchar as note from range(50000) as r (i)"
        )


def test_every_format_is_read_and_what_was_planted_is_cleaned(home: Path) -> None:
    for name, plant in FILES.items():
        plant(home / f"{name}.data")
    hits = {hit["file"] for hit in search(PLAIN, home=home)["hits"]}
    assert [name for name in FILES if f"{name}.data" not in hits] == []
    left = {hit["file"] for hit in forget(PLAIN, home=home)["search"]["hits"]}
    assert left == {f"{name}.data" for name in NEVER_CLEANED}


def test_a_file_that_cannot_be_cleaned_is_named(home: Path) -> None:
    write_zip(home / "planted.zip")
    result = forget(PLAIN, home=home)
    assert result["search"]["hits"] == [{"file": "planted.zip", "form": "UTF-8, inside zip"}]
    assert not result["is_gone"]


def test_a_name_of_a_file_is_read_too(home: Path) -> None:
    (home / f"receipt {PLAIN}.txt").write_text("")
    hit = {"file": f"receipt {PLAIN}.txt", "form": "name of the file: UTF-8"}
    assert hit in search(PLAIN, home=home)["hits"]


def test_a_broken_file_is_no_proof(home: Path) -> None:
    (home / "torn.parquet").write_bytes(b"PAR1 and nothing more")
    result = forget(PLAIN, home=home)
    assert result["search"]["unread"] == [str(home / "torn.parquet")]
    assert not result["is_gone"]


def test_personal_values_are_searched_for(home: Path) -> None:
    (home / "mail.log").write_text(
        f"sent to {hashlib.sha256(b'twelve@example.org').hexdigest()}\nsent to others\n"
    )
    result = forget(PLAIN, home=home)
    assert result["files"] == {"mail.log": 1}
    assert (home / "mail.log").read_text() == "sent to others\n"


@pytest.mark.parametrize("key", ["7", "anna-maria"])
def test_a_short_key_or_a_part_of_another_is_searched_for_by_value(home: Path, key: str) -> None:
    (home / "scores.csv").write_text(f'customer_id,note\n{key},a\nanna-maria-2,"7, {key}"\n')
    (home / "run.json").write_text(json.dumps({"customers": [key, "C0000012"], "count": 7}))
    (home / "runs.jsonl").write_text(f'{{"customer_id": "{key}"}}\n{{"customer_id": "x", "customers": 7}}\n')
    pq.write_table(pa.table({"customer_id": [key, "o7"], "other": ["7", "7"]}), home / "t.parquet")
    before = search(key, home=home)
    assert before["kind"] == "values"
    planted = {"scores.csv", "run.json", "runs.jsonl", "t.parquet"}
    assert planted <= {hit["file"] for hit in before["hits"]}
    result = forget(key, home=home)
    assert (result["search"]["kind"], result["search"]["hits"], result["is_gone"]) == ("values", [], True)
    assert (home / "scores.csv").read_text() == f'customer_id,note\nanna-maria-2,"7, {key}"\n'
    assert json.loads((home / "run.json").read_text()) == {"customers": ["C0000012"], "count": 7}
    assert (home / "runs.jsonl").read_text() == '{"customer_id": "x", "customers": 7}\n'
    assert pq.read_table(home / "t.parquet").to_pydict() == {"customer_id": ["o7"], "other": ["7"]}
    left = duckdb.sql(
        f"select customer_id from '{home}/raw/current/customers/*.parquet' order by 1"
    ).fetchall()
    assert left == [(name,) for name in ("7", "C0000012", "anna-maria", "anna-maria-2") if name != key]


def test_a_hash_of_a_short_key_is_found(home: Path) -> None:
    (home / "hashes.txt").write_text(hashlib.sha256(b"7").hexdigest())
    assert [hit["file"] for hit in search("7", home=home)["hits"] if hit["file"] == "hashes.txt"] == [
        "hashes.txt"
    ]


def test_which_keys_stand_nowhere_by_chance() -> None:
    keys = (
        "7",
        "C0012",
        "123456789",
        "deadbeef01",
        "customer_id",
        "C0000012",
        "123456789012",
        "zoe@example.org",
    )
    assert [is_distinctive(key) for key in keys] == [False, False, False, False, False, True, True, True]


def test_a_mention_in_the_row_of_another_goes_alone(home: Path) -> None:
    lines = [{"customer_id": "x", "note": f"friend of {PLAIN}"}, {"customer_id": PLAIN}, {"customer_id": "y"}]
    (home / "notes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (home / "notes.csv").write_text(f"customer_id,note\nx,friend of {PLAIN}\ny,none\n")
    (home / "packed.jsonl.gz").write_bytes(gzip.compress((home / "notes.jsonl").read_bytes()))
    assert forget(PLAIN, home=home)["is_gone"]
    expected = [{"customer_id": "x", "note": "friend of [erased]"}, {"customer_id": "y"}]
    assert [json.loads(line) for line in (home / "notes.jsonl").read_text().splitlines()] == expected
    assert (home / "notes.csv").read_text() == "customer_id,note\nx,friend of [erased]\ny,none\n"
    packed = gzip.decompress((home / "packed.jsonl.gz").read_bytes()).splitlines()
    assert [json.loads(line) for line in packed] == expected


def test_a_pull_with_the_customer_is_made_anew_and_a_project_is_left_alone(home: Path) -> None:
    for number, customer in enumerate((PLAIN, "C0000013")):
        folder = home / "pulls" / f"orders-{number}" / "aa"
        folder.mkdir(parents=True)
        (folder / "pull.json").write_text("{}")
        answer = json.dumps({"data": [{"order_id": f"q{number}", "customer_id": customer}]})
        (folder / "page-000001.json").write_text(f'{{"url": "x", "records": 1}}\n{answer}')
    # A page that has only what refers to a row of the customer.
    folder = home / "pulls" / "order_items-0" / "bb"
    folder.mkdir(parents=True)
    (folder / "page-000001.json").write_text('{"url": "x"}\n[{"order_id": "o2", "line_number": 1}]')
    (home / "project").mkdir()
    (home / "project" / "own.sql").write_text(f"select 1 -- {PLAIN}\n")
    result = forget(PLAIN, home=home)
    assert result["erased"]["pulls"] == 2
    assert [path.name for path in sorted(home.glob("pulls/*/*"))] == ["aa"]
    assert (home / "pulls" / "orders-1" / "aa" / "page-000001.json").exists()
    assert result["search"]["hits"] == [{"file": "project/own.sql", "form": "UTF-8"}]


def test_what_the_search_does_not_read(home: Path) -> None:
    """Other packings are bytes to it: docs/erasure.md says so."""
    (home / "old.bz2").write_bytes(bz2.compress(PLAIN.encode() * 9))
    assert "old.bz2" not in {hit["file"] for hit in search(PLAIN, home=home)["hits"]}
