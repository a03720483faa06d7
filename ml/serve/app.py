"""The application: from a request to an answer.

Every answer is made from one ``Served`` state. What reads Parquet files (features at an instant, history,
receipts) runs in a few threads, so that scores do not wait for it.
"""

import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import anyio
from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from ml.common.instants import format_instant
from ml.config.problem import DEFAULT_NAME
from ml.featurestore.catalog import read_catalog
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.monitor.report_file import last_report
from ml.predictions.log import PredictionLog
from ml.receipt.receipt_json import as_dict as receipt_as_dict
from ml.serve import access
from ml.serve.answers import (
    as_json,
    cache_headers,
    check_known,
    current,
    etag,
    features_at,
    instant_of,
    leased_history,
    log_answer,
    model_facts,
    parsed,
    receipt_with_facts,
    score_answer,
)
from ml.serve.docs_page import docs_page
from ml.serve.http_errors import MEDIA_TYPE, HttpError, add_error_handlers, error_response
from ml.serve.inference_protocol import add_inference_routes
from ml.serve.metrics import Metrics
from ml.serve.pages.routes import add_page_routes
from ml.serve.pages.sessions import Sessions
from ml.serve.prediction_queue import PredictionQueue
from ml.serve.pushed_facts import FACTS_SCHEMA, IDEMPOTENCY_KEY, idempotency_key, push_facts
from ml.serve.request_middleware import SLOW_AT_ONCE, Requests, check_local, read_body, shown_id, slowly
from ml.serve.schemas import (
    CustomerAnswer,
    Error,
    FactsAnswer,
    FeaturesAnswer,
    HistoryAnswer,
    ScoreAnswer,
    ScoreRequest,
)
from ml.serve.served_state import Served, ServedState
from ml.serve.server import HOME, PROBLEM
from ml.warehouse.list_builds import builds

HISTORY_DAYS = 180
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {MEDIA_TYPE: {"schema": Error.model_json_schema()}}}
    for status, text in {
        400: "not understood",
        401: "no valid key",
        403: "the key's role may not ask this",
        404: "not found",
        408: "the body did not come in time",
        413: "the body is too large",
        422: "a value is wrong",
        429: "too many requests at once",
        503: "not ready",
    }.items()
}
VERSION = "1"


def create() -> FastAPI:
    """The application of one worker, by the environment that ``ml.serve.server`` sets."""
    return make_app(Home.at(os.environ[HOME]), os.environ.get(PROBLEM))


def make_app(home: Home, problem_file: str | None = None) -> FastAPI:
    """The application over a home.

    Parameters
    ----------
    home : Home
    problem_file : str, optional
        As for ``churn score``.
    """
    state = ServedState(home, problem_for(home, problem_file))
    queue = PredictionQueue(partial(PredictionLog, home))
    doors, metrics = access.Doorkeeper(home), Metrics(state, queue)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.slow = anyio.CapacityLimiter(SLOW_AT_ONCE)
        await anyio.to_thread.run_sync(state.start)
        queue.start()
        yield
        state.stop()
        queue.stop()

    app = FastAPI(
        title="Tidemark",
        version=VERSION,
        description="Scores, features, receipts: the numbers of the batch, as of the instant that is online.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        responses=ERRORS,
    )
    app.state.home, app.state.served, app.state.queue, app.state.doors = home, state, queue, doors
    app.state.sessions = Sessions(home, doors)
    add_error_handlers(app)
    add_open_routes(app, state)
    add_routes(app, metrics)
    add_inference_routes(app, state, SCORING)
    add_page_routes(app)
    app.add_middleware(Requests, observe=metrics.observe)
    return app


def allow(*roles: str) -> Callable[[Request], None]:
    """A check that the request's key has one of the roles; admin may everything."""

    def check(request: Request) -> None:
        doors: access.Doorkeeper = request.app.state.doors
        if doors.is_open:
            check_local(request)
            return
        role = doors.role_of(request.headers.get("authorization"))
        if role is None:
            raise HttpError(
                401, "no valid key: send 'Authorization: Bearer KEY'", {"WWW-Authenticate": "Bearer"}
            )
        if role not in (*roles, access.ADMIN):
            raise HttpError(403, f"a key of the role {role} may not ask this")

    return check


SCORING = Depends(allow(access.SCORE))
READING = Depends(allow(access.READ))
WRITING = Depends(allow(access.ADMIN))
ANY_ROLE = Depends(allow(*access.ROLES))


def add_open_routes(app: FastAPI, state: ServedState) -> None:
    """What needs no key."""

    @app.get("/health", summary="Whether the process answers")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", summary="Whether model, features, build and online store agree with what is served")
    async def ready(request: Request) -> Response:
        if not state.is_ready:
            detail = "model, features, build and online store do not agree yet"
            return error_response(HttpError(503, detail, {"Retry-After": "1"}), request.state.request_id)
        return JSONResponse({"status": "ready", **state.get().scored.facts})


def add_routes(app: FastAPI, metrics: Metrics) -> None:
    """The routes that need a key, once there is one."""

    def served(request: Request) -> Served:
        found: Served = request.app.state.served.get()
        return found

    @app.post(
        "/v1/scores",
        dependencies=[SCORING],
        response_model=ScoreAnswer,
        summary="Scores of customers, in the order of the request",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": ScoreRequest.model_json_schema()}},
            }
        },
    )
    async def scores(request: Request) -> Response:
        started = time.perf_counter()
        wanted = parsed(ScoreRequest, await read_body(request))
        state = await current(request)
        rows = [state.find(customer) for customer in wanted.customer_ids]
        request_id = request.state.request_id
        answers = [
            score_answer(state, customer, row, wanted.reasons)
            for customer, row in zip(wanted.customer_ids, rows, strict=True)
        ]
        content = f'{{"request_id": {json.dumps(request_id)}, "scores": [{", ".join(answers)}]}}'
        milliseconds = (time.perf_counter() - started) * 1000
        log_answer(request, state, rows, milliseconds)
        headers = {"Cache-Control": "no-store"}
        return Response(content.encode(), media_type="application/json", headers=headers)

    @app.get(
        "/v1/customers/{customer_id}",
        dependencies=[READING],
        response_model=CustomerAnswer,
        summary="Latest score and profile of one customer",
    )
    async def customer(request: Request, customer_id: str) -> Response:
        started, name, state = time.perf_counter(), shown_id(customer_id), await current(request)
        row = check_known(state, name)
        tag = etag(state, row)
        headers = cache_headers(tag, json.loads(row.score)["exact_until"])
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        log_answer(request, state, [row], (time.perf_counter() - started) * 1000)
        content = {
            "request_id": request.state.request_id,
            "score": json.loads(score_answer(state, name, row, True)),
            "profile": json.loads(row.profile),
        }
        return JSONResponse(content, headers=headers)

    @app.get(
        "/v1/customers/{customer_id}/features",
        dependencies=[READING],
        response_model=FeaturesAnswer,
        summary="Every feature of one customer: at an instant, exact; without one, the online values",
    )
    async def features(request: Request, customer_id: str, as_of: str | None = None) -> Response:
        name, state = shown_id(customer_id), await current(request)
        row = check_known(state, name)
        if as_of:
            instant, source = instant_of(as_of, "as_of"), "offline"
            answer = partial(features_at, request.app.state.home, state, row, instant)
            build_id, values = await slowly(request, answer)
        else:
            source, build_id = "online", state.build.name
            instant = state.instant_of(row)
            values = json.loads(row.features)
        content = {
            "request_id": request.state.request_id,
            "customer_id": name,
            "as_of": format_instant(instant),
            "source": source,
            "build_id": build_id,
            "features": values,
        }
        return as_json(content)

    @app.get(
        "/v1/customers/{customer_id}/history",
        dependencies=[READING],
        response_model=HistoryAnswer,
        summary="Score and chosen features of one customer over time",
    )
    async def history(
        request: Request,
        customer_id: str,
        from_: str | None = Query(None, alias="from"),
        to: str | None = None,
        feature: list[str] = Query(default=[]),  # noqa: B008 - FastAPI reads the default
    ) -> Response:
        name, state = shown_id(customer_id), await current(request)
        row = check_known(state, name)
        end = instant_of(to, "to") if to else state.instant_of(row)
        start = instant_of(from_, "from") if from_ else end - timedelta(days=HISTORY_DAYS)
        if start > end:
            raise HttpError(422, "from is after to")
        points = await slowly(request, partial(leased_history, state, row, start, end, feature))
        content = {
            "request_id": request.state.request_id,
            "customer_id": name,
            "model_version": state.model.version,
            "build_id": state.build.name,
            "points": points,
        }
        return as_json(content)

    @app.get(
        "/v1/customers/{customer_id}/receipts/{feature}",
        dependencies=[READING],
        summary="The raw rows behind one value, and their total",
    )
    async def receipts(
        request: Request, customer_id: str, feature: str, as_of: str | None = None
    ) -> Response:
        name, state = shown_id(customer_id), await current(request)
        row = check_known(state, name)
        if feature not in read_catalog(state.build).feature_names:
            raise HttpError(404, "there is no such feature")
        instant = instant_of(as_of, "as_of") if as_of else None
        home: Home = request.app.state.home
        found = await slowly(
            request, lambda: receipt_as_dict(receipt_with_facts(home, state, row, feature, instant))
        )
        return as_json({"request_id": request.state.request_id, **found})

    @app.post(
        "/v1/facts",
        dependencies=[WRITING],
        response_model=FactsAnswer,
        summary="Raw rows as JSON lines: accepted or rejected as an ingest would, counted in the next score",
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/x-ndjson": {"schema": FACTS_SCHEMA}}},
            "parameters": [IDEMPOTENCY_KEY],
        },
    )
    async def facts(request: Request, table: str | None = None) -> Response:
        content = await read_body(request)
        key = idempotency_key(request.headers.get("idempotency-key"))
        home: Home = request.app.state.home
        answer = await slowly(request, partial(push_facts, content, table, key, home))
        return as_json({"request_id": request.state.request_id, **answer})

    @app.get("/v1/model", dependencies=[ANY_ROLE], summary="The model that is served")
    async def model(request: Request) -> Response:
        return as_json(model_facts(served(request)))

    @app.get("/v1/builds", dependencies=[READING], summary="Every build on disk, the newest first")
    async def list_of_builds(request: Request) -> Response:
        home: Home = request.app.state.home
        return as_json(await slowly(request, lambda: builds(home=home)))

    @app.get("/v1/monitoring", dependencies=[READING], summary="What is served, the log, the last report")
    async def monitoring(request: Request) -> Response:
        return as_json(await slowly(request, lambda: monitoring_facts(request)))

    @app.get(
        "/metrics",
        dependencies=[READING],
        response_class=PlainTextResponse,
        summary="Metrics in the format of Prometheus",
    )
    async def metrics_text() -> Response:
        return PlainTextResponse(metrics.text(), media_type=metrics.media_type)

    @app.get("/openapi.json", dependencies=[ANY_ROLE], include_in_schema=False)
    async def openapi(request: Request) -> Response:
        return JSONResponse(request.app.openapi())

    @app.get("/docs", dependencies=[ANY_ROLE], include_in_schema=False)
    async def docs(request: Request) -> Response:
        return HTMLResponse(docs_page(request.app.openapi()))


def monitoring_facts(request: Request) -> dict[str, Any]:
    """What this worker serves, how its scores reach the prediction log, and the monitor's last report."""
    state: ServedState = request.app.state.served
    name = state.served.model.problem.name if state.served else DEFAULT_NAME
    queue: PredictionQueue = request.app.state.queue
    return {
        "ready": state.is_ready,
        "served": state.served.scored.facts if state.served else None,
        "prediction_log": {"logged": queue.logged, "dropped": queue.dropped, "writable": not queue.fault},
        "last_report": last_report(request.app.state.home, name),
    }
