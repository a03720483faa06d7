"""A client in a process of its own: requests at a fixed rate, or as fast as some connections get answers."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

CONNECTIONS = 16  # of a fixed rate
PAUSE = 0.05  # seconds after a 429, of one connection

Answers = list[tuple[float, int]]


class Connection:
    """One connection to the server."""

    def __init__(self, port: int, path: str) -> None:
        self.port = port
        self.head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()

    async def open(self) -> "Connection":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def status(self, body: bytes) -> int:
        """The status of the answer to one request, once all of it is there."""
        self.writer.write(self.head + b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await self.reader.readexactly(length)
        return int(answer[9:12])


async def at_rate(port: int, path: str, bodies: Sequence[bytes], rate: float) -> Answers:
    """Seconds and status of each request; seconds from when it was due.

    Parameters
    ----------
    rate : float
        Requests a second.
    """
    queue: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
    answers: Answers = []

    async def work() -> None:
        connection = await Connection(port, path).open()
        while (request := await queue.get()) is not None:
            due, body = request
            status = await connection.status(body)
            answers.append((time.perf_counter() - due, status))
        connection.writer.close()

    workers = [asyncio.create_task(work()) for _ in range(CONNECTIONS)]
    start = time.perf_counter() + 0.2
    for place, body in enumerate(bodies):
        due = start + place / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        queue.put_nowait((due, body))
    for _ in workers:
        queue.put_nowait(None)
    await asyncio.gather(*workers)
    return answers


async def at_once(port: int, path: str, bodies: Sequence[bytes], connections: int, seconds: float) -> Answers:
    """The same of connections that each ask again as soon as they are answered, for some seconds."""
    answers: Answers = []

    async def work(place: int) -> None:
        connection = await Connection(port, path).open()
        end = time.perf_counter() + seconds
        while (started := time.perf_counter()) < end:
            status = await connection.status(bodies[place % len(bodies)])
            answers.append((time.perf_counter() - started, status))
            place += connections
            if status == 429:
                await asyncio.sleep(PAUSE)
        connection.writer.close()

    await asyncio.gather(*(work(place) for place in range(connections)))
    return answers


def summary(answers: Answers, seconds: float) -> dict[str, Any]:
    """Percentiles in milliseconds of what was accepted, and how many were answered otherwise."""
    times = sorted(1000 * taken for taken, status in answers if status == 200)
    percentiles = {f"p{share}": round(times[int(len(times) * share / 100)], 2) for share in (50, 95, 99)}
    busy = sum(status == 429 for _, status in answers)
    return {
        "requests": len(answers),
        **percentiles,
        "a_second": round(len(times) / seconds),
        "busy": busy,
        "errors": len(answers) - len(times) - busy,
    }


def main(port: int, path: str, body: str, load: str, seconds: float, ids: Sequence[str]) -> None:
    """Print the summary of a load as JSON: ``rate=100`` or ``connections=16``."""
    kind, number = load.split("=")
    count = int(float(number) * seconds) if kind == "rate" else len(ids)
    bodies = [(body % ids[(place * 7919) % len(ids)]).encode() for place in range(count)]
    run = (
        at_rate(port, path, bodies, float(number))
        if kind == "rate"
        else at_once(port, path, bodies, int(number), seconds)
    )
    print(json.dumps({kind: float(number), **summary(asyncio.run(run), seconds)}))


if __name__ == "__main__":
    port, path, body, load, seconds = sys.argv[1:]
    main(int(port), path, body, load, float(seconds), json.loads(sys.stdin.read()))
