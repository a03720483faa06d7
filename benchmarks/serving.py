"""Milliseconds of ``churn serve`` at fixed rates, beside a joblib server and Feast's own, on the same rows.

``python -m benchmarks.serving`` simulates a shop, trains, serves, and asks from a second process: one
customer with three reasons a request, at fixed rates, timed from when each request was due; then a thousand
customers a request. Of ``churn serve`` alone also as fast as 1, 16, 64 and 320 connections get answers, the
time of a pushed order and of the first score after it, and how many fields differ from those of the batch. It
prints a line for each server and writes ``benchmarks/serving.json``.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import click
import joblib
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from ml.common.instants import parse_instant
from ml.common.paths import ROOT
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.layout import Home
from ml.model.model_files import read_model
from ml.score import score

RATES, SECONDS = (100, 200), 20
CONNECTIONS = (1, 16, 64, 320)  # the last is five times what is answered at a time
PUSHES = 15
PORTS = {"churn serve": 8311, "joblib and pandas": 8312, "feast serve": 8313}
CHURN = [sys.executable, "-m", "ml"]


def prepare(home: Path, customers: int) -> None:
    """A home whose values are online."""
    for command in (
        ["ingest", "--demo", "shop", "--customers", str(customers), "--seed", "7"],
        ["build"],
        ["train"],
        ["materialize"],
    ):
        subprocess.run([*CHURN, *command, "--home", home, "--quiet"], check=True, cwd=ROOT)


def write_peer(home: Path, folder: Path) -> list[str]:
    """The files of the joblib peer; the customers' keys."""
    build = Home.at(home).current_build()
    model = read_model(Home.at(home).current_model())
    clock = json.loads((build / "build.json").read_text())["data_clock"]
    customers = sorted(
        {
            name
            for file in (build / "features" / "feat_customer_orders").glob("*.parquet")
            for name in pq.read_table(file, columns=["customer_id"])["customer_id"].to_pylist()
        }
    )
    stamps = pa.array([parse_instant(clock)] * len(customers), pa.timestamp("us"))
    rows = point_in_time(build, pa.table({"customer_id": customers, "event_timestamp": stamps}))
    frame = model.frame(rows)
    frame.insert(0, "customer_id", customers)
    frame.to_parquet(folder / "features.parquet")
    joblib.dump(model.pipeline, folder / "model.joblib")
    return customers


@contextmanager
def running(command: Sequence[str], port: int, environment: dict[str, str]) -> Iterator[psutil.Process]:
    """A server as a process, from when it accepts connections."""
    process = subprocess.Popen(
        list(map(str, command)),
        env=os.environ | environment,
        cwd=ROOT / "feature_repo" if "feast" in str(command[0]) else ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(port, process)
        yield psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def wait_for(port: int, process: "subprocess.Popen[bytes]", seconds: float = 90.0) -> None:
    """Wait until a server answers anything."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"the server on port {port} ended with {process.returncode}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/ready")
            if connection.getresponse().status in (200, 404):
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"no server on port {port}")


def under(port: int, path: str, body: str, load: str, customers: Sequence[str]) -> dict[str, Any]:
    """Percentiles of one load (``rate=100``, ``connections=16``), from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.serving_client", port, path, body, load, SECONDS]
    done = subprocess.run(
        list(map(str, command)),
        input=json.dumps(customers),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def many(port: int, customers: Sequence[str]) -> float:
    """Median milliseconds of a request for a thousand customers."""
    body = json.dumps({"customer_ids": list(customers)[:1000], "reasons": True})
    connection, times = http.client.HTTPConnection("127.0.0.1", port, timeout=60), []
    for _ in range(15):
        started = time.perf_counter()
        connection.request("POST", "/v1/scores", body, {"Content-Type": "application/json"})
        connection.getresponse().read()
        times.append(1000 * (time.perf_counter() - started))
    return round(median(times), 1)


def pushes(port: int, customers: Sequence[str]) -> dict[str, float]:
    """Median milliseconds of a push of one order, and of the first score after it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def milliseconds(path: str, body: dict[str, Any]) -> float:
        started = time.perf_counter()
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        assert response.status == 200, response.read()
        response.read()
        return 1000 * (time.perf_counter() - started)

    times: dict[str, list[float]] = {"push": [], "score": []}
    for place in range(PUSHES):
        customer = customers[place * 7919 % len(customers)]
        order = {"order_id": f"pushed-{place}", "customer_id": customer, "total_amount": 10}
        order["ordered_at"] = f"2025-01-{place + 1:02d}T00:00:00Z"
        times["push"].append(milliseconds("/v1/facts?table=orders", order))
        times["score"].append(milliseconds("/v1/scores", {"customer_ids": [customer]}))
    return {name: round(median(taken)) for name, taken in times.items()}


FIELDS = ("churn_probability", "churn_decision", "risk_band", "model_version", "build_id")


def compared(port: int, home: Path) -> dict[str, int]:
    """How many fields of the population's scores were compared with those of ``churn score``, and differ."""
    batch = score(home=home).to_pylist()
    connection, differing = http.client.HTTPConnection("127.0.0.1", port, timeout=60), 0
    for start in range(0, len(batch), 1000):
        part = batch[start : start + 1000]
        body = json.dumps({"customer_ids": [row["customer_id"] for row in part]})
        connection.request("POST", "/v1/scores", body)
        answers = json.loads(connection.getresponse().read())["scores"]
        for row, answer in zip(part, answers, strict=True):
            differing += sum(row[name] != answer[name] for name in FIELDS)
            differing += parse_instant(answer["event_timestamp"]) != row["event_timestamp"]
            differing += [reason["text"] for reason in answer["reasons"]] != row["reasons"]
    return {"customers": len(batch), "fields": len(batch) * (len(FIELDS) + 2), "differing": differing}


SCORES = '{"customer_ids": ["%s"], "reasons": true}'
# Feast needs the instant of on-demand features. Below it is our store plug-in, faster than Feast's own.
FEATURES = (
    '{"feature_service": "churn", "entities": {"customer_id": ["%s"], '
    '"event_timestamp": ["2025-01-01T00:00:00Z"]}}'
)


@click.command()
@click.option("--customers", default=2_000, show_default=True)
@click.option("--home", type=click.Path(path_type=Path), help="A home that is prepared already.")
def main(customers: int, home: Path | None) -> None:
    """Measure, print and write."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if home is None:
            home = folder / "home"
            prepare(home, customers)
        ids = write_peer(home, folder)
        binary = Path(sys.executable).parent
        servers = {
            "churn serve": ([*CHURN, "serve", "--home", home, "--port", PORTS["churn serve"]], SCORES),
            "joblib and pandas": (
                [
                    sys.executable,
                    "-m",
                    "uvicorn",
                    "benchmarks.serving_peer:make_app",
                    "--factory",
                    "--port",
                    PORTS["joblib and pandas"],
                    "--log-level",
                    "warning",
                ],
                SCORES,
            ),
            "feast serve": (
                [
                    binary / "feast",
                    "serve",
                    "-h",
                    "127.0.0.1",
                    "-p",
                    PORTS["feast serve"],
                    "--no-access-log",
                    "--max-requests",
                    "1000000",
                ],
                FEATURES,
            ),
        }
        environment = {"PEER_FOLDER": scratch, "CHURN_HOME": str(home), "PYTHONPATH": str(ROOT)}
        results: dict[str, Any] = {"customers": len(ids), "seconds": SECONDS, "servers": {}}
        for name, (command, body) in servers.items():
            path = "/get-online-features" if body is FEATURES else "/v1/scores"
            with running(command, PORTS[name], environment) as process:
                loads = [under(PORTS[name], path, body, f"rate={rate}", ids) for rate in RATES]
                entry: dict[str, Any] = {"loads": loads}
                if body is SCORES:
                    entry["thousand_ms"] = many(PORTS[name], ids)
                if name == "churn serve":
                    entry["compared"] = compared(PORTS[name], home)
                    entry["pushes_ms"] = pushes(PORTS[name], ids)
                    for count in CONNECTIONS:
                        loads.append(under(PORTS[name], path, body, f"connections={count}", ids))
                entry["peak_mb"] = round(peak(process) / 2**20)
            results["servers"][name] = entry
            click.echo(f"{name}: {json.dumps(entry)}")
        (ROOT / "benchmarks" / "serving.json").write_text(json.dumps(results, indent=2) + "\n")


def peak(process: psutil.Process) -> int:
    """Resident memory of a server and its children, in bytes."""
    return sum(each.memory_info().rss for each in [process, *process.children(recursive=True)])


if __name__ == "__main__":
    main()
