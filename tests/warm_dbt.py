"""dbt forked from a process that has imported it and parsed the project once.

A build of a small world takes twelve seconds of CPU, five of them for imports and for templates that are
compiled the first time. Tests make a hundred builds: here each is a fork of one warm process for each worker
of pytest. What runs in the fork is ``ml.warehouse.dbt_process.main``, as in a process of its own.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import pytest

from ml.common.paths import CODE, ROOT
from ml.warehouse import dbt

BYTES_MAX = 1 << 20


class Fork:
    """One dbt run, with the part of ``subprocess.Popen`` that the product uses."""

    def __init__(self, server: socket.socket, command: list[str], environment: dict[str, str]) -> None:
        read_end, stdout = os.pipe()
        stdin, write_end = os.pipe()
        status_end, status = os.pipe()
        request = json.dumps({"arguments": command[2:], "environment": environment}).encode()
        socket.send_fds(server, [request], [stdin, stdout, status])
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


@contextmanager
def warm_dbt(folder: Path) -> Iterator[None]:
    """Let builds fork from a warm process, which starts with the first of them."""
    servers: list[tuple[subprocess.Popen, socket.socket]] = []

    def start_dbt(command: list[str], environment: dict[str, str]) -> Fork:
        if not servers:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            command_line = [sys.executable, "-m", "tests.warm_dbt", str(theirs.fileno()), str(folder)]
            path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
            with (folder / "server.log").open("w") as log:
                environment_of_server = {**os.environ, "PYTHONPATH": path}
                server = subprocess.Popen(
                    command_line,
                    pass_fds=[theirs.fileno()],
                    cwd=CODE,
                    env=environment_of_server,
                    stdout=log,
                    stderr=log,
                )
            theirs.close()
            servers.append((server, ours))
        return Fork(servers[0][1], command, environment)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbt, "start_dbt", start_dbt)
        yield
    for server, connection in servers:
        connection.close()
        server.wait()


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


def run(request: dict[str, Any], stdin: int, stdout: int, status: int) -> None:
    """Fork once more, and report how that process ended, even where it was killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.close(status)
        become_dbt(request["arguments"], request["environment"], stdin, stdout)
    os.close(stdin)
    os.close(stdout)
    _, ended = os.waitpid(child, 0)
    os.write(status, str(os.waitstatus_to_exitcode(ended)).encode())
    os._exit(0)


def warm_up(folder: str) -> None:
    """Import dbt, and parse the project once."""
    from dbt.cli.main import dbtRunner

    folders: dict[str, Path | str] = {"project-dir": dbt.PROJECT, "profiles-dir": dbt.PROJECT}
    folders |= {"target-path": f"{folder}/target", "log-path": f"{folder}/logs"}
    options = [word for name, value in folders.items() for word in (f"--{name}", str(value))]
    # The static parser is a library of its own with threads, which do not survive a fork.
    dbtRunner().invoke(["parse", *options, "--quiet", "--no-static-parser"])


def become_dbt(arguments: list[str], environment: dict[str, str], stdin: int, stdout: int) -> None:
    """Be dbt's process: its environment, its streams, its exit status."""
    from ml.warehouse import dbt_process

    os.environ.clear()
    os.environ.update(environment)
    for source, stream in ((stdin, 0), (stdout, 1), (stdout, 2)):
        os.dup2(source, stream)
    os.close(stdin)
    os.close(stdout)
    sys.argv = [dbt_process.__name__, *arguments[1:]]
    status = 1
    try:
        status = dbt_process.main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
