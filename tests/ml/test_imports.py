"""What each command loads: seconds of start-up are spent only where the work needs them."""

import subprocess
import sys
from pathlib import Path

import pytest

from ml.cli import COMMANDS

HEAVY = (
    "feast",
    "dbt",
    "mlflow",
    "sklearn",
    "xgboost",
    "lightgbm",
    "numba",
    "optuna",
    "matplotlib",
    "pandas",
)
LOADED = f"""
import sys
from ml.cli import main
try:
    main(sys.argv[1:])
except SystemExit as done:
    print("status", done.code, file=sys.stderr)
print("loaded", *[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""


def loaded(*words: str, home: Path | None = None) -> tuple[str, set[str]]:
    """The exit status of a command, and the heavy packages it loaded."""
    place = ["--home", str(home)] if home else []
    command = [sys.executable, "-c", LOADED, *words, *place]
    *_, status, names = subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stderr.splitlines()
    return status.removeprefix("status "), set(names.split()[1:])


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_nothing(command: str) -> None:
    assert loaded(command, "--help") == ("0", set())


def test_ingest_loads_nothing_of_models_or_features(tmp_path: Path) -> None:
    status, names = loaded("ingest", "--demo", "shop", "--customers", "50", home=tmp_path)
    assert status == "0"
    assert not names & {"feast", "dbt", "mlflow", "sklearn", "xgboost", "matplotlib"}


@pytest.mark.parametrize("command", [["builds"], ["dataset", "--out"], ["features", "--rows"]])
def test_commands_that_read_a_build_load_neither_feast_nor_dbt_nor_models(
    trained: tuple[Path, dict], tmp_path: Path, command: list[str]
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("customer_id,event_timestamp\nnobody,2024-01-01\n")
    words = {"dataset": ["dataset", "--out", str(tmp_path / "out.parquet")]}
    words["features"] = ["features", "--rows", str(rows), "--out", str(tmp_path / "out.csv")]
    status, names = loaded(*words.get(command[0], command), home=trained[0])
    assert (status, names & {"feast", "dbt", "mlflow", "sklearn", "xgboost", "matplotlib"}) == ("0", set())


def test_score_loads_neither_feast_nor_dbt_nor_what_draws(trained: tuple[Path, dict], tmp_path: Path) -> None:
    status, names = loaded("score", "--out", str(tmp_path / "scores.csv"), home=trained[0])
    assert (status, names & {"feast", "dbt", "mlflow", "matplotlib", "optuna"}) == ("0", set())
