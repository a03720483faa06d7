"""Our own views and on-demand features: our store against Feast's SQLite and Redis stores, cell by cell."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from benchmarks.peer_store import answers, peer, service_of, stored_customers, write_part
from ml.common import paths
from ml.featurestore import repository
from ml.featurestore.online.read import OnlineReader
from ml.featurestore.repository import open_store
from ml.home.build_manifest import data_clock
from ml.home.layout import Home
from ml.warehouse.materialize import materialize
from tests.ml.featurestore.generic_repo import cells

WHO = ["ann", "nobody", "old", "nil", "ann"]
# Feast's engine makes floats of whole numbers beside a null: see test_same_answers.
ROUNDED = "big"


def asked(home: Path) -> list[dict[str, str]]:
    at = data_clock(Home.at(home).current_build()).isoformat(timespec="microseconds")
    return [{"customer_id": who, "event_timestamp": at} for who in WHO]


def test_every_feature_of_the_service(home: Path, tmp_path: Path) -> None:
    build = Home.at(home).current_build()
    assert write_part(build, 3, tmp_path / "part") == ["ann", "nil", "old"]
    stock = peer("sqlite", build, tmp_path / "part", tmp_path / "peer")
    clock = data_clock(build).replace(tzinfo=UTC)
    stock.materialize(datetime(1990, 1, 1, tzinfo=UTC), clock)
    materialize(home=home)
    own = open_store(home)

    found = [cells(each.get_online_features(service_of(each), asked(home))) for each in (stock, own)]
    for each in found:
        assert sorted(each["order"])[:3] == ["average_order_value_30d", "big", "birth_date"]
    names = set(found[0]["messages"]) - {ROUNDED}
    assert len(names) == 12
    for name in names:
        assert found[1]["messages"][name][:2] == found[0]["messages"][name][:2], name
        assert found[1]["python"][name] == found[0]["python"][name], name
    assert set(found[0]["python"]) == set(found[1]["python"])
    # Feast's store keeps an event timestamp in whole seconds; ours to the microsecond.
    instants = [each["messages"]["city"][2][0] for each in found]
    assert [(each.seconds, each.nanos) for each in instants] == [(1707998400, 0), (1707998400, 1000)]
    assert stored_customers(stock, "sqlite") == 3


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    server = shutil.which("redis-server")
    pytest.importorskip("redis")
    if server is None:
        pytest.skip("no redis-server on this machine")
    with socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        port = spare.getsockname()[1]
    process = subprocess.Popen(
        [server, "--port", str(port), "--save", "", "--dir", str(tmp_path)], stdout=subprocess.DEVNULL
    )
    for _ in range(100):
        if answers(f"127.0.0.1:{port}"):
            break
        time.sleep(0.1)
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait()


def test_redis_by_configuration_alone(
    home: Path, tmp_path: Path, redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command, the same reader, the same answers; only feature_store.yaml is another."""
    at = data_clock(Home.at(home).current_build())
    materialize(home=home)
    expected = OnlineReader(home).features(WHO, at)
    assert [row["orders_30d"] for row in expected] == [2, None, 0, 0, 2]

    stated = paths.settings() | {"online_store": {"type": "redis", "connection_string": redis}}
    settings = tmp_path / "feature_store.yaml"
    settings.write_text(yaml.safe_dump(stated))
    for module in (paths, repository):
        monkeypatch.setattr(module, "SETTINGS", settings)
    (home / "feast" / "online_store.db").unlink()
    result = materialize(home=home)

    assert result["views"]["feat_customer_orders"] == {"customers": 3, "rows": 7}
    assert OnlineReader(home).features(WHO, at) == expected
    assert not (home / "feast" / "online_store.db").exists()
