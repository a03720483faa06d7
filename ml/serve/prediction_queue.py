"""Scores on their way into the prediction log: never slower than the answer, and what is lost is counted.

A bounded queue takes the entries of an answer; one thread writes what has gathered, in one transaction. Where
the log cannot be written the entries wait; when the queue is full, new ones are dropped and counted, and the
count is logged itself as soon as the log can be written again.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from ml.common.errors import TidemarkError
from ml.common.instants import format_instant, utc_now
from ml.predictions.entries import DROPPED, Entry
from ml.predictions.log import PredictionLog, is_database_error

QUEUE_MAX = 20_000  # scores of one worker; at 1 kB each 20 MB
BATCH_MAX = 200  # a longer one would hold up answers while it is hashed
PAUSE = 0.1  # seconds between two writes
PATIENCE = 1.0  # seconds until a log that failed is tried again
logger = logging.getLogger("tidemark.serve")


class PredictionQueue:
    """The queue of one worker, with its thread.

    Parameters
    ----------
    open_log : callable
        Opens the log; called in the thread, and again after a failure.
    """

    def __init__(self, open_log: Callable[[], PredictionLog], limit: int = QUEUE_MAX) -> None:
        self.open_log, self.limit = open_log, limit
        self.dropped = self.logged = 0
        self.fault = ""
        self._waiting: deque[Entry] = deque()
        self._drops_to_log = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Write what waits, as far as it can be written in time."""
        self._stop.set()
        self._thread.join(seconds)

    def has_room(self, count: int) -> bool:
        """Whether so many entries fit now."""
        return len(self._waiting) + count <= self.limit

    def put(self, entries: Sequence[Entry]) -> None:
        """Take the entries of one answer, or count them as dropped."""
        with self._lock:
            if len(self._waiting) + len(entries) > self.limit:
                if not self._drops_to_log:
                    logger.warning("prediction log: the queue is full, scores are dropped: %s", self.fault)
                self.dropped += len(entries)
                self._drops_to_log += len(entries)
            else:
                self._waiting.extend(entries)

    def _run(self) -> None:
        log: PredictionLog | None = None
        while True:
            is_last = self._stop.wait(PAUSE)
            try:
                log = log or self.open_log()
                while self._write(log):
                    pass
                self.fault = ""
            except Exception as error:
                if not (is_database_error(error) or isinstance(error, TidemarkError)):
                    raise
                if not self.fault:
                    logger.warning("prediction log: cannot be written, scores wait: %s", error)
                self.fault = str(error).splitlines()[0] if str(error) else type(error).__name__
                log = None
                time.sleep(0 if is_last else PATIENCE)
            if is_last:
                return

    def _write(self, log: PredictionLog) -> bool:
        """Write one batch; whether there was any."""
        with self._lock:
            batch = [self._waiting[place] for place in range(min(BATCH_MAX, len(self._waiting)))]
            drops = self._drops_to_log
        if not batch and not drops:
            return False
        lost = [Entry(kind=DROPPED, logged_at=now(), source="http", count=drops)] if drops else []
        log.append([*batch, *lost])
        with self._lock:
            for _ in batch:
                self._waiting.popleft()
            self._drops_to_log -= drops
            self.logged += len(batch)
        return True


def now() -> str:
    """The wall clock, ISO 8601 UTC."""
    return format_instant(utc_now())
