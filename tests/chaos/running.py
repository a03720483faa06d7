"""Commands as processes of their own: started, killed, waited for, looked for when they should be gone."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from ml.common.paths import ROOT
from tests.chaos.place import Place

MARK = "TIDEMARK_CHAOS"
PROCESS, GROUP, CHILD = "process", "group", "child"
GRACE_SECONDS = 5
LONGEST_SECONDS = 240


@dataclass(frozen=True)
class Ended:
    """How a command ended; ``killed`` by us, or by itself."""

    status: int
    output: str
    errors: str
    seconds: float

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL


class Running:
    """One command, in a session of its own, with a mark that all its descendants inherit.

    Parameters
    ----------
    place : Place
    command : sequence of str
        What follows ``churn``.
    plan : mapping, optional
        What ``tests.chaos.unlucky`` is to do; without one the plain command runs.
    environment : mapping, optional
        Variables beside the usual ones.
    """

    def __init__(
        self,
        place: Place,
        command: Sequence[str],
        plan: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        largest_file: int | None = None,
    ):
        self.mark = uuid.uuid4().hex
        self.started = time.monotonic()
        start = ["-m", "tests.chaos.unlucky", json.dumps(plan)] if plan else ["-m", "ml"]
        arguments = [command[0], "--home", str(place.home), *command[1:]]
        self._begin([sys.executable, *start, *arguments], place, environment or {}, largest_file)

    def _begin(
        self,
        words: list[str],
        place: Place,
        environment: Mapping[str, str],
        largest_file: int | None,
    ) -> None:
        self.files = [open_scratch(place, self.mark + kind) for kind in (".out", ".err")]
        self.process = subprocess.Popen(
            words,
            cwd=ROOT,
            env=child_environment(place, self.mark) | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=self.files[0],
            stderr=self.files[1],
            start_new_session=True,
            preexec_fn=limit_files(largest_file) if largest_file is not None else None,
        )

    def kill(self, what: str) -> None:
        """SIGKILL for the process, its whole group, or only what it has started."""
        if what == CHILD:
            children = [child for child in descendants(self.process.pid) if child.pid != self.process.pid]
            for child in children:
                child.kill()
        elif self.process.poll() is None:
            (os.killpg if what == GROUP else os.kill)(self.process.pid, signal.SIGKILL)

    def wait(self) -> Ended:
        """Wait for its end.

        Raises
        ------
        TimeoutExpired
            It hangs; it was killed with its group.
        """
        try:
            status = self.process.wait(LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill(GROUP)
            raise
        seconds = time.monotonic() - self.started
        output, errors = (read_and_remove(file) for file in self.files)
        return Ended(status, output, errors, seconds)

    def end(self, what: str, after: float) -> Ended:
        """Kill ``what`` that many seconds after the start, if it still runs then."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, self.started + after - time.monotonic()))
        self.kill(what)
        return self.wait()

    def left_running(self) -> list[str]:
        """Processes it started that still live some seconds later; they are killed here."""
        return survivors(self.mark)


class RunningFeast(Running):
    """``feast ...`` by hand, in ``feature_repo/``."""

    def __init__(self, place: Place, command: Sequence[str], plan: Mapping[str, Any] | None = None):
        self.mark = uuid.uuid4().hex
        self.started = time.monotonic()
        words = [sys.executable, "-m", "tests.chaos.unlucky", json.dumps(plan or {}), "feast", *command]
        self._begin(words, place, {"CHURN_HOME": str(place.home)}, None)


def child_environment(place: Place, mark: str) -> dict[str, str]:
    """What a command is started with: nobody's home by default, the run's temporary folder."""
    ours = ("CHURN_", "MLFLOW_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    place.temp.mkdir(parents=True, exist_ok=True)
    return inherited | {MARK: mark, "TMPDIR": str(place.temp), "PYTHONPATH": str(ROOT)}


def limit_files(size: int) -> Callable[[], None]:
    """Let no file grow beyond ``size`` bytes."""

    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def open_scratch(place: Place, name: str) -> IO[str]:
    folder = place.root / "said"
    folder.mkdir(exist_ok=True)
    return (folder / name).open("w+")


def read_and_remove(file: IO[str]) -> str:
    file.seek(0)
    text = file.read()
    file.close()
    Path(file.name).unlink()
    return text


def descendants(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def marked(mark: str) -> Iterator[psutil.Process]:
    """Living processes that carry ``mark``, whoever their parent is by now."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except psutil.Error:
            continue


def survivors(mark: str) -> list[str]:
    """Names of marked processes that live on after a grace of seconds; killed one by one by their id."""
    until = time.monotonic() + GRACE_SECONDS
    while (living := list(marked(mark))) and time.monotonic() < until:
        time.sleep(0.05)
    names = []
    for process in living:
        try:
            names.append(" ".join(process.cmdline())[:120])
            process.kill()
        except psutil.NoSuchProcess:
            continue
    return names


def run(place: Place, command: Sequence[str], **how: Any) -> Ended:
    """One command from its start to its end."""
    return Running(place, command, **how).wait()


def unclear(ended: Ended) -> str | None:
    """What is wrong with the way a command failed; None when it said one plain sentence, or did not fail.

    A killed command says nothing; one that fails says one line ``churn: ...``, ends with status 1 and
    shows no traceback, on either stream.
    """
    if "Traceback" in ended.errors + ended.output:
        return f"a traceback: {ended.errors.strip().splitlines()[-1][:200]}"
    if ended.status == 0 or ended.killed:
        return None
    sentences = [
        line for line in ended.errors.splitlines() if not line.startswith(("note:", "making everything:"))
    ]
    if ended.status != 1:
        return f"status {ended.status}: {ended.errors[-200:]}"
    if len(sentences) != 1 or not sentences[0].startswith("churn: "):
        return f"not one sentence: {ended.errors[-300:]!r}"
    return None
