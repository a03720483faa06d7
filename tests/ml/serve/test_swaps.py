"""What is served follows the home: materialization, promotion, a store that is gone and comes back."""

import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import UsageError
from ml.common.paths import online_file
from ml.home.layout import Home, set_model
from ml.serve import served_state
from ml.serve.access import create_key, is_loopback
from ml.serve.served_state import Served, ServedState
from ml.serve.server import serve
from ml.train import train
from ml.warehouse.materialize import materialize
from tests.ml.conftest import PROBLEM
from tests.ml.serve.serving import serving


@pytest.fixture
def home(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> Path:
    return shutil.copytree(trained[0], tmp_path / "home", symlinks=True)


def copy_database(source: Path, target: Path) -> None:
    """A whole copy in one file, whatever of it still stands in the write-ahead log."""
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)


def test_it_is_not_ready_until_values_are_online_and_recovers_alone(home: Path) -> None:
    with serving(home) as server:
        assert server.ask("/health").status == 200
        answer = server.ask("/v1/scores", {"customer_ids": ["c0001"]})
        assert (answer.status, answer.json["detail"]) == (503, "not ready: see /ready")
        assert server.ask("/ready").status == 503
        materialize(home=home)
        server.until(lambda: server.ask("/ready").status == 200)
        assert server.scores("c0001")[0]["status"] != "unknown"
        aside = home / "aside.db"
        copy_database(online_file(home), aside)
        for file in online_file(home).parent.glob(f"{online_file(home).name}*"):
            file.unlink()
        server.until(lambda: server.ask("/ready").status == 503)
        assert server.scores("c0001")[0]["status"] != "unknown"  # from the last whole state
        aside.rename(online_file(home))
        server.until(lambda: server.ask("/ready").status == 200)


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk I/O error"), duckdb.IOException("no file")])
def test_a_database_that_cannot_be_read_is_looked_at_again(
    home: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The last whole state answers meanwhile."""

    def fail(_root: Path) -> None:
        raise error

    materialize(home=home)
    with serving(home) as server:
        server.until(lambda: server.ask("/ready").status == 200)
        with monkeypatch.context() as patch:
            patch.setattr("ml.serve.served_state.online_views", fail)
            server.until(lambda: server.ask("/ready").status == 503)
            assert server.scores("c0001")[0]["status"] != "unknown"
        server.until(lambda: server.ask("/ready").status == 200)


def test_a_state_that_cannot_be_loaded_is_tried_after_ever_longer_pauses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And at once when there is another; seconds between two attempts double up to half a minute."""
    state, clock, attempts = ServedState(Home.at(tmp_path), PROBLEM), [0.0], list[float]()
    signature = [(Path("build-1"), Path("model-1"), datetime(2024, 1, 1))]

    def load(*_: object) -> Served:
        attempts.append(clock[0])
        raise OSError("no space left on device")

    monkeypatch.setattr(served_state, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(state, "signature", lambda: signature[0])
    monkeypatch.setattr(state, "load", load)
    for half_seconds in range(201):
        clock[0] = half_seconds / 2
        state.refresh()
        assert state.fault == "no space left on device"
    assert attempts == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 61.5, 91.5]

    signature[0] = (Path("build-2"), Path("model-1"), datetime(2024, 1, 1))
    state.refresh()
    assert attempts[-1] == 100


def test_a_promotion_swaps_in_between_two_requests(home: Path) -> None:
    """Under requests all the while: none fails, and none has two models."""
    materialize(home=home)
    train(home=home, problem=PROBLEM, promotion="better")
    first, second = (Home.at(home).models / f"model-00000{number}" for number in (1, 2))
    build = Home.at(home).current_build()
    set_model(build, first)
    seen: list[set[str]] = []
    stop = threading.Event()
    with serving(home) as server:

        def ask() -> None:
            while not stop.is_set():
                seen.append({row["model_version"] for row in server.scores("c0001", "c0002", "c0003")})

        asking = threading.Thread(target=ask)
        asking.start()
        set_model(build, second)
        server.until(lambda: bool(seen) and seen[-1] == {second.name})
        stop.set()
        asking.join()
    assert all(len(models) == 1 for models in seen)
    assert {first.name} in seen


def test_beyond_this_machine_it_does_not_start_without_a_key(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"0\.0\.0\.0 is not this machine alone and there is no key"):
        serve(home=home, host="0.0.0.0")
    create_key(Home.at(home), "score")
    with pytest.raises(UsageError, match="TLS needs both files"):
        serve(home=home, host="0.0.0.0", certificate=str(tmp_path / "c.pem"))
    with pytest.raises(UsageError, match="there is no file"):
        serve(
            home=home,
            host="0.0.0.0",
            certificate=str(tmp_path / "c.pem"),
            private_key=str(tmp_path / "k.pem"),
        )


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
    ],
)
def test_what_is_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_the_commands_of_keys(tmp_path: Path) -> None:
    def ran(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["keys", *arguments, "--home", str(tmp_path)])
        return result.exit_code, result.output

    assert ran("list") == (0, "no key was ever created\n")
    status, secret = ran("create", "--role", "score", "--name", "shop", "--expires", "2099-01-01")
    assert (status, secret.startswith("tmk_"), len(secret.strip())) == (0, True, 47)
    assert "score  shop" in ran("list")[1]
    assert secret.strip() not in ran("list")[1]
    assert " revoked " in ran("revoke", "shop")[1]
    assert ran("revoke", "nobody") == (
        2,
        "churn: there is no key nobody: 'churn keys list' shows ids and names\n",
    )
    assert (tmp_path / "serve" / "keys.json").stat().st_mode & 0o777 == 0o600
