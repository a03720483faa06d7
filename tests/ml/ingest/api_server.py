"""A JSON API on this machine, in a thread: a function answers every request, and the requests are kept."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Reply:
    """An answer: a body of bytes, or a value that is written as JSON."""

    value: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None

    @property
    def content(self) -> bytes:
        return json.dumps(self.value).encode() if self.body is None else self.body


Answering = Callable[[Asked], Reply]


@dataclass
class Api:
    """A server that runs, with the requests it got."""

    url: str
    answer: Answering
    asked: list[Asked] = field(default_factory=list)

    @property
    def queries(self) -> list[dict[str, str]]:
        return [request.query for request in self.asked]


@contextmanager
def serving(answer: Answering) -> Iterator[Api]:
    """A server on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pieces = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(pieces.query, True).items()}
            request = Asked(pieces.path, query, {name.lower(): text for name, text in self.headers.items()})
            api.asked.append(request)
            reply = api.answer(request)
            headers = {"Content-Length": str(len(reply.content))} | reply.headers
            self.send_response(reply.status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(reply.content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api = Api(f"http://127.0.0.1:{server.server_port}", answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
