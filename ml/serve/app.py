"""The application: from a request to an answer.

Every answer is made from one ``Served`` state. What reads Parquet files (features at an instant, history,
receipts) runs in a few threads, so that scores do not wait for it.
"""

import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import anyio
import pyarrow as pa
from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from ml.common.errors import NotReadyError, RowsError, TidemarkError, UsageError
from ml.common.instant_grammar import parse_text
from ml.common.instants import format_instant
from ml.explain.reason_text import wordings
from ml.featurestore.catalog import read_catalog
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.build_manifest import checked_as_of
from ml.home.layout import Home
from ml.home.leases import lease
from ml.home.problem_file import problem_for
from ml.predictions.entries import SCORE, Entry, plain
from ml.predictions.log import PredictionLog
from ml.receipt.receipt_json import as_dict as receipt_as_dict
from ml.receipt.value_receipt import receipt
from ml.score.scoring import score_features, score_names
from ml.serve import access
from ml.serve.docs_page import docs_page
from ml.serve.http_errors import HttpError, error_response
from ml.serve.metrics import Metrics
from ml.serve.prediction_queue import PredictionQueue, now
from ml.serve.requests import Requests, read_body, shown_id
from ml.serve.schemas import (
    CustomerAnswer,
    Error,
    FeaturesAnswer,
    HistoryAnswer,
    Score,
    ScoreAnswer,
    ScoreRequest,
)
from ml.serve.scored_file import Scored
from ml.serve.served_state import Served, ServedState
from ml.serve.server import HOME, PROBLEM
from ml.warehouse.list_builds import builds

OPEN_HOSTS = ("localhost", "127.0.0.1", "[::1]")
POINTS_MAX = 200  # of a history
HISTORY_DAYS, HISTORY_STEP = 180, timedelta(days=7)
SLOW_AT_ONCE = 4  # requests that read Parquet files, of one worker
SLOW_SECONDS = 30.0
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": text}
    for status, text in {
        400: "not understood",
        401: "no valid key",
        403: "the key's role may not ask this",
        404: "not found",
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
    add_error_handlers(app)
    add_open_routes(app, state)
    add_routes(app, metrics)
    app.add_middleware(Requests, observe=metrics.observe)
    return app


def add_error_handlers(app: FastAPI) -> None:
    """Every error as problem+json."""

    async def as_problem(request: Request, error: Exception) -> Response:
        return error_response(problem_of(error), request.state.request_id)

    for kind in (HttpError, HTTPException, TidemarkError, Exception):
        app.add_exception_handler(kind, as_problem)
    from fastapi.exceptions import RequestValidationError

    app.add_exception_handler(RequestValidationError, as_problem)


def problem_of(error: Exception) -> HttpError:
    """What a client learns of an error."""
    from fastapi.exceptions import RequestValidationError

    match error:
        case HttpError():
            return error
        case RequestValidationError():
            first = error.errors()[0]
            return HttpError(422, f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}")
        case HTTPException():
            headers = dict(error.headers or {})
            return HttpError(error.status_code, str(error.detail), headers)
        case NotReadyError():
            return HttpError(503, "not ready: see /ready", {"Retry-After": "1"})
        case RowsError() | UsageError():
            return HttpError(422, str(error).replace("--as-of", "as_of"))
        case _:
            return HttpError(500, "an error of the server; its log has more")


def allow(*roles: str) -> Callable[[Request], None]:
    """A check that the request's key has one of the roles; admin may everything."""

    def check(request: Request) -> None:
        doors: access.Doorkeeper = request.app.state.doors
        if doors.is_open:
            host = request.headers.get("host", "").rsplit(":", 1)[0] or request.headers.get("host", "")
            if host not in OPEN_HOSTS:  # a page elsewhere could make a browser ask here under another name
                raise HttpError(403, "without keys only requests to localhost are answered: create a key")
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

    async def slowly(request: Request, function: Callable[[], Any]) -> Any:
        with anyio.move_on_after(SLOW_SECONDS) as scope:
            return await anyio.to_thread.run_sync(
                function, limiter=request.app.state.slow, abandon_on_cancel=True
            )
        if scope.cancelled_caught:
            raise HttpError(503, f"this takes longer than {SLOW_SECONDS:.0f} seconds: ask for less")

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
        wanted = parsed(await read_body(request))
        state = served(request)
        rows = [state.scored.find(customer) for customer in wanted.customer_ids]
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
        started, name, state = time.perf_counter(), shown_id(customer_id), served(request)
        row = check_known(state, name)
        tag = etag(state, name)
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
        name, state = shown_id(customer_id), served(request)
        row = check_known(state, name)
        if as_of:
            instant, source = instant_of(as_of, "as_of"), "offline"
            answer = partial(features_at, request.app.state.home, name, instant)
            build_id, values = await slowly(request, answer)
        else:
            instant, source, build_id = state.as_of, "online", state.build.name
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
        name, state = shown_id(customer_id), served(request)
        end = instant_of(to, "to") if to else state.as_of
        start = instant_of(from_, "from") if from_ else end - timedelta(days=HISTORY_DAYS)
        check_known(state, name)
        if start > end:
            raise HttpError(422, "from is after to")
        points = await slowly(request, partial(leased_history, state, name, start, end, feature))
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
        name, state = shown_id(customer_id), served(request)
        check_known(state, name)
        if feature not in read_catalog(state.build).feature_names:
            raise HttpError(404, "there is no such feature")
        instant = instant_of(as_of, "as_of") if as_of else None
        home: Home = request.app.state.home
        found = await slowly(
            request, lambda: receipt_as_dict(receipt(name, feature, as_of=instant, home=home))
        )
        return as_json({"request_id": request.state.request_id, **found})

    @app.get("/v1/model", dependencies=[ANY_ROLE], summary="The model that is served")
    async def model(request: Request) -> Response:
        return as_json(model_facts(served(request)))

    @app.get("/v1/builds", dependencies=[READING], summary="Every build on disk, the newest first")
    async def list_of_builds(request: Request) -> Response:
        home: Home = request.app.state.home
        return as_json(await slowly(request, lambda: builds(home=home)))

    @app.get("/v1/monitoring", dependencies=[READING], summary="What is served, and the prediction log")
    async def monitoring(request: Request) -> Response:
        return as_json(monitoring_facts(request))

    @app.get("/metrics", dependencies=[READING], summary="Metrics in the format of Prometheus")
    async def metrics_text() -> Response:
        return PlainTextResponse(metrics.text(), media_type=metrics.media_type)

    @app.get("/openapi.json", dependencies=[ANY_ROLE], include_in_schema=False)
    async def openapi(request: Request) -> Response:
        return JSONResponse(request.app.openapi())

    @app.get("/docs", dependencies=[ANY_ROLE], include_in_schema=False)
    async def docs(request: Request) -> Response:
        return HTMLResponse(docs_page(request.app.openapi()))


def check_known(served: Served, customer: str) -> Scored:
    """The row of a customer; 404 where the served scores do not know one."""
    row = served.scored.find(customer)
    if row is None:
        raise HttpError(404, "no such customer is known")
    return row


def parsed(body: bytes) -> ScoreRequest:
    """The request of a body.

    Raises
    ------
    HttpError
        It is no JSON (400), or not of the schema (422).
    """
    try:
        return ScoreRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise HttpError(
                400, f"the body is no JSON: {first['msg'].removeprefix('Invalid JSON: ')}"
            ) from error
        where = ".".join(map(str, first["loc"])) or "body"
        raise HttpError(422, f"{where}: {first['msg']}") from error


def score_answer(served: Served, customer: str, row: Scored | None, with_reasons: bool) -> str:
    """One entry of ``scores`` as JSON text, joined from what the file has."""
    origin: dict[str, Any] = {
        name: served.scored.facts[name] for name in ("model_version", "build_id", "event_timestamp")
    }
    if row is None:
        values = Score(customer_id=customer, status="unknown", **origin).model_dump(mode="json")
        return json.dumps(values | {"event_timestamp": origin["event_timestamp"]}, ensure_ascii=False)
    key = json.dumps(customer, ensure_ascii=False)
    status = "scored" if row.is_eligible else "not_eligible"
    reasons = row.reasons if with_reasons else "[]"
    return f'{{"customer_id": {key}, "status": "{status}", {row.score[1:-1]}, "reasons": {reasons}}}'


def log_answer(request: Request, served: Served, rows: list[Scored | None], milliseconds: float) -> None:
    """Queue the scores of one answer for the prediction log."""
    logged_at, facts = now(), served.scored.facts
    request.app.state.queue.put(
        [
            Entry(
                kind=SCORE,
                logged_at=logged_at,
                source="http",
                request_id=request.state.request_id,
                customer_id=row.customer_id,
                event_timestamp=facts["event_timestamp"],
                features=row.features,
                prediction=row.prediction,
                decision=row.decision,
                band=row.band,
                model_version=facts["model_version"],
                build_id=facts["build_id"],
                latency_ms=round(milliseconds, 3),
            )
            for row in rows
            if row is not None
        ]
    )


def etag(served: Served, customer: str) -> str:
    """A tag that changes when the answer may."""
    content = f"{served.scored.path.name}\n{customer}".encode("utf-8", "surrogatepass")
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def cache_headers(tag: str, exact_until: str | None) -> dict[str, str]:
    """How long an answer may be kept: until it changes by what is known, else it is asked for again."""
    age = 0
    if exact_until:
        left = parse_text(exact_until) - datetime.now(UTC).replace(tzinfo=None)
        age = max(0, int(left.total_seconds()))
    control = f"private, max-age={age}" if age else "private, no-cache"
    return {"ETag": tag, "Cache-Control": control}


def instant_of(text: str, name: str) -> datetime:
    """An instant of a query."""
    try:
        return parse_text(text)
    except ValueError as error:
        raise HttpError(422, f"{name} is no ISO 8601 instant such as 2024-06-30T00:00:00Z") from error


def features_at(home: Home, customer: str, as_of: datetime) -> tuple[str, dict[str, Any]]:
    """The current build's name, and every feature of a customer at an instant in it."""
    with home.reading() as build:
        checked_as_of(build, as_of)
        rows = pa.table(
            {
                "customer_id": pa.array([customer], pa.string()),
                "event_timestamp": pa.array([as_of], pa.timestamp("us")),
            }
        )
        row = point_in_time(build, rows).to_pylist()[0]
    keys = ("customer_id", "event_timestamp")
    return build.name, {name: value for name, value in row.items() if name not in keys}


def leased_history(
    served: Served, customer: str, start: datetime, end: datetime, features: list[str]
) -> list[dict[str, Any]]:
    """``history_of`` while the build is not removed."""
    with lease(served.build) as is_there:
        if not is_there:
            raise HttpError(503, "a newer build is being taken over: try again", {"Retry-After": "1"})
        return history_of(served, customer, start, end, features)


def history_of(
    served: Served, customer: str, start: datetime, end: datetime, features: list[str]
) -> list[dict[str, Any]]:
    """A point a week, or fewer over a long time; without a score before the customer was known."""
    catalog, model = read_catalog(served.build), served.model
    checked_as_of(served.build, end)
    chosen = features or [feature for feature in model.problem.baseline if feature in catalog.feature_names]
    if unknown := [name for name in chosen if name not in catalog.feature_names]:
        raise HttpError(422, f"there is no feature {', '.join(unknown)}")
    step = max(HISTORY_STEP, (end - start) / (POINTS_MAX - 1))
    count = int((end - start) / step) + 1
    instants = [end - step * place for place in range(count)][::-1]
    rows = pa.table(
        {
            "customer_id": pa.array([customer] * count, pa.string()),
            "event_timestamp": pa.array(instants, pa.timestamp("us")),
        }
    )
    table = point_in_time(served.build, rows)
    scores = score_features(table, model, wordings(model.inputs, catalog), served.build.name).to_pylist()
    names = score_names(model.problem)
    known = is_known(table, catalog.views[0].features[0].name)
    return [
        {
            "event_timestamp": row["event_timestamp"],
            "score": {name: score[name] for name in names} if is_there else None,
            "features": {name: row[name] for name in chosen},
        }
        for row, score, is_there in zip(table.to_pylist(), scores, known, strict=True)
    ]


def is_known(table: pa.Table, feature: str) -> list[bool]:
    """Whether the customer of each row existed: before the first fact every stored feature is null."""
    return [value is not None for value in table.column(feature).to_pylist()]


def model_facts(served: Served) -> dict[str, Any]:
    """What ``/v1/model`` says of the model."""
    model, facts = served.model, served.model.facts
    return {
        **served.scored.facts,
        "kind": model.kind,
        "task": model.problem.task,
        "problem": model.problem.name,
        "label": model.problem.label,
        "horizon_days": model.problem.horizon_days,
        "trained_on": facts["build_id"],
        "inputs": [feature.name for feature in model.inputs],
        "test": {name: facts["test"][name] for name in ("rows", "customers")}
        | {"metrics": facts["test"]["candidates"][model.kind]},
        **(
            {"threshold": facts["threshold"], "bands": facts["problem"]["bands"]}
            if "threshold" in facts
            else {}
        ),
        "promotion": facts.get("promotion"),
    }


def monitoring_facts(request: Request) -> dict[str, Any]:
    """What this worker serves, and how its scores reach the prediction log."""
    state: ServedState = request.app.state.served
    queue: PredictionQueue = request.app.state.queue
    return {
        "ready": state.is_ready,
        "served": state.served.scored.facts if state.served else None,
        "prediction_log": {"logged": queue.logged, "dropped": queue.dropped, "writable": not queue.fault},
    }


def as_json(content: dict[str, Any]) -> Response:
    """JSON with every digit; instants as ISO 8601 UTC, amounts as text."""
    text = json.dumps(content, default=plain, ensure_ascii=False, allow_nan=False)
    return Response(text.encode(), media_type="application/json", headers={"Cache-Control": "no-store"})
