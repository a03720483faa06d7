"""What every request goes through: an id in and out, limits, headers, and paths with any customer id."""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import uuid4

import anyio
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml.serve.http_errors import HttpError, error_answer

REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
BODY_MAX = 12 * 1024 * 1024  # a thousand of the longest keys fit
BODY_SECONDS = 10.0
IN_FLIGHT_MAX = 64  # requests of one worker at a time; more are answered 429 at once
SLOW_AT_ONCE = 4  # requests that read Parquet files or whole lists, of one worker
SLOW_SECONDS = 30.0
OPEN_HOSTS = ("localhost", "127.0.0.1", "[::1]")
CUSTOMERS = b"/v1/customers/"
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
]


class Requests:
    """The outermost layer of the application.

    Parameters
    ----------
    app : ASGI application
    observe : callable
        Called with route, status and seconds of every answer.
    """

    def __init__(self, app: ASGIApp, observe: Callable[[str, int, float], None]) -> None:
        self.app, self.observe = app, observe
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500
        request_id = id_of(scope)
        scope.setdefault("state", {})["request_id"] = request_id

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                spent = (time.perf_counter() - started) * 1000
                own = {name for name, _ in message["headers"]}  # a page has a policy of its own
                message["headers"] = [
                    *message["headers"],
                    *(header for header in HEADERS if header[0] not in own),
                    (b"x-request-id", request_id.encode()),
                    (b"server-timing", f"total;dur={spent:.2f}".encode()),
                ]
            await send(message)

        try:
            if self.in_flight >= IN_FLIGHT_MAX:
                busy = HttpError(429, "too many requests at once: try again shortly", {"Retry-After": "1"})
                await error_answer(busy, scope)(scope, receive, sending)
                return
            self.in_flight += 1
            try:
                hide_customer_id(scope)
                await self.app(scope, receive, sending)
            except HttpError as error:
                await error_answer(error, scope)(scope, receive, sending)
            finally:
                self.in_flight -= 1
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self.observe(route, status, time.perf_counter() - started)


def id_of(scope: Scope) -> str:
    """The caller's request id, if it is one; else a new one."""
    given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    return given if REQUEST_ID.fullmatch(given) else uuid4().hex


def hide_customer_id(scope: Scope) -> None:
    """Write the customer's key in a path as hexadecimal digits, so that any character may be in it.

    The server has decoded the path already, in which a slash of a key is one like any other.
    """
    raw = scope.get("raw_path", scope["path"].encode()).partition(b"?")[0]
    if not raw.startswith(CUSTOMERS):
        return
    customer, *rest = raw[len(CUSTOMERS) :].split(b"/")
    try:
        name = unquote_to_bytes(customer).decode("utf-8")
        parts = [unquote_to_bytes(part).decode("utf-8") for part in rest]
    except UnicodeDecodeError as error:
        raise HttpError(400, "the path is not UTF-8: percent-encode the customer's key as UTF-8") from error
    scope["path"] = "/".join([CUSTOMERS.decode().rstrip("/"), name.encode().hex() or "-", *parts])
    scope["raw_path"] = scope["path"].encode()


def shown_id(hexadecimal: str) -> str:
    """The customer's key of a path from ``hide_customer_id``."""
    if hexadecimal == "-":
        raise HttpError(404, "the path has no customer's key")
    return bytes.fromhex(hexadecimal).decode()


async def read_body(request: Request, most: int = BODY_MAX) -> bytes:
    """The whole body, of at most so many bytes.

    Raises
    ------
    HttpError
        It is too large (413), or does not come in time (408).
    """
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    raise HttpError(413, f"the body is larger than {most:,} bytes: send less")
                chunks.append(chunk)
    except TimeoutError as error:
        raise HttpError(408, f"the body did not come within {BODY_SECONDS:.0f} seconds") from error
    return b"".join(chunks)


async def slowly(request: Request, function: Callable[[], Any]) -> Any:
    """What a function returns, run in one of a few threads.

    Raises
    ------
    HttpError
        It takes too long (503).
    """
    with anyio.move_on_after(SLOW_SECONDS) as scope:
        return await anyio.to_thread.run_sync(
            function, limiter=request.app.state.slow, abandon_on_cancel=True
        )
    if scope.cancelled_caught:
        raise HttpError(503, f"this takes longer than {SLOW_SECONDS:.0f} seconds: ask for less")


def check_local(request: Request) -> None:
    """Refuse a request under another name than this machine's, where there is no key.

    A page elsewhere could make a browser ask here under another name.
    """
    host = request.headers.get("host", "")
    if (host.rsplit(":", 1)[0] or host) not in OPEN_HOSTS:
        raise HttpError(403, "without keys only requests to localhost are answered: create a key")
