"""The prediction log of a span: volume, latency, what was dropped; nothing is made where there is no log."""

import os
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ml.common.instants import format_instant
from ml.home.layout import Home
from ml.predictions.entries import DROPPED
from ml.predictions.log import ENVIRONMENT, PredictionLog


@dataclass(frozen=True)
class RequestFigures:
    """Scores that left.

    Parameters
    ----------
    since : str
        They were logged from here on, by the wall clock.
    scores, requests, dropped : int
        ``dropped`` are scores that could not be logged.
    milliseconds : dict
        p50, p95 and p99 of one score over HTTP.
    bands : dict
        Scores in each risk band.
    models : dict
        Scores of each model.
    """

    since: str
    scores: int
    requests: int
    dropped: int
    milliseconds: dict[str, float]
    bands: dict[str, int]
    models: dict[str, int]


def request_figures(home: Home, since: datetime) -> RequestFigures | None:
    """The figures of entries logged since an instant; None where there is no log, or nothing in it."""
    if not os.environ.get(ENVIRONMENT) and not (home.root / "predictions" / "log.db").is_file():
        return None
    latencies: list[float] = []
    requests: set[str] = set()
    bands: dict[str, int] = {}
    models: dict[str, int] = {}
    scores = dropped = 0
    with PredictionLog(home) as log:
        for row in log.rows(format_instant(since)):
            if row["kind"] == DROPPED:
                dropped += row["count"]
                continue
            scores += 1
            requests.add(row["request_id"])
            if row["band"]:
                bands[row["band"]] = bands.get(row["band"], 0) + 1
            models[row["model_version"]] = models.get(row["model_version"], 0) + 1
            if row["source"] == "http" and row["latency_ms"] is not None:
                latencies.append(row["latency_ms"])
    if not scores and not dropped:
        return None
    ranks = {"p50": 50, "p95": 95, "p99": 99} if latencies else {}
    milliseconds = {name: float(np.percentile(latencies, rank)) for name, rank in ranks.items()}
    return RequestFigures(format_instant(since), scores, len(requests), dropped, milliseconds, bands, models)
