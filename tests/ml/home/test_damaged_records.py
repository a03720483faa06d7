"""A damaged file of the home is named in one sentence, with the command that makes it anew; and that does."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ml.cli import main
from ml.common.paths import ROOT, online_file
from ml.config.problem import Problem
from ml.warehouse.materialize import materialize
from tests.ml.featurestore.retrieve_rows import offline, online
from tests.ml.featurestore.small_build import ORDER_ROWS, write_build
from tests.ml.warehouse.test_materialize import CLOCK, EVERYBODY
from tests.worlds import Built

pytestmark = pytest.mark.subjects("ml/home", "ml/warehouse", "ml/ingest")

DAMAGES = {
    "cut off": '{"build_id": "build-0',
    "of another kind": "[]",
    "empty": "",
    "without its words": "{}",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_build(tmp_path / "home")
    return tmp_path / "home"


def ran(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, [words[0], "--home", str(home), *words[1:]])


def one_sentence(result: Result, *parts: str) -> None:
    """Status 1, and one line on standard error that has all the parts."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    (line,) = result.stderr.splitlines()
    assert line.startswith("churn: ")
    assert all(part in line for part in parts), line


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("command", ["materialize", "audit", "train", "explore"])
def test_a_damaged_build_card_is_named(home: Path, command: str, how: str) -> None:
    manifest = home / "builds" / "build-000001" / "build.json"
    manifest.write_text(DAMAGES[how])
    one_sentence(ran(home, command), f"{manifest} is damaged: run 'churn build' again")


def test_a_build_card_that_is_gone_is_named(home: Path) -> None:
    manifest = home / "builds" / "build-000001" / "build.json"
    manifest.unlink()
    one_sentence(ran(home, "materialize"), f"{manifest} is missing: run 'churn build' again")


@pytest.mark.parametrize("how", ["cut off", "missing"])
def test_churn_build_makes_a_damaged_card_anew(world: Built, tmp_path: Path, how: str) -> None:
    home = shutil.copytree(world.home, tmp_path / "home", symlinks=True)
    manifest = home / "builds" / "build-000001" / "build.json"
    if how == "missing":
        manifest.unlink()
    else:
        manifest.write_text(DAMAGES[how])
    assert ran(home, "build").exit_code == 0
    made = json.loads((home / "builds" / "current" / "build.json").read_text())
    assert (made["build_id"], made["replaces"], made["lineage"], made["kind"]) == (
        "build-000002",
        "build-000001",
        ["build-000001"],
        "full",
    )
    before = json.loads((world.home / "builds" / "current" / "build.json").read_text())
    assert made["rows"] == before["rows"]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_load_record_is_named(world: Built, tmp_path: Path, how: str) -> None:
    home = shutil.copytree(world.home, tmp_path / "home", symlinks=True)
    record = home / "raw" / "load-000001" / "load.json"
    record.write_text(DAMAGES[how])
    said = f"{record} is damaged: run 'churn ingest PATH' again"
    one_sentence(ran(home, "build"), said)
    one_sentence(ran(home, "ingest", str(world.raw), "--append"), said)

    assert ran(home, "ingest", str(world.raw)).exit_code == 0
    assert json.loads((home / "raw" / "current" / "load.json").read_text())["data_clock"]


def test_steps_that_cannot_be_read_only_mean_more_work(home: Path) -> None:
    materialize(home=home)
    build = write_build(home, "build-000002", [(*row[:2], row[2] + 5, *row[3:]) for row in ORDER_ROWS])
    (build / "changes").mkdir()
    (build / "changes" / "steps.json").write_text('[{"build": "build-0')
    assert materialize(home=home)["written"] == {"feat_customer_orders": 3, "feat_customer_profile": 3}
    assert online(home, EVERYBODY, CLOCK) == offline(home, EVERYBODY, CLOCK)


@pytest.mark.parametrize("how", ["no database", "torn"])
def test_a_damaged_online_file_is_named_and_its_remedy_works(home: Path, how: str) -> None:
    manifest = home / "builds" / "build-000001" / "build.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"problem": Problem().label_terms()}))
    command = [sys.executable, "-m", "ml", "materialize", "--home", str(home)]
    subprocess.run(command, cwd=ROOT, check=True)
    store = online_file(home)
    whole = store.read_bytes()
    torn = whole[:4096] + b"\xff" * (len(whole) - 4096)
    store.write_bytes(b"no database" * 1000 if how == "no database" else torn)
    remedy = "delete it with its -wal and -shm, then run 'churn materialize'"
    one_sentence(ran(home, "materialize", "--full-refresh"), f"{store} is damaged", remedy)
    damaged = ran(home, "audit", "--check", "online")
    assert (damaged.exit_code, damaged.stdout.count("FAILED"), remedy in damaged.stdout) == (1, 1, True)
    assert "COULD NOT BE CHECKED: online" in damaged.stdout

    for file in store.parent.glob("online_store.db*"):
        file.unlink()
    assert ran(home, "materialize").exit_code == 0
    assert online(home, EVERYBODY, CLOCK) == offline(home, EVERYBODY, CLOCK)


def test_written_and_all_are_told_apart(home: Path) -> None:
    """Only who has something new is written: at the later instant that is ann, of whom a window ended."""
    earlier, later = "2024-03-01T10:11:12.5Z", "2024-03-01T10:11:12.987654Z"
    first = json.loads(ran(home, "materialize", "--as-of", earlier, "--json").stdout)
    assert first["written"] == {"feat_customer_orders": 3, "feat_customer_profile": 3}

    again = json.loads(ran(home, "materialize", "--as-of", later, "--json").stdout)
    assert again["written"] == {"feat_customer_orders": 1, "feat_customer_profile": 0}
    assert again["views"] == {
        "feat_customer_orders": {"customers": 3, "rows": 7},
        "feat_customer_profile": {"customers": 3, "rows": 4},
    }
    ran(home, "materialize", "--as-of", earlier)
    assert ran(home, "materialize").stdout.splitlines()[1:] == [
        "  feat_customer_orders: 3 customers, 1 of them written, from 7 rows",
        "  feat_customer_profile: 3 customers, 0 of them written, from 4 rows",
    ]


def test_a_load_taken_up_counts_all_it_needed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_power(*_: object) -> None:
        raise OSError("the power is gone")

    with monkeypatch.context() as patch:
        patch.setattr("ml.warehouse.materialize.fill_online", no_power)
        with pytest.raises(OSError, match="power"):
            materialize(home=home)
    assert materialize(home=home)["written"] == {"feat_customer_orders": 3, "feat_customer_profile": 3}
