"""One answer of a JSON API: asked for with patience, within bounds, and from one host alone.

An address comes in; the bytes of the answer and the next address of its ``Link`` header go out. A token goes
in a header to the host of the file and into no message; nor does what follows the ``?`` of an address.
"""

import os
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import IO, Any
from urllib.parse import quote, urlsplit

from ml.common.errors import SourceError
from ml.common.instants import utc_now
from ml.ingest.api_file import ApiFile, is_loopback

ATTEMPTS = 6
# The first wait; each next one is twice as long.
FIRST_WAIT_SECONDS = 1.0
# A server that wants a longer pause is asked again by the next run.
LONGEST_WAIT_SECONDS = 300.0
TIMEOUT_SECONDS = 60.0
# One answer, however slowly its bytes come.
ANSWER_SECONDS = 600.0
ANSWER_BYTES = 64 << 20
CHUNK_BYTES = 1 << 16
TOO_MANY_REQUESTS, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 429, 401, 403, 404
SERVER_FAULT = 500
# What an address may hold as it is; the rest is percent-encoded.
ADDRESS_SIGNS = ":/?#[]@!$&'()*+,;=%~"
pause = time.sleep

# RFC 8288: <address>; rel="next"; ..., commas and semicolons being allowed in addresses and in quotes.
PARAMETER = r""";\s*([^\s=;,"<>]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?"""
PARAMETERS = r"""(?:\s*;\s*[^\s=;,"<>]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*))?)*"""
LINK = re.compile(rf"<([^>]*)>({PARAMETERS})")


class StatusError(SourceError):
    """The server answered with a status that no further attempt mends."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class PassingError(Exception):
    """A further attempt may succeed; ``wait`` is the pause in seconds that the server asks for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class Answer:
    """What the server sent."""

    body: bytes
    next_link: str | None


@dataclass(frozen=True)
class Client:
    """Asks for the pages of one file.

    Parameters
    ----------
    label : str
        The file, for messages.
    url : str
        The address in the file; no request goes to another host.
    headers : dict
        With the token, if there is one.
    notice : callable
        Takes a line for the user about a wait.
    """

    label: str
    url: str
    headers: dict[str, str] = field(repr=False)
    notice: Callable[[str], None]

    def get(self, url: str, page: int) -> Answer:
        """The answer of ``url``, after as many attempts as it takes, up to ``ATTEMPTS``.

        Raises
        ------
        SourceError
            There is none within the bounds, or it would come from another host.
        """
        what = f"{self.label}: page {page} of {shown(url)}"
        self.refuse_other_host(url, what)
        opener = self.opener(what)
        request = urllib.request.Request(quote(url, safe=ADDRESS_SIGNS), headers=self.headers)
        wait = FIRST_WAIT_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return one_attempt(opener, request, what)
            except PassingError as error:
                seconds = wait if error.wait is None else error.wait
                if attempt == ATTEMPTS:
                    raise SourceError(f"{what} cannot be read after {ATTEMPTS} attempts: {error}") from None
                if seconds > LONGEST_WAIT_SECONDS:
                    raise SourceError(
                        f"{what} cannot be read: {error}, and the server asks for a pause of "
                        f"{seconds:,.0f} s: run the same command again after it"
                    ) from None
                self.notice(f"{what}: {error}; next attempt in {seconds:.0f} s")
                pause(seconds)
                wait *= 2
        raise AssertionError("the last attempt returns or raises")

    def refuse_other_host(self, url: str, what: str) -> None:
        """Raise a SourceError if ``url`` is not of the host, port and scheme of the file."""
        if origin(url) != origin(self.url):
            raise SourceError(
                f"{what} is refused: it leads to {origin_text(url)}, and the file names "
                f"{origin_text(self.url)}: no request goes to another host"
            )

    def opener(self, what: str) -> urllib.request.OpenerDirector:
        """An opener that follows no redirect to another host, nor asks this machine through a proxy."""
        client = self

        class SameHostRedirects(urllib.request.HTTPRedirectHandler):
            def redirect_request(
                self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
            ) -> Any:
                client.refuse_other_host(newurl, f"{what}, redirected,")
                return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]

        proxies = [urllib.request.ProxyHandler({})] if is_loopback(urlsplit(self.url)) else []
        return urllib.request.build_opener(SameHostRedirects, *proxies)


def headers_of(api_file: ApiFile, label: str) -> dict[str, str]:
    """The headers of every request.

    Raises
    ------
    SourceError
        The environment has no token, or one that is no single word.
    """
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "tidemark"}
    if not api_file.token_env:
        return headers
    token = os.environ.get(api_file.token_env, "").strip()
    if not token:
        raise SourceError(
            f"{label} takes its token from {api_file.token_env}, which the environment lacks: export it"
        )
    if not token.isascii() or not token.isprintable():
        raise SourceError(
            f"the token in {api_file.token_env} has signs that no header may have: export it anew"
        )
    header = api_file.token_header or "Authorization"
    return headers | {header: token if api_file.token_header else f"Bearer {token}"}


def one_attempt(opener: urllib.request.OpenerDirector, request: urllib.request.Request, what: str) -> Answer:
    """The answer to one request.

    Raises
    ------
    PassingError
        A further attempt may succeed.
    SourceError
        None would.
    """
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as response:
            links = response.headers.get_all("Link") or []
            return Answer(read_body(response, what), next_link(links))
    except urllib.error.HTTPError as error:
        with error:
            raise_for_status(error, what)
    except (urllib.error.URLError, OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        text = f"{getattr(reason, 'strerror', None) or reason or type(reason).__name__}"
        if isinstance(reason, socket.gaierror | ssl.SSLCertVerificationError):
            raise SourceError(f"{what} cannot be read: {text}") from None
        raise PassingError("no answer in time" if isinstance(reason, TimeoutError) else text) from None
    raise AssertionError("every status above is an error")


def read_body(response: Any, what: str) -> bytes:
    """The whole body, if it is within the bounds."""
    deadline = time.monotonic() + ANSWER_SECONDS
    body = bytearray()
    while chunk := response.read(CHUNK_BYTES):
        body += chunk
        if len(body) > ANSWER_BYTES:
            raise SourceError(
                f"{what} has more than {ANSWER_BYTES >> 20} MiB: ask for smaller pages, or for fewer fields"
            )
        if time.monotonic() > deadline:
            raise PassingError(f"the answer was not complete after {ANSWER_SECONDS:.0f} s")
    # The library takes a connection that ends too early for the end of the answer.
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and len(body) < int(length):
        raise PassingError(f"the answer broke off after {len(body):,} of {int(length):,} bytes")
    return bytes(body)


def raise_for_status(error: urllib.error.HTTPError, what: str) -> None:
    """Raise what the status of an answer means."""
    status = f"status {error.code}"
    if error.code == TOO_MANY_REQUESTS or error.code >= SERVER_FAULT:
        raise PassingError(status, retry_after(error.headers.get("Retry-After"))) from None
    if error.code in (UNAUTHORIZED, FORBIDDEN):
        raise StatusError(
            f"{what} cannot be read: the server refuses access ({status}): see to token_env and its token",
            error.code,
        ) from None
    raise StatusError(f"{what} cannot be read: the server answers with {status}", error.code) from None


def retry_after(text: str | None) -> float | None:
    """The seconds that a ``Retry-After`` header asks for; None if it asks for nothing that can be read."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        instant = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant
    return max(0.0, (at - utc_now()).total_seconds())


def next_link(links: list[str]) -> str | None:
    """The address with the relation ``next`` in ``Link`` headers."""
    for link in links:
        for address, parameters in LINK.findall(link):
            relations = [
                quoted or plain
                for name, quoted, plain in re.findall(PARAMETER, parameters)
                if name.lower() == "rel"
            ]
            # Of several only the first counts.
            if relations and "next" in relations[0].lower().split():
                return str(address).strip()
    return None


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port."""
    pieces = urlsplit(url)
    scheme = pieces.scheme.lower()
    try:
        port = pieces.port
    except ValueError:
        port = -1
    return scheme, (pieces.hostname or "").lower(), port or {"http": 80, "https": 443}.get(scheme)


def origin_text(url: str) -> str:
    scheme, host, port = origin(url)
    return f"{scheme}://{host}:{port}"


def shown(url: str) -> str:
    """An address without what follows its question mark, where secrets are."""
    pieces = urlsplit(url)
    return f"{pieces.scheme}://{pieces.netloc.rpartition('@')[2]}{pieces.path}"
