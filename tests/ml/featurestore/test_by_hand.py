"""``feast`` run by hand in ``feature_repo/``, two at once, far from UTC."""

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from ml.common.paths import ROOT
from tests.ml.featurestore.retrieve_rows import offline, online

CLOCK = datetime(2024, 3, 1, 10, 11, 12, 987654)


def feast(home: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [Path(sys.executable).with_name("feast"), *arguments],
        cwd=ROOT / "feature_repo",
        env=os.environ | {"CHURN_HOME": str(home), "TZ": "America/New_York", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process: subprocess.Popen) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return output


def test_apply_and_materialize(home: Path) -> None:
    # The second waits until the first has written, so that neither is refused.
    outputs = [finished(process) for process in [feast(home, "apply"), feast(home, "apply")]]
    assert (home / "feast" / "apply.lock").exists()
    assert not [output for output in outputs if "Warning" in output or "Traceback" in output]

    finished(feast(home, "materialize-incremental", "2024-02-20T00:00:00"))
    assert not list((ROOT / "feature_repo").rglob("*.db"))
    finished(feast(home, "materialize", "2024-02-20T00:00:00", "2024-03-01T10:11:12.987654"))
    everybody = ["ann", "nil", "old"]
    assert online(home, everybody, CLOCK) == offline(home, everybody, CLOCK)


def test_nothing_published_is_one_sentence(tmp_path: Path) -> None:
    process = feast(tmp_path, "apply")
    output, _ = process.communicate(timeout=120)

    assert process.returncode == 1
    assert output.startswith("Error: ")
    assert output.endswith("run 'churn build' first\n")
    assert output.count("\n") == 1
