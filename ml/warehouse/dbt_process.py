"""dbt in a process of its own, so that its locks and its memory end with it.

Arguments come in as one JSON object on the command line; progress goes out as JSON lines on standard output.
``build`` runs first; when every model and test has passed, ``docs generate`` writes the catalog from the same
manifest, if it is wanted. dbt's unit tests are left out: they try the code on fixed rows and have nothing to
say of the data.
"""

import json
import os
import sys
import threading
from functools import partial
from typing import Any

FINISHED = {"LogModelResult": "total", "LogTestResult": "num_models", "LogUnitTestResult": "num_models"}


def main() -> int:
    """Run dbt as the first argument says; the exit status is 0 when all passed."""
    from dbt.cli.main import dbtRunner

    end_with_parent()
    asked = json.loads(sys.argv[1])
    left_out = ["unit_test"] if asked["tests"] else ["unit_test", "test"]
    excluded = [word for kind in left_out for word in ("--exclude-resource-type", kind)]
    command = ["build", *excluded, *asked["options"], "--vars", asked["vars"]]
    sentences: list[str] = []
    built = dbtRunner(callbacks=[tell_progress, partial(collect_sentences, sentences)]).invoke(command)
    if not built.success:
        tell({"failed": sentences + failures(built)})
        return 1
    if not asked["docs"]:
        return 0
    manifest = manifest_of(asked["target"])
    docs = ["docs", "generate", "--no-compile", *asked["options"], "--vars", asked["vars"]]
    described = dbtRunner(manifest=manifest).invoke(docs)
    if not described.success:
        tell({"failed": [str(described.exception or "dbt docs generate failed")]})
        return 1
    return 0


def end_with_parent() -> None:
    """End at once when standard input does: a killed parent must leave no one who holds dbt's database."""

    def wait() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def manifest_of(target: str) -> Any:
    """The manifest that the build has just written, not to be parsed again."""
    from dbt.contracts.graph.manifest import Manifest, WritableManifest

    return Manifest.from_writable_manifest(
        WritableManifest.read_and_check_versions(f"{target}/manifest.json")
    )


def tell_progress(event: Any) -> None:
    """One line for each finished model or test."""
    if event.info.name in FINISHED:
        total = getattr(event.data, FINISHED[event.info.name], 0)
        tell({"done": event.data.index, "total": total, "node": event.data.node_info.node_name})


def collect_sentences(sentences: list[str], event: Any) -> None:
    """Keep what the project's own tests log: which column differs from its YAML, and how."""
    if event.info.name == "JinjaLogInfo":
        sentences.append(event.data.msg)


def failures(result: Any) -> list[str]:
    """What failed, one line each: the node and its message."""
    if result.exception is not None:
        return [" ".join(str(result.exception).replace("[WARNING]: ", "").split())]
    return [
        f"{run.node.name}: {' '.join((run.message or str(run.status)).split())}"
        for run in result.result
        if run.status in ("error", "fail", "runtime error")
    ]


def tell(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
