"""Whole reports: all well and alarms, the past, file, page and command, homes that lack something."""

import json
import shutil
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import NotReadyError
from ml.common.paths import online_file
from ml.config.problem import read_problem
from ml.home.layout import Home
from ml.monitor import monitor
from ml.monitor.report import MonitorReport
from ml.monitor.report_file import last_report, write_report
from ml.monitor.report_page import write_page
from ml.monitor.settings import Retrain
from ml.monitor.skew import skew
from ml.predictions.entries import DROPPED, SCORE, Entry
from ml.predictions.log import PredictionLog
from ml.train import train
from ml.warehouse.materialize import materialize
from tests.ml.conftest import PROBLEM
from tests.ml.monitor.conftest import AS_OF, FAST, SETTINGS, STOPPED_AT

VALUE = """
name: value
label: label_customer_value
task: regression
candidates: [mean, linear]
tuning: {trials: 0}
training_rows_max: 2000
"""


def watch(home: Path, **more: Any) -> Any:
    return monitor(home=home, **{"problem": FAST, "settings": SETTINGS, "as_of": AS_OF, **more})


@pytest.fixture(scope="module")
def calm(watched: Path) -> MonitorReport:
    """The report where nothing happens."""
    return watch(watched)


@pytest.fixture(scope="module")
def alarm(stopped: Path) -> MonitorReport:
    """The report where no order became known for a week."""
    return watch(stopped)


def test_where_nothing_happens_all_is_well(calm: MonitorReport) -> None:
    report = calm
    assert (report.ok, report.alerts) == (True, [])
    assert [group.name for group in report.groups] == ["score", "label rate", "performance", "feed", "counts"]
    assert {source.source for source in report.sources} == {
        "customers",
        "orders",
        "support_tickets",
        "sessions",
    }
    assert {source.state for source in report.sources} == {"on time"}
    assert report.performance.ripe_rows > 200
    assert 0 < report.performance.realised["brier"] < 0.3
    low, high = report.performance.interval
    assert low < report.performance.realised["brier"] < high
    assert report.performance.wealth < 20
    assert [each.assumption for each in report.performance.estimated] == ["covariate shift", "label shift"]
    assert sum(band.customers for band in report.bands) == pytest.approx(report.customers)
    assert report.recommendations == ["Nothing to do."]


def test_orders_that_stop_are_an_alarm_with_its_cause(alarm: MonitorReport) -> None:
    report = alarm
    assert not report.ok
    assert {"feed", "counts"} <= {alert.group for alert in report.alerts}
    for alert in report.alerts:
        assert alert.cause_kind == "feed stopped"
        assert alert.cause.startswith("the feed of orders stopped: for 7.")
        assert alert.rank_p is not None
        assert alert.rank_p < 0.03
    assert report.recommendations[0].startswith("Restart the delivery of orders")
    orders = next(source for source in report.sources if source.source == "orders")
    assert (orders.rows, orders.state) == (0.0, report.alerts[0].cause)


def test_a_report_of_the_past_is_that_of_the_day(watched: Path, stopped: Path) -> None:
    """What happened after an instant changes nothing of its report: the two homes differ only later."""
    before = AS_OF - timedelta(days=7)
    one, other = (watch(home, as_of=before).as_dict() for home in (watched, stopped))
    for name in ("alerts", "sources", "features", "causes", "customers"):
        assert one[name] == other[name], name
    for group, same in zip(one["groups"], other["groups"], strict=True):
        if group["name"] not in ("label rate", "performance"):
            assert group == same
    assert before.isoformat()[:10] == STOPPED_AT


def test_an_instant_after_the_data_tells_that_they_are_old(watched: Path) -> None:
    report = watch(watched, as_of=AS_OF + timedelta(days=16))
    stale = {source.source: source.stale_days for source in report.sources}
    assert min(stale.values()) > 13
    feed = next(alert for alert in report.alerts if alert.group == "feed")
    assert (feed.cause_kind, feed.since) == ("feed stopped", "2025-01-08T00:00:00Z")
    assert {alert.cause_kind for alert in report.alerts} == {"feed stopped"}


def test_too_few_weeks_are_said_and_page_nothing(stopped: Path) -> None:
    """The same fault that pages with seventy weeks; with eight the budget allows no page."""
    report = watch(stopped, settings=replace(SETTINGS, reference_weeks=8))
    assert report.ok
    assert "feed does not page: 8 past weeks are too few for the budget, which needs 10" in report.notes
    assert report.causes[0].startswith("the feed of orders stopped")


def test_the_report_is_kept_and_the_last_one_found(alarm: MonitorReport, tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    assert last_report(home) is None
    for day in ("23", "30", "16"):
        file = write_report(home, replace(alarm, as_of=f"2024-12-{day}T00:00:00Z"))
        assert file == tmp_path / "monitoring" / f"2024-12-{day}T000000Z.json"
    last = last_report(home)
    assert last is not None
    assert last["groups"] == json.loads(json.dumps(alarm.as_dict()))["groups"]
    assert last["as_of"] == "2024-12-30T00:00:00Z"
    (tmp_path / "monitoring" / "2024-12-30T000000Z.json").write_text("{broken")
    assert (last_report(home) or {})["as_of"] == "2024-12-23T00:00:00Z"
    assert last_report(home, "other") is None
    assert Path(alarm.file).name == "2024-12-30T000000Z.json"


def test_the_page_shows_alarms_and_needs_no_other_file(alarm: MonitorReport, tmp_path: Path) -> None:
    write_page(json.loads(json.dumps(alarm.as_dict())), tmp_path / "pages" / "report.html")
    html = (tmp_path / "pages" / "report.html").read_text()
    assert html.count("<h1") == 1
    assert "<script" not in html
    assert "src=" not in html
    assert alarm.alerts[0].cause in html


def test_the_command_exits_by_its_outcome(watched: Path, stopped: Path, tmp_path: Path) -> None:
    file = tmp_path / "fast.yml"
    file.write_text("name: problem\ncandidates: [prior, logistic_regression]\n")
    words = ["monitor", "--as-of", "2024-12-30T00:00:00Z", "--problem", str(file)]
    ran = CliRunner().invoke(main, [*words, "--home", str(watched), "--json"])
    assert (ran.exit_code, json.loads(ran.stdout)["ok"]) == (0, True)
    ran = CliRunner().invoke(main, [*words, "--home", str(stopped), "--out", str(tmp_path / "page.html")])
    assert ran.exit_code == 1
    assert "ALARM feed: " in ran.stdout
    assert "  likely cause: the feed of orders stopped" in ran.stdout
    assert (tmp_path / "page.html").is_file()
    ran = CliRunner().invoke(main, [*words, "--home", str(tmp_path / "nothing")])
    assert ran.exit_code == 1
    assert "run 'churn ingest PATH'" in ran.stderr
    assert CliRunner().invoke(main, ["monitor", "--as-of", "yesterday"]).exit_code == 2


def test_a_build_without_raw_rows_is_judged_by_its_scores(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    home = shutil.copytree(trained[0], tmp_path / "home", symlinks=True)
    report = monitor(home=home, problem=PROBLEM, settings=SETTINGS)
    assert [group.name for group in report.groups] == ["score", "label rate", "performance", "counts"]
    assert report.sources == []
    assert any("is gone: nothing is said of sources" in note for note in report.notes)


def test_amounts_have_their_own_figures(home: Path, tmp_path: Path) -> None:
    (tmp_path / "value.yml").write_text(VALUE)
    problem = read_problem(tmp_path / "value.yml")
    train(home=home, problem=problem)
    report = monitor(home=home, problem=problem, settings=SETTINGS, as_of=AS_OF, out=tmp_path / "value.html")
    performance = next(group for group in report.groups if group.name == "performance")
    assert {member.name for member in performance.members} == {"rmse", "bias"}
    assert (report.task, report.bands, report.profit) == ("regression", [], None)
    assert report.performance.estimated == []
    assert Path(report.file).parent.name == "value"
    assert "Amounts have no bands" in (tmp_path / "value.html").read_text()


def test_without_a_model_there_is_nothing_to_watch(watched: Path, tmp_path: Path) -> None:
    (tmp_path / "other.yml").write_text("name: other\n")
    with pytest.raises(NotReadyError, match="run 'churn train' first"):
        monitor(home=watched, problem=tmp_path / "other.yml", settings=SETTINGS)


def test_a_changed_definition_is_an_alarm(home: Path) -> None:
    """The code of a feature model is no longer that of the build that taught the champion."""
    file = Home.at(home).current_build() / "manifest.json"
    manifest = json.loads(file.read_text())
    node = next(node for node in manifest["nodes"].values() if node["name"] == "feat_customer_orders")
    node["checksum"]["checksum"] = "0" * 64
    file.write_text(json.dumps(manifest))
    report = watch(home)
    assert [alert.group for alert in report.alerts] == ["definition"]
    assert (
        "the code of feat_customer_orders in build-000002 is not that in build-000001"
        in report.alerts[0].cause
    )


def test_a_model_that_fails_its_promise_is_found_by_the_bet(home: Path) -> None:
    """Labels of the last months are turned around: what was promised does not come true."""
    (file,) = (Home.at(home).current_build() / "labels" / "label_customer_churn").glob("slice*.parquet")
    with duckdb.connect() as connection:
        connection.execute(f"create table rows as from '{file}'")
        connection.execute(
            "update rows set churned = 1 - churned where event_timestamp > timestamp '2024-09-01'"
        )
        connection.execute(f"copy (from rows) to '{file}' (format parquet)")
    report = watch(home, settings=replace(SETTINGS, retrain=Retrain(when_performance_alarm=True)))
    alert = next(alert for alert in report.alerts if alert.group == "performance")
    assert "a bet against that grew" in alert.sentence
    assert report.performance.wealth > 20
    assert report.performance.at_least > report.performance.limit
    assert report.retrain_due
    assert report.retrain_reason == "the realised performance is worse than the evaluated one"


def test_scores_that_left_are_counted(home: Path, calm: MonitorReport) -> None:
    assert calm.requests is None
    with PredictionLog(Home.at(home)) as log:
        log.append(
            [
                Entry(
                    SCORE,
                    "2024-12-29T00:00:00Z",
                    "http",
                    str(number),
                    "c",
                    band="high",
                    model_version="m",
                    latency_ms=number,
                )
                for number in range(1, 101)
            ]
            + [
                Entry(DROPPED, "2024-12-29T00:00:00Z", "http", count=7),
                Entry(SCORE, "2024-12-01T00:00:00Z", "http", "old", "c", latency_ms=9999.0),
            ]
        )
    figures = watch(home).requests
    assert (figures.scores, figures.requests, figures.dropped) == (100, 100, 7)
    assert figures.bands == {"high": 100}
    assert figures.milliseconds == pytest.approx({"p50": 50.5, "p95": 95.05, "p99": 99.01})


def test_own_settings_hold(watched: Path, calm: MonitorReport) -> None:
    """A retraining every 100 days: the champion is of data 182 days old."""
    report = watch(watched, settings=replace(SETTINGS, retrain=Retrain(every_days=100)))
    assert not calm.retrain_due
    assert report.retrain_due
    assert report.retrain_reason == "the champion is of data 182 days old, and the policy says every 100"
    assert report.recommendations == [f"Train again: {report.retrain_reason}."]


def test_online_values_are_compared_with_offline_ones(home: Path) -> None:
    assert skew(Home.at(home), FAST) == "not compared: nothing is online"
    materialize(home=home)
    assert "cells of" in skew(Home.at(home), FAST)
    assert "BREACH" not in skew(Home.at(home), FAST)
    with sqlite3.connect(online_file(home)) as store:
        (table,) = store.execute(
            "select name from sqlite_master where type = 'table' and name like 'feat_customer_orders%'"
        ).fetchone()
        store.execute(f'update "{table}" set orders_90d = orders_90d + 1')
    assert skew(Home.at(home), FAST).startswith("BREACH: feat_customer_orders.orders_90d: ")
