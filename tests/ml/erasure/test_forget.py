"""Forgetting: nothing is left of the person, and every other value is as it was."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.audit.all_checks import audit
from ml.common.errors import TidemarkError
from ml.erasure import allow_again, forget, search
from ml.home.layout import Home
from ml.ingest import ingest
from ml.ingest.manifest import read_load_manifest
from ml.journal import push
from ml.model.model_files import read_model
from ml.predictions.log import PredictionLog
from ml.serve.served_state import ServedState
from ml.tracking.manifest_entries import MANIFEST_TAG
from ml.warehouse import build
from ml.warehouse.doctor import doctor
from tests.ml.erasure.conftest import EMAIL, FORMER, PERSON, SHOP_PROBLEM, Full, copy_of, order_line
from tests.ml.warehouse.same import differing, misplaced

pytestmark = pytest.mark.subjects("ml/erasure", "ml/predictions", "ml/journal", "ml/ingest")

PERSONS = {PERSON, FORMER}
# What forgetting itself writes anew in other rows: hashes of files, and lists of customers.
MANIFESTS = {"load.json", "build.json", "model.json"}


def files(home: Path, pattern: str) -> list[Path]:
    return sorted(
        path.relative_to(home) for path in home.rglob(pattern) if not path.is_symlink() and path.is_file()
    )


TEXTS = (
    "logged_at",
    "source",
    "request_id",
    "customer_id",
    "event_timestamp",
    "features",
    "model_version",
    "build_id",
)


def is_log(file: Path) -> bool:
    """Whether SQLite keeps a file beside a database while it is open."""
    return file.name.endswith(("-wal", "-shm"))


def is_mine(row: dict[str, Any], orders: frozenset[str]) -> bool:
    """Whether a row is the person's, told by its values alone."""
    if row.get("table") and "content" in row:
        row = json.loads(row["content"])
        if row.get("customer_id") in PERSONS:
            return True
    if PERSONS & {row.get(name) for name in ("customer_id", "old_customer_id", "new_customer_id")}:
        return True
    order = row.get("order_id") or ""
    return "customer_id" not in row and (order in orders or order.removeprefix("bad-") in orders)


def test_the_search_finds_nothing_and_says_what_it_read(forgotten: tuple[Path, dict[str, Any]]) -> None:
    home, result = forgotten
    assert result["is_gone"]
    assert result["customers"] == 2
    assert result["search"]["files"] >= len([file for file in files(home, "*") if not is_log(file)])
    assert result["search"] | {"files": 0, "bytes": 0} == {
        "files": 0,
        "bytes": 0,
        "kind": "bytes",
        "hits": [],
        "unread": [],
    }
    assert result["search"]["bytes"] > sum((home / file).stat().st_size for file in files(home, "*.parquet"))


def test_no_other_search_finds_the_person(forgotten: tuple[Path, dict[str, Any]]) -> None:
    """By plain tools: every byte of every file, and every value of every column."""
    home, _ = forgotten
    words = [text.encode() for text in (PERSON, FORMER, EMAIL, json.dumps(PERSON)[1:-1])]
    for file in files(home, "*"):
        content = (home / file).read_bytes()
        assert not [word for word in words if word in content], file
    for file in files(home, "*.parquet"):
        assert not PERSONS & {
            str(value) for row in pq.read_table(home / file).to_pylist() for value in row.values()
        }


def test_every_other_row_of_every_parquet_file_is_as_it_was(
    full: Full, forgotten: tuple[Path, dict[str, Any]]
) -> None:
    home, _ = forgotten
    before = [file for file in files(full.home, "*.parquet") if "staged" not in file.parts]
    assert files(home, "*.parquet") == before
    changed = 0
    for file in before:
        old, new = pq.ParquetFile(full.home / file), pq.ParquetFile(home / file)
        kept = [row for row in old.read().to_pylist() if not is_mine(row, full.orders)]
        assert new.read().to_pylist() == kept, file
        assert new.schema_arrow.equals(old.schema_arrow, check_metadata=True), file
        assert new.metadata.created_by == old.metadata.created_by, file
        changed += len(kept) < old.metadata.num_rows
    assert changed > 30


def test_names_that_shared_a_file_still_do(full: Full, forgotten: tuple[Path, dict[str, Any]]) -> None:
    def shared(home: Path) -> set[tuple[str, ...]]:
        names: dict[int, list[str]] = {}
        for file in files(home, "*.parquet"):
            if "staged" not in file.parts:
                names.setdefault((home / file).stat().st_ino, []).append(str(file))
        return {tuple(one) for one in names.values() if len(one) > 1}

    assert shared(forgotten[0]) == shared(full.home)
    assert shared(full.home)


def sqlite_rows(file: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        for (table,) in connection.execute("select name from sqlite_master where type = 'table'").fetchall():
            cursor = connection.execute(f'select * from "{table}"')
            names = [column[0] for column in cursor.description]
            yield table, [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def test_every_other_row_of_every_database_is_as_it_was(
    full: Full, forgotten: tuple[Path, dict[str, Any]]
) -> None:
    home, _ = forgotten
    for file in ("feast/online_store.db", "mlflow.db", *map(str, files(full.home, "scored/*.db"))):
        after = dict(sqlite_rows(home / file))
        for table, rows in sqlite_rows(full.home / file):
            kept = [row for row in rows if not is_mine(row, full.orders)]
            others = [row for row, now in zip(kept, after[table], strict=True) if row != now]
            assert all(re.fullmatch("[0-9a-f]{64}", row["value"]) for row in others), (file, table)
    duck = "dbt/warehouse.duckdb"
    with (
        duckdb.connect(str(full.home / duck), read_only=True) as old,
        duckdb.connect(str(home / duck)) as new,
    ):
        names = old.sql("select table_name from duckdb_tables() order by all").fetchall()
        assert new.sql("select table_name from duckdb_tables() order by all").fetchall() == names
        numbers = old.sql(
            "select customer_number from int_customers where customer_id in $who", params={"who": [*PERSONS]}
        )
        mine = {number for (number,) in numbers.fetchall()}
        assert len(mine) == 2
        for (name,) in names:
            kept = [
                row
                for row in old.table(name).to_arrow_table().to_pylist()
                if not is_mine(row, full.orders) and row.get("customer_number") not in mine
            ]
            assert new.table(name).to_arrow_table().to_pylist() == kept, name


def test_scores_and_pages(full: Full, forgotten: tuple[Path, dict[str, Any]]) -> None:
    home, result = forgotten
    day = Path("runs", "2025-01-01")
    for name in ("scores.csv", "scores.jsonl"):
        before = (full.home / day / name).read_text().splitlines()
        kept = [line for line in before if PERSON not in line and "O'Neil" not in line]
        assert len(kept) == len(before) - 1
        assert (home / day / name).read_text().splitlines() == kept
    run = json.loads((full.home / day / "run.json").read_text())
    named = [name for name in run["customers"] if name != PERSON]
    assert json.loads((home / day / "run.json").read_text()) == run | {"customers": named}
    evidence = json.loads((home / "evidence" / "model-000001.json").read_text())
    assert [one["customer_id"] for one in evidence["reasons"]["customers"]] == ["C0000001"]
    assert result["removed"] == ["report/model-000001.html"]
    assert (home / "report" / "other.html").exists()


def test_manifests_agree_with_the_files(full: Full, forgotten: tuple[Path, dict[str, Any]]) -> None:
    home, result = forgotten
    for load in files(home, "raw/*/load.json"):
        manifest, before = json.loads((home / load).read_text()), json.loads((full.home / load).read_text())
        for table, counts in manifest["tables"].items():
            assert counts["read"] == counts["accepted"] + counts["rejected"]
            rows = (
                duckdb.sql(f"from '{(home / load).parent / table}/*.parquet'")
                if before["tables"][table]["accepted"]
                else []
            )
            assert counts["accepted"] == len(rows)
        assert manifest["data_clock"] == before["data_clock"]
    last = read_load_manifest(home / "raw" / "current")
    # The order without an amount and that of another, both refused for rows that named the person, are gone.
    assert last["reasons"] == {"order_items: unknown order": 1}
    model = read_model(home / "models" / "model-000001")
    assert (
        model.facts["card"] == json.loads((home / "evidence" / "model-000001.json").read_text())["model_card"]
    )
    with closing(sqlite3.connect(home / "mlflow.db")) as record:
        query = "select value from model_version_tags where key = ?"
        tags = record.execute(query, [MANIFEST_TAG]).fetchall()
    assert tags == [(model.facts["card"],)]
    (learned,) = result["models"]
    assert (learned["model"], learned["build_id"]) == ("model-000001", "build-000002")
    labels = full.home / "builds" / "build-000002" / "labels" / "label_customer_churn" / "*.parquet"
    span = f"event_timestamp between '{learned['first'][:-1]}' and '{learned['last'][:-1]}'"
    train, validation = (model.facts["split"][part] for part in ("train", "validation"))
    gap = f"event_timestamp > '{train['last'][:-1]}' and event_timestamp < '{validation['first'][:-1]}'"
    query = f"select count(*) from '{labels}' where customer_id in $who and {span} and not ({gap})"
    assert learned["rows"] == duckdb.sql(query, params={"who": [*PERSONS]}).fetchall()[0][0] > 0


def test_the_home_is_whole_and_the_audit_finds_no_breach(forgotten: tuple[Path, dict[str, Any]]) -> None:
    home, _ = forgotten
    checks = {check["check"]: check["state"] for check in doctor(home=home, problem=None)["checks"]}
    assert {name: state for name, state in checks.items() if state == "broken"} == {}
    found = audit(home=home, only=["ledger", "clocks", "online"], seconds=20)
    assert [finding["breaches"] for finding in found["checks"]] == [[], [], []]


def test_the_log_is_whole_and_a_planted_change_is_found(home: Path) -> None:
    with PredictionLog(Home(home)) as log:
        before = log.verify()
    result = forget(PERSON, home=home)
    assert result["erased"]["log"] == 1
    with PredictionLog(Home(home)) as log:
        after = log.verify()
        assert after["whole"]
        assert (after["entries"], after["erased"]) == (before["entries"] + 1, 1)
        rows = {row["sequence"]: row for row in log.rows()}
        (tombstone,) = [row for row in rows.values() if row["kind"] == "erased"]
        assert {tombstone[name] for name in ("customer_id", "features", "request_id", "logged_at")} == {""}
        number, other = tombstone["sequence"], 1 if tombstone["sequence"] != 1 else 2
        texts = ", ".join(f"{name} = ''" for name in TEXTS)
        nothing = ", ".join(f"{name} = null" for name in ("prediction", "decision", "band", "latency_ms"))
        plants = {
            f"features = 'x' where sequence = {number}": f"entry {number} was erased, and written to",
            f"hash = '{'0' * 64}' where sequence = {number}": f"entry {number + 1} does not follow",
            f"kind = 'erased', {texts}, {nothing} where sequence = {other}": f"entry {other} was emptied",
            "features = '[]' where kind = 'erasure'": "was changed after it was written",
            f"sequence = -1 where sequence = {number}": "is missing",
        }
        for plant, fault in plants.items():
            log.connection.execute("begin")
            log.connection.execute(f"update predictions set {plant}")
            assert fault in first_fault(log)
            log.connection.execute("rollback")
        assert log.verify()["whole"]
        log.prune(0)
        assert log.verify()["whole"]


def first_fault(log: PredictionLog) -> str:
    """What a verification says within an open transaction."""
    from unittest import mock

    with mock.patch.object(log, "transaction", side_effect=lambda: closing(log.connection.cursor())):
        return str(log.verify()["first_fault"])


def test_the_next_increment_equals_a_full_build(home: Path, tmp_path: Path) -> None:
    forget(PERSON, home=home)
    rows = [("new-1", "C0000003", "2024-12-31T23:40:00"), ("new-2", "C0000004", "2025-01-02T10:00:00")]
    more = tmp_path / "more"
    more.mkdir()
    lines = "".join(f"{order},{customer},{at},12.5\n" for order, customer, at in rows)
    (more / "orders.csv").write_text(f"order_id,customer_id,ordered_at,total_amount\n{lines}")
    ingest(more, home=home, append=True)
    other = copy_of(home, tmp_path / "other")
    increment, whole = build(home=home), build(home=other, full_refresh=True)
    assert (increment["kind"], whole["kind"]) == ("incremental", "full")
    assert increment["rows"] == whole["rows"]
    first, second = Home(home).current_build(), Home(other).current_build()
    assert differing(first, second) == {}
    assert misplaced(first) == []


def test_nobody_comes_back_until_allowed(home: Path, full: Full) -> None:
    forget(PERSON, home=home)
    again = ingest(full.raw, home=home, max_rejected=0.5)
    read = duckdb.sql(
        f"select count(*) from '{full.raw}/orders.parquet' where customer_id in $who",
        params={"who": [*PERSONS]},
    )
    assert again["reasons"]["orders: customer was erased"] == read.fetchall()[0][0]
    assert again["reasons"]["customer_merges: customer was erased"] == 1
    items = duckdb.sql(f"from '{full.raw}/order_items.parquet'").to_arrow_table().to_pylist()
    mine = sum(item["order_id"] in full.orders or item["order_id"].startswith("bad-") for item in items)
    assert again["reasons"]["order_items: customer was erased"] == mine
    rejected = pq.read_table(again["rejected_rows"]).to_pylist()
    contents = {row["content"] for row in rejected if row["reason"] == "customer was erased"}
    assert contents == {"{}"}
    answer = push(f"{order_line('pushed-3', PERSON)}\n{order_line('pushed-4', 'C0000002')}", home=home)
    assert [row["reason"] for row in answer["rows"]] == ["customer was erased", None]
    assert search(PERSON, home=home)["hits"] == []
    assert allow_again(FORMER, home=home)
    assert not allow_again(PERSON, home=home)
    back = ingest(full.raw, home=home, max_rejected=0.5)
    assert "orders: customer was erased" not in back["reasons"]


def test_a_killed_run_is_finished_by_the_next(
    home: Path, forgotten: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml.erasure import forget as package_function
    from ml.erasure import models

    module = __import__("ml.erasure.forget", fromlist=["erase_from_builds"])
    assert package_function is module.forget
    for name in ("erase_from_builds", "erase_rest"):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, killed)
            with pytest.raises(KeyboardInterrupt):
                forget(PERSON, home=home)
    # Killed between a file of a model and its manifest.
    with monkeypatch.context() as patch:
        patch.setattr(models, "write_hashes", killed)
    result = forget(PERSON, home=home)
    assert result["is_gone"]
    assert result["models"] == forgotten[1]["models"]
    for file in files(forgotten[0], "*.parquet"):
        assert pq.read_table(home / file).equals(pq.read_table(forgotten[0] / file)), file
    for file in files(forgotten[0], "*.json"):
        if file.name in MANIFESTS:
            assert json.loads((home / file).read_text()) == json.loads((forgotten[0] / file).read_text()), (
                file
            )


def killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_a_running_server_forgets_too(home: Path) -> None:
    state = ServedState(Home(home), SHOP_PROBLEM)
    state.refresh()
    assert state.get().find(PERSON) is not None
    forget(PERSON, home=home)
    state.refresh()
    assert state.get().find(PERSON) is None
    assert state.get().find("C0000001") is not None
    assert search(PERSON, home=home)["hits"] == []


def test_an_unknown_customer_is_one_sentence(home: Path) -> None:
    with pytest.raises(TidemarkError, match=r"nobody in .* has the key 'nobody-at-all'"):
        forget("nobody-at-all", home=home)
    assert not (home / "erased.json").exists()


def test_a_table_of_arrow_keeps_its_row_groups(tmp_path: Path) -> None:
    from ml.erasure.parquet_rows import erase_rows
    from ml.erasure.rows_to_erase import RowsToErase

    table = pa.table(
        {"customer_id": ["a", "b-long-key", "c", "b-long-key"], "note": ["x", "y", "saw b-long-key", "z"]}
    )
    pq.write_table(table.replace_schema_metadata({"about": "it"}), tmp_path / "t.parquet", row_group_size=2)
    rows = RowsToErase({"customer_id": frozenset({"b-long-key"})}, ("b-long-key",), (b"b-long-key",))
    assert erase_rows(tmp_path / "t.parquet", tmp_path / "n.parquet", rows) == 2
    with pq.ParquetFile(tmp_path / "n.parquet") as file:
        assert file.num_row_groups == 2
        assert file.schema_arrow.metadata[b"about"] == b"it"
        assert file.read().to_pydict() == {"customer_id": ["a", "c"], "note": ["x", "saw [erased]"]}
