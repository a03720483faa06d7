"""A server over a home in a thread of its own, and a client for it."""

import html
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from ml.home.layout import Home
from ml.serve.app import make_app


@dataclass(frozen=True)
class Answer:
    """Status, headers (lower case) and body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def seen(self) -> str:
        """What a reader of the page sees."""
        return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", self.body.decode()).split()))


@dataclass(frozen=True)
class Server:
    """A server that answers, and its application."""

    port: int
    app: Any

    def ask(
        self, path: str, body: Any = None, headers: dict[str, str] | None = None, method: str | None = None
    ) -> Answer:
        """One request on a connection of its own; ``body`` is sent as JSON unless it is bytes."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method or ("GET" if body is None else "POST"), path, content, headers or {})
        response = connection.getresponse()
        found = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        connection.close()
        return found

    def scores(self, *customers: str, **more: Any) -> list[dict[str, Any]]:
        answer = self.ask("/v1/scores", {"customer_ids": list(customers), **more})
        assert answer.status == 200, answer.body
        return answer.json["scores"]

    def until(self, condition: Any, seconds: float = 20.0) -> None:
        """Wait for a condition."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "not in time"
            time.sleep(0.05)


@contextmanager
def serving(home: Path, problem: str | None = None) -> Iterator[Server]:
    """A server over a home until the end of the block."""
    app = make_app(Home.at(home), problem)
    config = uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.02)
    yield Server(listener.getsockname()[1], app)
    server.should_exit = True
    thread.join(10)
    listener.close()
