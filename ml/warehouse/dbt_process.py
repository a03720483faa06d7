"""dbt in a process of its own, so that its locks and its memory end with it.

Arguments come in as one JSON object on the command line; progress goes out as JSON lines on standard output.
``build`` runs first; if every model and test has passed, ``docs generate`` optionally writes the catalog from
the same manifest. dbt's unit tests are left out, because they test the code on fixed rows, not the data.
"""

import json
import os
import sys
import threading
from functools import partial
from typing import Any

FINISHED = {"LogModelResult": "total", "LogTestResult": "num_models", "LogUnitTestResult": "num_models"}


def main() -> int:
    """Run dbt with the options in the first argument; the exit status is 0 if all passed."""
    from dbt.cli.main import dbtRunner

    end_with_parent()
    arguments = json.loads(sys.argv[1])
    resource_types = ["unit_test"] if arguments["tests"] else ["unit_test", "test"]
    exclusions = [option for kind in resource_types for option in ("--exclude-resource-type", kind)]
    command = ["build", *exclusions, *arguments["options"], "--vars", arguments["vars"]]
    messages: list[str] = []
    build_result = dbtRunner(callbacks=[emit_progress, partial(collect_messages, messages)]).invoke(command)
    if not build_result.success:
        emit({"failed": messages + failures(build_result)})
        return 1
    if not arguments["docs"]:
        return 0
    manifest = manifest_of(arguments["target"])
    docs = ["docs", "generate", "--no-compile", *arguments["options"], "--vars", arguments["vars"]]
    docs_result = dbtRunner(manifest=manifest).invoke(docs)
    if not docs_result.success:
        emit({"failed": [str(docs_result.exception or "dbt docs generate failed")]})
        return 1
    return 0


def end_with_parent() -> None:
    """Exit at the end of standard input, so that a killed parent leaves dbt's database free."""

    def wait() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def manifest_of(target: str) -> Any:
    """The manifest that the build has just written, so that dbt need not parse the project again."""
    from dbt.contracts.graph.manifest import Manifest, WritableManifest

    return Manifest.from_writable_manifest(
        WritableManifest.read_and_check_versions(f"{target}/manifest.json")
    )


def emit_progress(event: Any) -> None:
    """Print a line for each finished model or test."""
    if event.info.name in FINISHED:
        total = getattr(event.data, FINISHED[event.info.name], 0)
        emit({"done": event.data.index, "total": total, "node": event.data.node_info.node_name})


def collect_messages(messages: list[str], event: Any) -> None:
    """Collect the log messages of the project's own tests, such as a column that differs from its YAML."""
    if event.info.name == "JinjaLogInfo":
        messages.append(event.data.msg)


def failures(result: Any) -> list[str]:
    """The failed nodes with their messages, one line each."""
    if result.exception is not None:
        return [" ".join(str(result.exception).replace("[WARNING]: ", "").split())]
    return [
        f"{run.node.name}: {' '.join((run.message or str(run.status)).split())}"
        for run in result.result
        if run.status in ("error", "fail", "runtime error")
    ]


def emit(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
