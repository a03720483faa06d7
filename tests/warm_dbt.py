"""dbt forked from a process that has imported it and parsed the project once.

A run on a small world takes twelve seconds of CPU, five of them for imports and for templates compiled the
first time. Tests make a hundred runs: here each is a fork of one warm process for each worker of pytest. What
runs in the fork is the product's ``ml.warehouse.dbt_process``, or the program ``dbt``.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import pytest

from ml.common.paths import CODE, ROOT
from ml.warehouse import dbt

BYTES_MAX = 1 << 20


class Fork:
    """One run, with the part of ``subprocess.Popen`` that the product uses; errors go to standard output."""

    def __init__(self, server: socket.socket, request: dict[str, Any]) -> None:
        read_end, stdout = os.pipe()
        stdin, write_end = os.pipe()
        status_end, status = os.pipe()
        socket.send_fds(server, [json.dumps(request).encode()], [stdin, stdout, status])
        for descriptor in (stdin, stdout, status):
            os.close(descriptor)
        self.status: TextIO = os.fdopen(status_end)
        self.stdout: TextIO = os.fdopen(read_end)
        self.stdin: TextIO = os.fdopen(write_end, "w")
        self.returncode: int | None = None

    def __enter__(self) -> "Fork":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stdin.close()
        self.returncode = int(self.status.read())
        self.status.close()
        self.stdout.close()


class WarmDbt:
    """The warm process, which starts with the first run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen | None = None
        self.connection: socket.socket | None = None

    def fork(self, request: dict[str, Any]) -> Fork:
        if self.connection is None:
            self.start()
        assert self.connection is not None
        return Fork(self.connection, request)

    def start(self) -> None:
        self.connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        with theirs, (self.folder / "server.log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm_dbt", str(theirs.fileno()), str(self.folder)],
                pass_fds=[theirs.fileno()],
                cwd=CODE,
                env={**os.environ, "PYTHONPATH": path},
                stdout=log,
                stderr=log,
            )

    def end(self) -> None:
        if self.process is not None and self.connection is not None:
            self.connection.close()
            self.process.wait()

    def start_dbt(self, command: list[str], environment: dict[str, str]) -> Fork:
        """In place of ``ml.warehouse.dbt.start_dbt``."""
        assert command[1:3] == ["-m", "ml.warehouse.dbt_process"]
        return self.fork({"build": command[3], "environment": environment, "folder": str(CODE)})


WARM: list[WarmDbt] = []


@contextmanager
def warm_dbt(folder: Path) -> Iterator[None]:
    """Let builds and ``run_dbt_program`` fork from a warm process."""
    WARM.append(WarmDbt(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbt, "start_dbt", WARM[-1].start_dbt)
        yield
    WARM.pop().end()


def run_dbt_program(
    arguments: list[str], environment: dict[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run the program ``dbt`` in ``folder``; standard output has its errors too."""
    request = {"arguments": arguments, "environment": environment, "folder": str(folder)}
    with WARM[-1].fork(request) as run:
        output = run.stdout.read()
    assert run.returncode is not None
    return subprocess.CompletedProcess(["dbt", *arguments], run.returncode, output, "")


def serve(connection: socket.socket, folder: str) -> None:
    """Fork a run for each request until the tests end."""
    warm_up(folder)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, descriptors, _, _ = socket.recv_fds(connection, BYTES_MAX, 3)
        if not request:
            return
        if os.fork() == 0:
            connection.close()
            run(json.loads(request), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def warm_up(folder: str) -> None:
    """Import dbt, and parse the project once."""
    from dbt.cli.main import dbtRunner

    folders: dict[str, Path | str] = {"project-dir": dbt.PROJECT, "profiles-dir": dbt.PROJECT}
    folders |= {"target-path": f"{folder}/target", "log-path": f"{folder}/logs"}
    options = [word for name, value in folders.items() for word in (f"--{name}", str(value))]
    # The static parser is a library of its own with threads, which do not survive a fork.
    dbtRunner().invoke(["parse", *options, "--quiet", "--no-static-parser"])


def run(request: dict[str, Any], stdin: int, stdout: int, status: int) -> None:
    """Fork once more, and report how that process ended, even where it was killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.close(status)
        become_dbt(request, stdin, stdout)
    os.close(stdin)
    os.close(stdout)
    _, ended = os.waitpid(child, 0)
    os.write(status, str(os.waitstatus_to_exitcode(ended)).encode())
    os._exit(0)


def become_dbt(request: dict[str, Any], stdin: int, stdout: int) -> None:
    """Be dbt's process: its folder, its environment, its streams, its exit status."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for source, stream in ((stdin, 0), (stdout, 1), (stdout, 2)):
        os.dup2(source, stream)
    os.close(stdin)
    os.close(stdout)
    status = 1
    try:
        status = status_of(build if "build" in request else program, request)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def build(request: dict[str, Any]) -> int:
    from ml.warehouse import dbt_process

    sys.argv = [dbt_process.__name__, request["build"]]
    return dbt_process.main()


def program(request: dict[str, Any]) -> int:
    from dbt.cli.main import cli

    return cli.main(request["arguments"], prog_name="dbt")


def status_of(entry: Callable[[dict[str, Any]], int], request: dict[str, Any]) -> int:
    """The exit status, which a program may also raise."""
    try:
        return entry(request)
    except SystemExit as exit:
        return int(exit.code or 0)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
