"""Errors as pages for people: one sentence, never a stack or a path."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup
from starlette.types import Scope

from ml.page.document import header, join_parts, paragraph, soft
from ml.serve.pages.page_frame import Frame, page_response

SIGN_IN = Markup('<p><a href="/sign-in">Sign in with another key</a></p>')
INTERFACES = ("/v1", "/v2", "/health", "/ready", "/metrics", "/openapi.json", "/docs")
PAGES = (
    "/customers",
    "/customers.csv",
    "/customer",
    "/receipt",
    "/segments",
    "/model",
    "/data",
    "/monitoring",
    "/sign-in",
    "/sign-out",
)


def wants_page(scope: Scope) -> bool:
    """Whether an error of a request is shown as a page: on the addresses of pages, and to browsers."""
    path = scope["path"]
    if any(path == interface or path.startswith(f"{interface}/") for interface in INTERFACES):
        return False
    return path in ("/", *PAGES) or b"text/html" in dict(scope["headers"]).get(b"accept", b"")


def error_page(status: int, detail: str, headers: Mapping[str, str], request_id: str) -> Response:
    """The page of an error; a redirect where its headers say where to."""
    if status == HTTPStatus.SEE_OTHER:
        return RedirectResponse(headers["Location"], status, {**headers, "Cache-Control": "no-store"})
    title = HTTPStatus(status).phrase
    body = join_parts(
        header(title, f"Status {status}", "bad"),
        paragraph(f"{sentence(detail)}."),
        *([SIGN_IN] if status == HTTPStatus.FORBIDDEN else []),
        soft(f"Request {request_id}"),
    )
    return page_response(title, body, Frame(with_links=status not in (401, 403)), status, headers)


def sentence(detail: str) -> str:
    """A detail with a capital, unless it begins with the name of a field."""
    return detail if "_" in detail.partition(" ")[0] else f"{detail[:1].upper()}{detail[1:]}"
