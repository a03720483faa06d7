"""A client in a process of its own: requests at a fixed rate, timed from when each was due."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence

CONNECTIONS = 16


async def ask(port: int, path: str, bodies: Sequence[bytes], rate: float) -> list[tuple[float, int]]:
    """Seconds and status of each request.

    Parameters
    ----------
    rate : float
        Requests a second.
    """
    queue: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
    results: list[tuple[float, int]] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
        while (work := await queue.get()) is not None:
            due, body = work
            writer.write(head + b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            results.append((time.perf_counter() - due, int(answer[9:12])))
        writer.close()

    workers = [asyncio.create_task(connection()) for _ in range(CONNECTIONS)]
    start = time.perf_counter() + 0.2
    for place, body in enumerate(bodies):
        due = start + place / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        queue.put_nowait((due, body))
    for _ in workers:
        queue.put_nowait(None)
    await asyncio.gather(*workers)
    return results


def main(port: int, path: str, body: str, rate: float, seconds: float, ids: Sequence[str]) -> None:
    """Print percentiles in milliseconds and the number of errors as JSON."""
    bodies = [(body % ids[(place * 7919) % len(ids)]).encode() for place in range(int(rate * seconds))]
    results = asyncio.run(ask(port, path, bodies, rate))
    times = sorted(1000 * seconds for seconds, _ in results)
    percentiles = {f"p{share}": round(times[int(len(times) * share / 100)], 2) for share in (50, 95, 99)}
    errors = sum(status != 200 for _, status in results)
    print(json.dumps({"rate": rate, "requests": len(times), **percentiles, "errors": errors}))


if __name__ == "__main__":
    port, path, body, rate, seconds = sys.argv[1:]
    main(int(port), path, body, float(rate), float(seconds), json.loads(sys.stdin.read()))
