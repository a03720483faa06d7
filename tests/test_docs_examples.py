"""The examples of a document run as they stand, in the order they stand in."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ml.home.layout import ROOT, Home
from ml.home.problem_file import remember_problem
from ml.model.model_files import read_manifest
from tests.worlds import Built

pytestmark = pytest.mark.subjects("docs/own-labels.md", "docs/own-models.md", "ml/train", "ml/features")

BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SMALL = """
candidates: [prior, recency_rule, logistic_regression]
tuning: {trials: 0}
training_rows_max: 3000
"""


def test_labels_of_ones_own(shop: Built, tmp_path: Path) -> None:
    """As a project of the shop would run them, with fewer candidates."""
    home = shutil.copytree(shop.home, tmp_path / "home", symlinks=True)
    (tmp_path / "problem.yml").write_text(SMALL)
    remember_problem(Home.at(home), tmp_path / "problem.yml")
    said = [
        run(language, code, home, tmp_path)
        for language, code in BLOCK.findall((ROOT / "docs" / "own-labels.md").read_text())
    ]
    assert len(said) == 3
    assert float(said[-1]) > 0.6
    labels = read_manifest(Home.at(home).current_model())["labels"]
    rows = pq.read_table(tmp_path / "second-orders.parquet")
    assert labels["file"] == "second-orders.csv"
    assert labels["instants"] > 0.99 * labels["rows"] > 4000
    assert rows.num_rows < labels["rows"]
    assert set(rows.column("split").to_pylist()) == {"train", "validation", "test"}


def test_models_of_ones_own(shop: Built, tmp_path: Path) -> None:
    home = shutil.copytree(shop.home, tmp_path / "home", symlinks=True)
    said = [
        run(language, code, home, tmp_path)
        for language, code in BLOCK.findall((ROOT / "docs" / "own-models.md").read_text())
    ]
    assert len(said) == 4
    assert "my_models:extra_trees" in said[1]
    assert said[2].startswith("model-000002 ")
    assert said[3].count("churn_probability") == 1


def run(language: str, code: str, home: Path, place: Path) -> str:
    """What one block prints, where it ends well."""
    commands = {"python": [sys.executable, "-c"], "sh": ["sh", "-e", "-c"]}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"CHURN_HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": path}
    found = subprocess.run(
        [*commands[language], code], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout
