"""Scores over HTTP: the numbers of the batch to the last digit; who may ask; what is refused and logged."""

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.common.instants import parse_instant
from ml.explain.contributions import contributions
from ml.featurestore.catalog import read_catalog
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.build_manifest import data_clock
from ml.home.layout import Home
from ml.model.model_files import read_model
from ml.predictions.log import PredictionLog
from ml.score import score
from ml.serve.access import ADMIN, READ, SCORE, create_key, revoke_key
from ml.serve.scored_file import known_with_next_change
from tests.ml.conftest import PROBLEM
from tests.ml.serve.conftest import customers_of
from tests.ml.serve.serving import Server, serving
from tests.worlds import Built


@pytest.fixture(scope="module")
def server(online: Path) -> Iterator[Server]:
    with serving(online) as running:
        yield running


def test_every_customer_has_the_score_of_the_batch(server: Server, online: Path) -> None:
    """Everyone the build knows; the population has the status scored, others not_eligible."""
    everyone = customers_of(online)
    found = [
        row
        for start in range(0, len(everyone), 1000)
        for row in server.scores(*everyone[start : start + 1000])
    ]
    assert [row["customer_id"] for row in found] == everyone
    as_of = parse_instant(found[0]["event_timestamp"])
    batch = {
        row["customer_id"]: row
        for row in score(everyone, home=online, problem=PROBLEM, as_of=as_of).to_pylist()
    }
    population = set(score(home=online, problem=PROBLEM, as_of=as_of).column("customer_id").to_pylist())
    for row in found:
        expected = batch[row["customer_id"]]
        assert row["status"] == ("scored" if row["customer_id"] in population else "not_eligible")
        for name in ("churn_probability", "churn_decision", "risk_band", "model_version", "build_id"):
            assert row[name] == expected[name]
        assert [reason["text"] for reason in row["reasons"]] == expected["reasons"]
        assert parse_instant(row["event_timestamp"]) == expected["event_timestamp"]
    assert {row["status"] for row in found} == {"scored", "not_eligible"}


def test_reasons_have_the_value_and_the_contribution(server: Server, online: Path) -> None:
    model = read_model(Home.at(online).current_model())
    row = next(row for row in server.scores(*customers_of(online)[:50]) if row["reasons"])
    keys = pa.table(
        {
            "customer_id": [row["customer_id"]],
            "event_timestamp": pa.array([parse_instant(row["event_timestamp"])], pa.timestamp("us")),
        }
    )
    frame = model.frame(point_in_time(Home.at(online).current_build(), keys))
    added = dict(zip(frame.columns, contributions(model, frame)[0], strict=True))
    for reason in row["reasons"]:
        assert reason["contribution"] == added[reason["feature"]]
        value = frame[reason["feature"]].iloc[0]
        assert reason["value"] == (value if isinstance(value, str) else float(value))


def test_the_order_is_kept_duplicates_and_unknown_ones_too(server: Server, online: Path) -> None:
    first, second = customers_of(online)[:2]
    odd = ["a/b", "per%cent", "dots..", "quo\"te'", "nul\0", "emoji 😀", "x" * 10_000, " "]
    found = server.scores(second, "nobody", first, second, *odd)
    assert [row["customer_id"] for row in found] == [second, "nobody", first, second, *odd]
    assert [row["status"] == "unknown" for row in found] == [False, True, False, False, *[True] * len(odd)]
    assert found[1]["churn_probability"] is None
    assert found[0] == found[3]
    assert all(row["reasons"] == [] for row in server.scores(first, second, reasons=False))


def test_exact_until_is_the_first_row_of_a_feature_table_with_other_values(
    server: Server, online: Path
) -> None:
    build = Home.at(online).current_build()
    tables = [
        [row for file in sorted(folder.glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
        for folder in sorted((build / "features").iterdir())
    ]
    found = server.scores(*customers_of(online)[:60])
    for scored in found:
        as_of = parse_instant(scored["event_timestamp"])
        changes = []
        for table in tables:
            rows = sorted(
                (row for row in table if row["customer_id"] == scored["customer_id"]),
                key=lambda row: row["event_timestamp"],
            )
            values = {row.pop("event_timestamp"): row for row in rows}
            present = [values[at] for at in values if at <= as_of][-1]
            changes += [at for at in values if at > as_of and values[at] != present][:1]
        until = scored["exact_until"] and parse_instant(scored["exact_until"])
        assert until == min(changes, default=None)


def test_features_change_at_exact_until_and_not_a_microsecond_before(shop: Built) -> None:
    """In a build of dbt, seen from 60 days before its data clock."""
    catalog, as_of = read_catalog(shop.build), data_clock(shop.build) - timedelta(days=60)
    stored = [feature.name for feature in catalog.stored]
    found = known_with_next_change(catalog, as_of)
    changing = found.filter(found["changes"].is_valid()).slice(0, 200)
    assert len(changing) == 200
    customers = changing["customer_id"].to_pylist()
    instants = [
        (as_of, until - timedelta(microseconds=1), until) for until in changing["changes"].to_pylist()
    ]
    keys = pa.table(
        {
            "customer_id": [name for name in customers for _ in range(3)],
            "event_timestamp": pa.array([at for three in instants for at in three], pa.timestamp("us")),
        }
    )
    rows = [[row[name] for name in stored] for row in point_in_time(shop.build, keys).to_pylist()]
    for now, before, after in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        assert before == now
        assert after != now


def test_one_customer_profile_and_cache(server: Server, online: Path) -> None:
    name = customers_of(online)[0]
    answer = server.ask(f"/v1/customers/{name}", headers={"X-Request-ID": "from-the-shop-1"})
    assert answer.json["request_id"] == answer.headers["x-request-id"] == "from-the-shop-1"
    assert answer.json["score"] == server.scores(name)[0]
    assert set(answer.json["profile"]) == {"city", "email_verified", "never_filled", "registered_at"}
    assert answer.headers["server-timing"].startswith("total;dur=")
    again = server.ask(f"/v1/customers/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert server.ask("/v1/customers/nobody").status == 404


def test_features_online_and_at_an_instant(server: Server, online: Path) -> None:
    name, build = customers_of(online)[0], Home.at(online).current_build()
    now = server.ask(f"/v1/customers/{name}/features").json
    then = server.ask(f"/v1/customers/{name}/features?as_of={now['as_of']}").json
    assert (now["source"], then["source"]) == ("online", "offline")
    assert now["features"] == then["features"]
    assert set(now["features"]) == set(read_catalog(build).feature_names)
    assert server.ask(f"/v1/customers/{name}/features?as_of=2099-01-01").status == 422
    assert server.ask(f"/v1/customers/{name}/features?as_of=yesterday").status == 422


def test_history_is_scores_of_the_batch(server: Server, online: Path) -> None:
    name = customers_of(online)[0]
    end = parse_instant(server.scores(name)[0]["event_timestamp"])
    start = end - timedelta(days=70)
    path = f"/v1/customers/{name}/history?from={start.isoformat()}&to={end.isoformat()}&feature=orders_90d"
    points = server.ask(path).json["points"]
    assert len(points) == 11
    for point in points:
        if point["score"] is None:
            continue
        at = parse_instant(point["event_timestamp"])
        expected = score([name], home=online, problem=PROBLEM, as_of=at).to_pylist()[0]
        assert point["score"]["churn_probability"] == expected["churn_probability"]
        assert set(point["features"]) == {"orders_90d"}
    assert any(point["score"] for point in points)
    assert server.ask(f"/v1/customers/{name}/history?feature=nothing").status == 422
    assert server.ask(f"/v1/customers/{name}/history?from=2030-01-01&to=2024-01-01").status == 422


def test_what_needs_no_customer(server: Server) -> None:
    assert server.ask("/health").json == {"status": "ok"}
    ready = server.ask("/ready").json
    assert (ready["status"], ready["model_version"]) == ("ready", "model-000001")
    model = server.ask("/v1/model").json
    assert (model["task"], model["build_id"]) == ("classification", ready["build_id"])
    assert server.ask("/v1/builds").json["builds"][0]["build_id"] == ready["build_id"]
    assert server.ask("/v1/monitoring").json["ready"] is True
    assert b"tidemark_requests_total" in server.ask("/metrics").body
    assert "/v1/scores" in server.ask("/openapi.json").json["paths"]
    docs = server.ask("/docs")
    assert b"<script" not in docs.body
    assert docs.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"{", 400, "the body is no JSON: "),
        (b"\xff\xfe", 400, "the body is no JSON: "),
        (b"[" * 100_000, 400, "the body is no JSON: recursion limit exceeded"),
        (b"[]", 422, "body: Input should be an object"),
        ({}, 422, "customer_ids: Field required"),
        ({"customer_ids": []}, 422, "customer_ids: List should have at least 1 item"),
        ({"customer_ids": ["a"] * 1001}, 422, "customer_ids: List should have at most 1000 items"),
        ({"customer_ids": [7]}, 422, "customer_ids.0: Input should be a valid string"),
        ({"customer_ids": [""]}, 422, "customer_ids.0: String should have at least 1 character"),
        ({"customer_ids": "a"}, 422, "customer_ids: Input should be a valid array"),
        ({"customer_ids": ["a"], "reasons": "yes"}, 422, "reasons: Input should be a valid boolean"),
        ({"customer_ids": ["a"], "more": 1}, 422, "more: Extra inputs are not permitted"),
        (b'{"customer_ids": ["\\ud800"]}', 400, "the body is no JSON: "),
        (b" " * 13_000_000, 413, "the body is larger than 12,582,912 bytes"),
    ],
)
def test_a_wrong_body_is_one_sentence(body: Any, status: int, detail: str, server: Server) -> None:
    answer = server.ask("/v1/scores", body)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json["detail"].startswith(detail), answer.json
    assert (answer.json["status"], answer.json["request_id"]) == (status, answer.headers["x-request-id"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/v1/customers/", 404),
        ("/v1/customers/%FF", 400),
        (f"/v1/customers/{quote('a/b?c#😀', safe='')}", 404),
        (f"/v1/customers/{quote('../../etc/passwd', safe='')}/features", 404),
        ("/v1/customers/%00", 404),
        ("/v1/customers/a/nothing", 404),
    ],
)
def test_odd_paths(path: str, status: int, server: Server) -> None:
    answer = server.ask(path)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")


def test_another_method_is_refused(server: Server) -> None:
    assert server.ask("/v1/scores").status == 405
    assert server.ask("/health", method="DELETE").status == 405


def test_without_keys_only_localhost_is_answered(server: Server) -> None:
    assert server.ask("/v1/model", headers={"Host": "evil.example"}).status == 403
    assert server.ask("/v1/model", headers={"Host": f"localhost:{server.port}"}).status == 200


ROUTES = {
    "/v1/model": {SCORE, READ, ADMIN},
    "/v1/builds": {READ, ADMIN},
    "/v1/monitoring": {READ, ADMIN},
    "/metrics": {READ, ADMIN},
    "/openapi.json": {SCORE, READ, ADMIN},
    "/docs": {SCORE, READ, ADMIN},
    "/v1/customers/x": {READ, ADMIN},
    "/v1/customers/x/features": {READ, ADMIN},
    "/v1/customers/x/history": {READ, ADMIN},
    "/v1/customers/x/receipts/orders_90d": {READ, ADMIN},
    "/v1/scores": {SCORE, ADMIN},
}


def test_keys_of_each_role_on_every_route(online: Path, tmp_path: Path) -> None:
    home = shutil.copytree(online, tmp_path / "home", symlinks=True)
    with serving(home) as server:
        secrets = {role: create_key(Home.at(home), role, role)[0] for role in (SCORE, READ, ADMIN)}
        expired, _ = create_key(Home.at(home), ADMIN, "old", parse_instant("2020-01-01T00:00:00Z"))
        for path, allowed in ROUTES.items():
            body = {"customer_ids": ["x"]} if path == "/v1/scores" else None

            def status(secret: str | None, path: str = path, body: Any = body) -> int:
                headers = {"Authorization": f"Bearer {secret}"} if secret else {}
                return server.ask(path, body, headers).status

            for role, secret in secrets.items():
                assert (status(secret) == 403) == (role not in allowed), (path, role)
                assert status(secret) in {200, 403, 404}
            for secret in (None, "tmk_wrong", expired, secrets[SCORE][:-1]):
                assert status(secret) == 401
        for path in ("/health", "/ready"):
            assert server.ask(path).status == 200
        revoke_key(Home.at(home), READ)
        assert server.ask("/v1/builds", headers={"Authorization": f"Bearer {secrets[READ]}"}).status == 401
        kept = (home / "serve" / "keys.json").read_text()
        assert not any(secret in kept for secret in (*secrets.values(), expired))


def test_every_answered_score_is_in_the_log(server: Server, online: Path) -> None:
    first, second = customers_of(online)[:2]
    answer = server.ask(
        "/v1/scores", {"customer_ids": [first, "nobody", second]}, {"X-Request-ID": "logged-1"}
    )

    def rows() -> list[dict[str, Any]]:
        with PredictionLog(Home.at(online)) as log:
            return [row for row in log.rows() if row["request_id"] == "logged-1"]

    server.until(lambda: len(rows()) == 2)
    for row, scored in zip(rows(), (answer.json["scores"][0], answer.json["scores"][2]), strict=True):
        assert (row["customer_id"], row["prediction"]) == (scored["customer_id"], scored["churn_probability"])
        assert (row["decision"], row["band"]) == (scored["churn_decision"], scored["risk_band"])
        assert (row["model_version"], row["build_id"]) == (scored["model_version"], scored["build_id"])
        features = server.ask(f"/v1/customers/{row['customer_id']}/features").json["features"]
        assert json.loads(row["features"]) == features
    with PredictionLog(Home.at(online)) as log:
        assert log.verify()["whole"]


def test_a_log_that_cannot_be_written_stops_no_answer_and_counts_drops(online: Path, tmp_path: Path) -> None:
    home = shutil.copytree(online, tmp_path / "home", symlinks=True)
    shutil.rmtree(home / "predictions", ignore_errors=True)
    (home / "predictions").write_text("in the way")
    name = customers_of(home)[0]
    with serving(home) as server:
        server.app.state.queue.limit = 3
        for _ in range(5):
            server.scores(name)
        assert server.ask("/v1/monitoring").json["prediction_log"]["dropped"] == 2
        (home / "predictions").unlink()
        server.until(lambda: server.ask("/v1/monitoring").json["prediction_log"]["logged"] == 3)
    with PredictionLog(Home.at(home)) as log:
        assert log.verify() | {"last_hash": ""} == {
            "entries": 4,
            "dropped": 2,
            "erased": 0,
            "last_hash": "",
            "first_fault": None,
            "whole": True,
        }


def test_batch_scores_are_logged_too(online: Path, tmp_path: Path) -> None:
    home = shutil.copytree(online, tmp_path / "home", symlinks=True)
    shutil.rmtree(home / "predictions", ignore_errors=True)
    scores = score(home=home, problem=PROBLEM, log=True).to_pylist()
    with PredictionLog(Home.at(home)) as log:
        rows = list(log.rows())
        assert log.verify()["whole"]
    assert [(row["customer_id"], row["prediction"]) for row in rows] == [
        (row["customer_id"], row["churn_probability"]) for row in scores
    ]
    assert {row["source"] for row in rows} == {"batch"}
    assert len({row["request_id"] for row in rows}) == 1
