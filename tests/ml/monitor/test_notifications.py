"""What is sent where: a webhook that answers, refuses or is not there; a file for Prometheus."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ml.home.layout import Home
from ml.monitor.notifications import notify, prometheus_text
from ml.monitor.report import Alert, GroupFigures, MonitorReport, Performance, SourceFigures
from ml.monitor.settings import MonitorSettings

ALERT = Alert(
    "feed", "days are 7", "the feed of orders stopped", "feed stopped", "Restart it.", "2024-12-30T00:00:00Z"
)


def report() -> MonitorReport:
    return MonitorReport(
        as_of="2024-12-30T00:00:00Z",
        since="2024-12-23T00:00:00Z",
        build_id="build-000001",
        load_id="load-000001",
        model_version="model-000001",
        problem="problem",
        task="classification",
        customers=120,
        sampled=120,
        budget="one",
        alerts=[ALERT],
        groups=[
            GroupFigures("feed", True, 0.01, "pages", (), (), ()),
            GroupFigures("score", False, 0.5, "pages", (), (), ()),
        ],
        sources=[SourceFigures("orders", 0.0, 9.0, 7.25, None, None, None, "stopped")],
        performance=Performance(0, 0, None, None, {}, None, None, 20.0, None, [], ""),
        bands=[],
        features=[],
        causes=[],
        profit=None,
        requests=None,
        skew="",
        retrain_due=True,
        retrain_reason="it is old",
        recommendations=["Restart it."],
        past_pages={},
    )


@pytest.fixture
def posted() -> Iterator[tuple[str, list[dict]]]:
    """A server that keeps what is posted; below ``/refuse`` it answers 500."""
    taken: list[dict] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/refuse" else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_gets_the_summary(posted: tuple[str, list[dict]], tmp_path: Path) -> None:
    address, taken = posted
    assert notify(Home.at(tmp_path), report(), MonitorSettings(webhook=f"{address}/hook")) == []
    (summary,) = taken
    assert (summary["ok"], summary["alerts"][0]["cause"]) == (False, "the feed of orders stopped")
    assert (summary["retrain_due"], summary["recommendations"]) == (True, ["Restart it."])


def test_a_webhook_that_fails_is_a_warning_without_its_address(
    posted: tuple[str, list[dict]], tmp_path: Path
) -> None:
    refused = notify(Home.at(tmp_path), report(), MonitorSettings(webhook=f"{posted[0]}/refuse"))
    assert refused == ["the webhook answered 500: the summary was not taken"]
    gone = notify(Home.at(tmp_path), report(), MonitorSettings(webhook="http://127.0.0.1:9/secret"))
    assert gone[0].startswith("the webhook could not be reached: ")
    assert "secret" not in gone[0]


def test_prometheus_reads_the_file(tmp_path: Path) -> None:
    assert notify(Home.at(tmp_path), report(), MonitorSettings(prometheus_file="out/monitor.prom")) == []
    text = (tmp_path / "out" / "monitor.prom").read_text()
    assert text == prometheus_text(report())
    found = {
        (sample.name, sample.labels.get("group", sample.labels.get("source", ""))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found == {
        ("churn_monitor_alerts", ""): 1.0,
        ("churn_monitor_retrain_due", ""): 1.0,
        ("churn_monitor_customers", ""): 120.0,
        ("churn_monitor_pages", "feed"): 1.0,
        ("churn_monitor_pages", "score"): 0.0,
        ("churn_monitor_stale_days", "orders"): 7.25,
    }


def test_a_file_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    (warning,) = notify(Home.at(tmp_path), report(), MonitorSettings(prometheus_file="taken/monitor.prom"))
    assert warning.startswith("the file taken/monitor.prom for Prometheus was not written: ")
