"""The process behind ``churn serve``: its checks before it listens, its workers, TLS."""

import os
import tempfile
from pathlib import Path

from ml.common.errors import UsageError
from ml.common.progress import SILENT, Progress
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.serve.access import is_loopback, read_keys

# From this process to its workers; no user sets them.
HOME, PROBLEM = "TIDEMARK_SERVE_HOME", "TIDEMARK_SERVE_PROBLEM"
MULTIPROCESS, SEVERAL_WORKERS = "PROMETHEUS_MULTIPROC_DIR", "TIDEMARK_SERVE_WORKERS"
GRACE_SECONDS = 20  # for requests that have begun when the server gets a signal to stop


def serve(
    *,
    home: Home | str | os.PathLike[str] | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    problem: str | None = None,
    certificate: str | None = None,
    private_key: str | None = None,
    progress: Progress = SILENT,
) -> None:
    """Answer requests until the process is stopped.

    Raises
    ------
    UsageError
        The address is not this machine's alone and no key was ever created; a TLS file is missing.
    ProblemError
        The problem file cannot be used.
    """
    home = Home.at(home)
    home.current_build()
    problem_for(home, problem)
    keys = read_keys(home)
    if not keys and not is_loopback(host):
        raise UsageError(
            f"{host} is not this machine alone and there is no key: run 'churn keys create' first"
        )
    if bool(certificate) != bool(private_key):
        raise UsageError("TLS needs both files: --tls-certificate and --tls-key")
    for file in filter(None, (certificate, private_key)):
        if not Path(file).is_file():
            raise UsageError(f"there is no file {file}")
    if not keys:
        progress.say(
            "note: no key was ever created, so everyone on this machine may ask: 'churn keys create'"
        )
    os.environ[HOME] = str(home.root)
    if problem:
        os.environ[PROBLEM] = str(Path(problem).resolve())
    scheme = "https" if certificate else "http"
    progress.say(f"{scheme}://{host}:{port} with {workers} {'worker' if workers == 1 else 'workers'}")
    with tempfile.TemporaryDirectory() as folder:
        if workers > 1:
            os.environ |= {MULTIPROCESS: folder, SEVERAL_WORKERS: str(workers)}
        run(host, port, workers, certificate, private_key)


def run(host: str, port: int, workers: int, certificate: str | None, private_key: str | None) -> None:
    """Run uvicorn; without an access log, whose paths would have the customers' keys."""
    import uvicorn

    uvicorn.run(
        "ml.serve.app:create",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        ssl_certfile=certificate,
        ssl_keyfile=private_key,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
