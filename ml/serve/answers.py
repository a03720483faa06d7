"""What answers are made from: scores of the file, features and history of a build, facts of the model.

``log_answer`` queues every score that leaves for the prediction log.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError

from ml.common.instant_grammar import parse_text
from ml.common.instants import utc_now
from ml.explain.reason_text import wordings
from ml.featurestore.catalog import read_catalog
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.build_manifest import checked_as_of
from ml.home.layout import Home
from ml.home.read_leases import lease
from ml.model.fitted_model import FittedModel
from ml.predictions.entries import SCORE, Entry, plain
from ml.receipt.receipt_lines import Receipt
from ml.receipt.value_receipt import receipt, receipt_of
from ml.score.scoring import score_features, score_names
from ml.serve.entity_rows import rows_at, without_keys
from ml.serve.http_errors import HttpError
from ml.serve.prediction_queue import now
from ml.serve.request_middleware import slowly
from ml.serve.schemas import Score
from ml.serve.scored_file import Scored
from ml.serve.served_state import Served

Shape = TypeVar("Shape", bound=BaseModel)

POINTS_MAX = 200  # of a history
HISTORY_STEP = timedelta(days=7)


async def current(request: Request) -> Served:
    """The state that is served, with every fact that was pushed before the request."""
    served: Served = request.app.state.served.get()
    if not served.live.is_current():
        await slowly(request, served.live.refresh)
    return served


def check_known(served: Served, customer: str) -> Scored:
    """The row of a customer; 404 where the served scores do not know one."""
    row = served.find(customer)
    if row is None:
        raise HttpError(404, "no such customer is known")
    return row


def parsed(shape: type[Shape], body: bytes) -> Shape:
    """The request of a body, of one of ``ml.serve.schemas``.

    Raises
    ------
    HttpError
        It is no JSON (400), or not of the schema (422).
    """
    try:
        return shape.model_validate_json(body)
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


def etag(served: Served, row: Scored) -> str:
    """A tag that changes when the answer may."""
    content = f"{served.scored.path.name}\n{row.customer_id}\n{row.score}{row.profile}".encode()
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def cache_headers(tag: str, exact_until: str | None) -> dict[str, str]:
    """How long an answer may be kept: until it changes by what is known, else the client checks it again."""
    age = 0
    if exact_until:
        left = parse_text(exact_until) - utc_now()
        age = max(0, int(left.total_seconds()))
    control = f"private, max-age={age}" if age else "private, no-cache"
    return {"ETag": tag, "Cache-Control": control}


def instant_of(text: str, name: str) -> datetime:
    """An instant of a query."""
    try:
        return parse_text(text)
    except ValueError as error:
        raise HttpError(422, f"{name} is no ISO 8601 instant such as 2024-06-30T00:00:00Z") from error


def features_at(home: Home, served: Served, row: Scored, as_of: datetime) -> tuple[str, dict[str, Any]]:
    """The name of a build, and every feature of a customer at an instant in it.

    It is the current build; of a customer whom pushed facts touch, the one that is served, with these facts.
    """
    if row.event_timestamp:
        if as_of > parse_text(row.event_timestamp):
            raise HttpError(422, f"as_of is after the newest fact, {row.event_timestamp}: ask for that")
        with served.live.build_and_load(row) as (build, _):
            return build.name, features_of(build, row.customer_id, as_of)
    with home.reading() as build:
        checked_as_of(build, as_of)
        return build.name, features_of(build, row.customer_id, as_of)


def features_of(build: Path, customer: str, as_of: datetime) -> dict[str, Any]:
    """Every feature of a customer at an instant in a build."""
    return without_keys(point_in_time(build, rows_at(customer, [as_of])).to_pylist()[0])


def receipt_with_facts(
    home: Home, served: Served, row: Scored, feature: str, as_of: datetime | None
) -> Receipt:
    """The receipt of a value, pushed facts among its rows where they touch the customer."""
    if row.event_timestamp is None:
        return receipt(row.customer_id, feature, as_of=as_of, home=home)
    with served.live.build_and_load(row) as (build, load):
        return receipt_of(build, load, row.customer_id, feature, as_of)


@contextmanager
def leased(served: Served) -> Iterator[None]:
    """The files of the build that is served are not removed until the end of the block.

    Raises
    ------
    HttpError
        The build is gone (503).
    """
    with lease(served.build) as is_there:
        if not is_there:
            raise HttpError(503, "a newer build is being taken over: try again", {"Retry-After": "1"})
        yield


def leased_history(
    served: Served, row: Scored, start: datetime, end: datetime, features: list[str]
) -> list[dict[str, Any]]:
    """``history_of`` while the build is not removed."""
    with leased(served), served.live.build_and_load(row) as (build, _):
        return history_of(build, served.model, row.customer_id, start, end, features)


def history_of(
    build: Path, model: FittedModel, customer: str, start: datetime, end: datetime, features: list[str]
) -> list[dict[str, Any]]:
    """A point a week, or fewer over a long time; without a score before the customer was known."""
    catalog = read_catalog(build)
    checked_as_of(build, end)
    chosen = features or [feature for feature in model.problem.baseline if feature in catalog.feature_names]
    if unknown := [name for name in chosen if name not in catalog.feature_names]:
        raise HttpError(422, f"there is no feature {', '.join(unknown)}")
    step = max(HISTORY_STEP, (end - start) / (POINTS_MAX - 1))
    count = int((end - start) / step) + 1
    instants = [end - step * place for place in range(count)][::-1]
    table = point_in_time(build, rows_at(customer, instants))
    scores = score_features(table, model, wordings(model.inputs, catalog), build.name).to_pylist()
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


def as_json(content: dict[str, Any]) -> Response:
    """JSON with every digit; instants as ISO 8601 UTC, amounts as text."""
    text = json.dumps(content, default=plain, ensure_ascii=False, allow_nan=False)
    return Response(text.encode(), media_type="application/json", headers={"Cache-Control": "no-store"})


def log_answer(request: Request, served: Served, rows: Sequence[Scored | None], milliseconds: float) -> None:
    """Queue the scores of one answer for the prediction log."""
    request.app.state.queue.put(log_entries(served, rows, request.state.request_id, milliseconds))


def log_entries(
    served: Served, rows: Sequence[Scored | None], request_id: str, milliseconds: float
) -> list[Entry]:
    """An entry of the prediction log for each customer who is known."""
    logged_at, facts = now(), served.scored.facts
    return [
        Entry(
            kind=SCORE,
            logged_at=logged_at,
            source="http",
            request_id=request_id,
            customer_id=row.customer_id,
            event_timestamp=row.event_timestamp or facts["event_timestamp"],
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
