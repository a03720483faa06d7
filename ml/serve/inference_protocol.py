"""The Open Inference Protocol, version 2, for gateways that speak it: keys in, the same scores out.

https://github.com/kserve/open-inference-protocol (REST). The one model is called ``churn``; the tensor
``customer_id`` has a key for each row, and each output a value for each row.
"""

import json
import time
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from ml.config.problem import REGRESSION
from ml.serve.answers import current, log_answer, parsed, score_answer
from ml.serve.http_errors import HttpError
from ml.serve.request_middleware import read_body
from ml.serve.schemas import ID_MAX, IDS_MAX
from ml.serve.scored_file import Scored
from ml.serve.served_state import Served, ServedState

NAME = "churn"
INPUT = {"name": "customer_id", "datatype": "BYTES", "shape": [-1]}
STATUS = {"status": "BYTES"}
OUTPUTS = STATUS | {"churn_probability": "FP64", "churn_decision": "BOOL", "risk_band": "BYTES"}
OUTPUTS_OF_AMOUNTS = STATUS | {"predicted_value": "FP64", "value_low": "FP64", "value_high": "FP64"}
REASONS = {"reasons": "BYTES"}  # only where it is in the request's outputs


class InputTensor(BaseModel):
    """The keys of the customers; ``data`` is flat, or rows of one key."""

    model_config = ConfigDict(strict=True)

    name: Literal["customer_id"]
    datatype: Literal["BYTES"]
    shape: Annotated[list[int], Field(min_length=1, max_length=2)]
    data: list[str] | list[list[str]]


class RequestedOutput(BaseModel):
    """An output that is wanted."""

    name: str


class InferenceRequest(BaseModel):
    """One tensor of customers' keys."""

    id: str | None = None
    inputs: Annotated[list[InputTensor], Field(min_length=1, max_length=1)]
    outputs: list[RequestedOutput] = []


def customers_of(request: InferenceRequest) -> list[str]:
    """The keys of a request, in its order.

    Raises
    ------
    HttpError
        The shape is not that of the data, or there are none, too many, or too long ones.
    """
    tensor = request.inputs[0]
    rows = [[row] if isinstance(row, str) else row for row in tensor.data]
    keys = [key for row in rows for key in row]
    if tensor.shape not in ([len(rows)], [len(rows), 1]) or any(len(row) != 1 for row in rows):
        raise HttpError(422, f"the shape of customer_id is {tensor.shape}, its data have {len(keys)} keys")
    if not 1 <= len(keys) <= IDS_MAX:
        raise HttpError(422, f"give 1 to {IDS_MAX:,} keys")
    if any(not 1 <= len(key) <= ID_MAX for key in keys):
        raise HttpError(422, f"a key has 1 to {ID_MAX:,} characters")
    return keys


def outputs_of(served: Served, request: InferenceRequest) -> dict[str, str]:
    """The names and datatypes of the outputs that a request wants; without any, all but the reasons."""
    usual = OUTPUTS_OF_AMOUNTS if served.model.problem.task == REGRESSION else OUTPUTS
    known = usual | REASONS
    wanted = [output.name for output in request.outputs]
    if unknown := [name for name in wanted if name not in known]:
        raise HttpError(422, f"there is no output {unknown[0]!r}: the outputs are {', '.join(known)}")
    return {name: known[name] for name in wanted} if wanted else usual


def infer(
    served: Served, request: InferenceRequest, customers: list[str], rows: list[Scored | None]
) -> dict[str, Any]:
    """The answer of ``/infer``; ``rows`` are the scores of the request's ``customers``.

    A customer who is unknown has the status ``unknown`` and null in every other output.
    """
    outputs = outputs_of(served, request)
    answers = [
        json.loads(score_answer(served, customer, row, "reasons" in outputs))
        for customer, row in zip(customers, rows, strict=True)
    ]
    answer = {
        "model_name": NAME,
        "model_version": served.scored.facts["model_version"],
        "parameters": {name: served.scored.facts[name] for name in ("build_id", "event_timestamp")},
        "outputs": [
            {
                "name": name,
                "datatype": datatype,
                "shape": [len(customers)],
                "data": [value_of(each, name) for each in answers],
            }
            for name, datatype in outputs.items()
        ],
    }
    return answer | ({"id": request.id} if request.id is not None else {})


def value_of(answer: dict[str, Any], name: str) -> Any:
    """One value of an output; reasons as JSON text."""
    return json.dumps(answer[name], ensure_ascii=False) if name in REASONS else answer.get(name)


def body_schema() -> dict[str, Any]:
    """The schema of a request with its parts in place: OpenAPI looks for references in another section."""
    schema = InferenceRequest.model_json_schema()
    text, parts = json.dumps(schema), schema["$defs"]
    for name, part in parts.items():
        text = text.replace(json.dumps({"$ref": f"#/$defs/{name}"}), json.dumps(part))
    return {name: value for name, value in json.loads(text).items() if name != "$defs"}


def add_inference_routes(app: FastAPI, state: ServedState, scoring: Any) -> None:
    """The routes under ``/v2``; ``scoring`` is the check of the key's role."""

    def check_model(name: str, version: str | None = None) -> Served:
        served = state.get()
        if name != NAME or version not in (None, served.scored.facts["model_version"]):
            raise HttpError(404, f"the model here is {NAME}, version {served.scored.facts['model_version']}")
        return served

    @app.get("/v2", dependencies=[scoring], summary="The server, by the Open Inference Protocol")
    async def server() -> Response:
        return JSONResponse({"name": "tidemark", "version": app.version, "extensions": []})

    @app.get("/v2/health/live", dependencies=[scoring], summary="Whether the process answers")
    async def live() -> Response:
        return JSONResponse({"live": True})

    @app.get("/v2/health/ready", dependencies=[scoring], summary="Whether scores are served")
    async def ready() -> Response:
        return JSONResponse({"ready": state.is_ready}, status_code=200 if state.is_ready else 503)

    @app.get("/v2/models/{name}", dependencies=[scoring], summary="Inputs and outputs of the model")
    @app.get("/v2/models/{name}/versions/{version}", dependencies=[scoring], include_in_schema=False)
    async def metadata(name: str, version: str | None = None) -> Response:
        served = check_model(name, version)
        outputs = outputs_of(served, InferenceRequest.model_construct(outputs=[])) | REASONS
        return JSONResponse(
            {
                "name": NAME,
                "versions": [served.scored.facts["model_version"]],
                "platform": "tidemark",
                "inputs": [INPUT],
                "outputs": [
                    {"name": output, "datatype": datatype, "shape": [-1]}
                    for output, datatype in outputs.items()
                ],
            }
        )

    @app.get("/v2/models/{name}/ready", dependencies=[scoring], summary="Whether the model is served")
    @app.get("/v2/models/{name}/versions/{version}/ready", dependencies=[scoring], include_in_schema=False)
    async def model_ready(name: str, version: str | None = None) -> Response:
        check_model(name, version)
        return JSONResponse({"name": NAME, "ready": True})

    @app.post(
        "/v2/models/{name}/infer",
        dependencies=[scoring],
        summary="Scores of customers, by the Open Inference Protocol",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": body_schema()}},
            }
        },
    )
    @app.post("/v2/models/{name}/versions/{version}/infer", dependencies=[scoring], include_in_schema=False)
    async def inference(request: Request, name: str, version: str | None = None) -> Response:
        started = time.perf_counter()
        check_model(name, version)
        wanted = parsed(InferenceRequest, await read_body(request))
        served = await current(request)
        customers = customers_of(wanted)
        rows = [served.find(customer) for customer in customers]
        answer = infer(served, wanted, customers, rows)
        log_answer(request, served, rows, (time.perf_counter() - started) * 1000)
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})
