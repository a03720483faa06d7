"""Metrics in the format of Prometheus; of all workers together where there are several."""

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from ml.serve.prediction_queue import PredictionQueue
from ml.serve.served_state import ServedState

SECONDS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
SEVERAL_WORKERS = "TIDEMARK_SERVE_WORKERS"  # set by the server; then their values are in files


class Metrics:
    """The metrics of one worker."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, state: ServedState, queue: PredictionQueue) -> None:
        self.state, self.queue = state, queue
        self.registry = CollectorRegistry()
        labels = ("route", "status")
        self.answers = Counter(
            "tidemark_requests", "Answers by route and status", labels, registry=self.registry
        )
        self.seconds = Histogram(
            "tidemark_request_seconds",
            "Seconds to an answer",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.logged = self.gauge("tidemark_predictions_logged", "Scores in the prediction log")
        self.dropped = self.gauge("tidemark_predictions_dropped", "Scores that could not be logged")
        self.ready = self.gauge("tidemark_ready", "Whether the worker is ready")

    def gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self.registry, multiprocess_mode="livesum")

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count one answer; the gauges of every worker are written with it."""
        self.set_gauges()
        self.answers.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def set_gauges(self) -> None:
        """What is counted elsewhere."""
        self.logged.set(self.queue.logged)
        self.dropped.set(self.queue.dropped)
        self.ready.set(self.state.is_ready)

    def text(self) -> bytes:
        """All metrics as text."""
        self.set_gauges()
        registry = self.registry
        if os.environ.get(SEVERAL_WORKERS):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        return generate_latest(registry)
