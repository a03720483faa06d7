"""``dbt build --target spark`` by hand: every model, data test and unit test; what it leaves, and where.

Needs Spark and Java: ``make test-spark`` runs it in .venv-spark.
"""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from ml.audit.engine_builds import check_spark
from ml.common.errors import NotReadyError
from ml.warehouse.dbt import PROJECT
from tests.dbt_project.hand_run import FEATURES, LABELS, Hand, ingested
from tests.reference.withdrawn import withdrawn_world

pytestmark = pytest.mark.subjects("dbt_project", "spark-requirements.lock")
LEFT_BY_SPARK = ("metastore_db", "derby.log", "spark-warehouse")


@pytest.fixture(scope="module")
def hand(tmp_path_factory: pytest.TempPathFactory) -> Hand:
    try:
        check_spark()
    except NotReadyError as error:
        pytest.skip(f"NOT TESTED ON SPARK: {error}")
    return ingested(tmp_path_factory.mktemp("spark's hand"), withdrawn_world(8, customers=20))


def dbt(hand: Hand, command: str, *arguments: str, home: str | None = None) -> str:
    """What the program dbt prints, run in the project's folder."""
    folders = ["--target-path", str(hand.target), "--log-path", str(hand.folder / "logs")]
    environment = {**os.environ, "CHURN_HOME": home or str(hand.home), "PYTHONPATH": str(PROJECT.parent)}
    environment.pop("CHURN_RAW", None)
    environment.pop("CHURN_OUTPUT", None)
    program = Path(sys.executable).with_name("dbt")
    words = [str(program), command, "--target", "spark", "--no-use-colors", *arguments, *folders]
    done = subprocess.run(words, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def test_a_build_by_hand_passes_every_test_and_leaves_nothing_beside_the_home(hand: Hand) -> None:
    output = dbt(hand, "build")
    assert "Completed successfully" in output
    assert "ERROR=0 SKIP=0" in output
    output_folder = hand.home / "dbt" / "spark" / "output"
    for layer, models in (("features", FEATURES), ("labels", LABELS)):
        for model in models:
            files = str(output_folder / layer / model / "*.parquet").replace("'", "''")
            types = {row[0]: row[1] for row in duckdb.sql(f"describe from '{files}'").fetchall()}
            assert types["customer_id"] == "VARCHAR"
            assert "TIMESTAMP WITH TIME ZONE" not in types.values()
            assert "DOUBLE" not in types.values()
    assert [name for name in LEFT_BY_SPARK if (PROJECT / name).exists()] == []
    assert (hand.home / "dbt" / "spark" / "metastore_db").is_dir()


def test_a_second_run_by_a_relative_path_replaces_the_first(hand: Hand) -> None:
    relative = os.path.relpath(hand.home, PROJECT)
    dbt(hand, "run", "--select", "stg_orders", home=relative)
    folder = hand.home / "dbt" / "spark" / "tables" / "stg_orders"
    files = str(folder / "*.parquet").replace("'", "''")
    versions = duckdb.sql(
        f"select count(*), count(distinct (order_id, version_number)) from '{files}'"
    ).fetchone()
    assert versions is not None
    assert versions[0] == versions[1] > 0
