"""Run one command as a process of its own: how long, how much CPU, how much memory at most."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import psutil  # type: ignore[import-untyped]

from ml.common.errors import TidemarkError
from ml.common.paths import ROOT

SAMPLE_EVERY_SECONDS = 0.05
BYTES_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Measured:
    """One run of one command.

    Parameters
    ----------
    seconds : float
        By the clock on the wall.
    cpu_seconds : float
        User and system time of the process and of all it waited for.
    peak_bytes : int
        Largest resident memory of the process tree at one time: the sum over its processes, sampled, so that
        pages they share count more than once; never less than the largest single process.
    load_before : float
        Load average of the last minute when the command started.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    load_before: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(command: Sequence[object]) -> tuple[Measured, str]:
    """Run ``command`` from the root of the repository; what it took, and its standard output.

    Raises
    ------
    TidemarkError
        It failed; the last lines it said are in the message.
    """
    load = os.getloadavg()[0]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], cwd=ROOT, stdout=output, stderr=errors)
        with tree_watched(process.pid) as peak:
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise TidemarkError(
                f"{' '.join(map(str, command))} failed: {last_lines(errors) or last_lines(output)}"
            )
        output.seek(0)
        said = output.read()
    most = max(peak[0], used.ru_maxrss * BYTES_PER_MAXRSS)
    return Measured(round(seconds, 2), round(used.ru_utime + used.ru_stime, 2), most, round(load, 2)), said


def last_lines(file: Any, lines: int = 5) -> str:
    """The end of what a process said."""
    file.seek(0)
    return "\n".join(file.read().strip().splitlines()[-lines:])


@contextmanager
def tree_watched(pid: int) -> Iterator[list[int]]:
    """Sample the memory of a process tree while the block runs; a list that holds the largest sum."""
    peak, over = [0], threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_EVERY_SECONDS):
            peak[0] = max(peak[0], tree_bytes(pid))

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield peak
    finally:
        over.set()
        sampler.join()


def tree_bytes(pid: int) -> int:
    """Resident memory of a process and all below it, now; what has ended counts nothing."""
    total = 0
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    for process in tree:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total
