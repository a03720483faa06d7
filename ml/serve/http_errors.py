"""Errors as problem+json (RFC 9457), or as a page: what is wrong and what to do, never a stack or a path."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import Scope

from ml.common.errors import NotReadyError, RowsError, TidemarkError, UsageError
from ml.serve.pages.error_page import error_page, wants_page

logger = logging.getLogger("tidemark.serve")
MEDIA_TYPE = "application/problem+json"


class HttpError(Exception):
    """An answer that is an error.

    Parameters
    ----------
    status : int
    detail : str
        One sentence.
    headers : dict, optional
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}


def error_response(error: HttpError, request_id: str) -> JSONResponse:
    """The answer to a request that failed."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
        "request_id": request_id,
    }
    headers = {"Cache-Control": "no-store", **error.headers}
    return JSONResponse(content, error.status, headers, media_type=MEDIA_TYPE)


def error_answer(error: HttpError, scope: Scope) -> Response:
    """An error as a page for who looks at pages, else as problem+json."""
    request_id = scope["state"]["request_id"]
    if wants_page(scope):
        return error_page(error.status, error.detail, error.headers, request_id)
    return error_response(error, request_id)


def add_error_handlers(app: FastAPI) -> None:
    """Every error as problem+json or as a page."""

    async def as_problem(request: Request, error: Exception) -> Response:
        answer = http_error_of(error)
        if answer.status == 500:
            logger.error("request %s failed", request.state.request_id, exc_info=error)
        return error_answer(answer, request.scope)

    for kind in (HttpError, HTTPException, RequestValidationError, TidemarkError, Exception):
        app.add_exception_handler(kind, as_problem)


def http_error_of(error: Exception) -> HttpError:
    """What a client learns of an error."""
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
