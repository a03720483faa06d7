"""Errors as problem+json (RFC 9457): what is wrong and what to do, never a stack or a path."""

from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

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
