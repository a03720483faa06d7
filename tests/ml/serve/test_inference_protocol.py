"""The Open Inference Protocol: the scores of ``/v1/scores`` as tensors; what is refused."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml.home.layout import Home
from ml.predictions.log import PredictionLog
from ml.serve.access import READ, SCORE, create_key
from tests.ml.serve.conftest import customers_of
from tests.ml.serve.serving import Server, serving

INFER = "/v2/models/churn/infer"


@pytest.fixture(scope="module")
def server(online: Path) -> Iterator[Server]:
    with serving(online) as running:
        yield running


def tensor(*keys: str, **more: Any) -> dict[str, Any]:
    """A request for these customers."""
    return {
        "inputs": [{"name": "customer_id", "datatype": "BYTES", "shape": [len(keys)], "data": list(keys)}],
        **more,
    }


def outputs_of(answer: dict[str, Any]) -> dict[str, list[Any]]:
    return {output["name"]: output["data"] for output in answer["outputs"]}


def test_outputs_are_the_scores_to_the_last_digit(server: Server, online: Path) -> None:
    customers = [*customers_of(online)[:40], "of nobody", 'ü/"\u0000😀']
    scores = server.scores(*customers)
    answer = server.ask(INFER, tensor(*customers, id="42")).json

    assert (answer["model_name"], answer["id"]) == ("churn", "42")
    assert answer["model_version"] == scores[0]["model_version"]
    assert answer["parameters"] == {
        "build_id": scores[0]["build_id"],
        "event_timestamp": scores[0]["event_timestamp"],
    }
    assert [(each["name"], each["datatype"], each["shape"]) for each in answer["outputs"]] == [
        ("status", "BYTES", [42]),
        ("churn_probability", "FP64", [42]),
        ("churn_decision", "BOOL", [42]),
        ("risk_band", "BYTES", [42]),
    ]
    for name, values in outputs_of(answer).items():
        assert values == [row[name] for row in scores]
    assert outputs_of(answer)["status"][-2:] == ["unknown", "unknown"]
    assert outputs_of(answer)["churn_probability"][-2:] == [None, None]


def test_chosen_outputs_come_alone_and_reasons_as_json(server: Server, online: Path) -> None:
    customers = customers_of(online)[:20]
    wanted = {"outputs": [{"name": "reasons"}, {"name": "churn_probability"}]}
    found = outputs_of(server.ask(INFER, tensor(*customers, **wanted)).json)
    scores = server.scores(*customers)

    assert list(found) == ["reasons", "churn_probability"]
    assert [json.loads(text) for text in found["reasons"]] == [row["reasons"] for row in scores]
    assert any(row["reasons"] for row in scores)


def test_rows_of_one_key_are_read_as_keys(server: Server, online: Path) -> None:
    customers = customers_of(online)[:2]
    nested = {
        "name": "customer_id",
        "datatype": "BYTES",
        "shape": [2, 1],
        "data": [[key] for key in customers],
    }
    assert outputs_of(server.ask(INFER, {"inputs": [nested]}).json) == outputs_of(
        server.ask(INFER, tensor(*customers)).json
    )


def test_the_model_says_what_it_takes_and_gives(server: Server, online: Path) -> None:
    version = server.app.state.served.get().scored.facts["model_version"]
    model = server.ask("/v2/models/churn").json

    assert (model["name"], model["versions"]) == ("churn", [version])
    assert model["inputs"] == [{"name": "customer_id", "datatype": "BYTES", "shape": [-1]}]
    assert [output["name"] for output in model["outputs"]] == [
        "status",
        "churn_probability",
        "churn_decision",
        "risk_band",
        "reasons",
    ]
    assert server.ask(f"/v2/models/churn/versions/{version}").json == model
    assert server.ask("/v2/models/churn/ready").json == {"name": "churn", "ready": True}
    assert server.ask("/v2/health/ready").json == {"ready": True}
    assert server.ask("/v2/health/live").json == {"live": True}
    assert server.ask("/v2").json["name"] == "tidemark"
    one = customers_of(online)[:1]
    assert server.ask(f"/v2/models/churn/versions/{version}/infer", tensor(*one)).status == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
    [
        ("/v2/models/other/infer", tensor("a"), 404, "the model here is churn"),
        ("/v2/models/churn/versions/9/infer", tensor("a"), 404, "the model here is churn"),
        (INFER, b"{", 400, "the body is no JSON"),
        (INFER, {}, 422, "inputs"),
        (INFER, {"inputs": []}, 422, "inputs"),
        (INFER, tensor(), 422, "give 1 to 1,000 keys"),
        (INFER, tensor(*map(str, range(1001))), 422, "give 1 to 1,000 keys"),
        (INFER, tensor(""), 422, "a key has 1 to 10,240 characters"),
        (INFER, tensor("a", outputs=[{"name": "age"}]), 422, "there is no output 'age'"),
        (INFER, {"inputs": [tensor("a")["inputs"][0] | {"shape": [2]}]}, 422, "the shape of customer_id"),
        (INFER, {"inputs": [tensor("a")["inputs"][0] | {"shape": [1, 2]}]}, 422, "the shape of customer_id"),
        (
            INFER,
            {"inputs": [tensor("a")["inputs"][0] | {"data": [["a", "b"]], "shape": [2, 1]}]},
            422,
            "shape",
        ),
        (INFER, {"inputs": [tensor("a")["inputs"][0] | {"name": "id"}]}, 422, "inputs.0.name"),
        (INFER, {"inputs": [tensor("a")["inputs"][0] | {"datatype": "INT64"}]}, 422, "inputs.0.datatype"),
        (INFER, {"inputs": [tensor("a")["inputs"][0] | {"data": [1]}]}, 422, "inputs.0.data"),
    ],
)
def test_a_request_that_is_none_is_refused(
    server: Server, path: str, body: Any, status: int, detail: str
) -> None:
    answer = server.ask(path, body)
    assert answer.status == status
    assert detail in answer.json["detail"]


def test_scores_need_a_key_of_their_role_and_are_logged(online: Path, tmp_path: Path) -> None:
    home = shutil.copytree(online, tmp_path / "home", symlinks=True)
    headers = {
        role: {"Authorization": f"Bearer {create_key(Home.at(home), role, role)[0]}"}
        for role in (SCORE, READ)
    }
    customer = customers_of(home)[0]
    with serving(home) as running:
        assert running.ask(INFER, tensor(customer)).status == 401
        assert running.ask(INFER, tensor(customer), headers[READ]).status == 403
        assert running.ask("/v2/models/churn", headers=headers[READ]).status == 403
        request_id = {"X-Request-Id": "from-the-gateway"}
        assert running.ask(INFER, tensor(customer), headers[SCORE] | request_id).status == 200
        assert running.ask("/v2/health/live").status == 401
        assert running.ask("/v2/health/live", headers=headers[SCORE]).json == {"live": True}
    with PredictionLog(Home.at(home)) as log:
        logged = [row["customer_id"] for row in log.rows() if row["request_id"] == "from-the-gateway"]
    assert logged == [customer]


def test_the_schema_has_the_request_without_references(server: Server) -> None:
    schema = server.ask("/openapi.json").json
    body = schema["paths"]["/v2/models/{name}/infer"]["post"]["requestBody"]
    tensors = body["content"]["application/json"]["schema"]["properties"]["inputs"]["items"]
    assert set(tensors["properties"]) == {"name", "datatype", "shape", "data"}
