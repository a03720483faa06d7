"""dbt by hand on a first day: no home yet, a new output folder, the sources' age, a column that differs."""

import json
import shutil
from pathlib import Path

import pytest

from ml.common.errors import BuildError
from ml.common.paths import ROOT
from ml.home.layout import Home
from ml.warehouse import build
from tests.dbt_project.hand_run import FEATURES, LABELS, Hand, ingested
from tests.reference.by_hand import customer, day, order, world

pytestmark = pytest.mark.subjects("dbt_project", "ml/warehouse")

TINY = world(customer(), customer(city="Ulm", updated_at=day(50)), order(1, 10), order(2, 40))


@pytest.fixture(scope="module")
def hand(tmp_path_factory: pytest.TempPathFactory) -> Hand:
    return ingested(tmp_path_factory.mktemp("first"), TINY)


def test_without_raw_tables_there_is_one_sentence(tmp_path: Path) -> None:
    ran = Hand(tmp_path).dbt("build", forked=False)
    assert ran.returncode != 0
    assert (
        f"there are no raw tables in {tmp_path}/home/raw/current: run 'churn ingest PATH' first, or set "
        "CHURN_HOME to the home that has them"
    ) in ran.stdout
    assert "Traceback" not in ran.stdout + ran.stderr


def test_a_new_output_folder_is_made(hand: Hand, tmp_path: Path) -> None:
    output = tmp_path / "not" / "there" / "yet"
    ran = hand.dbt("build", "--exclude-resource-type", "test", output=output, forked=False)
    assert ran.returncode == 0, ran.stdout
    assert {path.name for path in (output / "features").iterdir()} == set(FEATURES)
    assert {path.name for path in (output / "labels").iterdir()} == set(LABELS)


def test_the_age_of_each_source_is_that_of_its_newest_fact(hand: Hand) -> None:
    ran = hand.dbt("source", "freshness", forked=False)
    assert ran.returncode == 0, ran.stdout
    found = json.loads((hand.target / "sources.json").read_text())["results"]
    newest = {each["unique_id"].split(".")[-1]: each.get("max_loaded_at") for each in found}
    assert newest["customers"][:19] == day(50).isoformat()[:19]
    assert newest["orders"][:19] == day(40).isoformat()[:19]


def test_a_column_that_differs_from_its_yaml_is_named_with_both_types(hand: Hand, tmp_path: Path) -> None:
    project = tmp_path / "dbt_project"
    shutil.copytree(ROOT / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs"))
    described = project / "models" / "marts" / "features" / "feat_customer_support.yml"
    whole, name = described.read_text(), "- name: open_tickets"
    head, rest = whole.split(name)
    described.write_text(head + name + rest.replace("data_type: bigint", "data_type: integer", 1))
    with pytest.raises(BuildError) as refused:
        build(home=Home.at(hand.home), project=project)
    assert (
        "feat_customer_support.yml and its table differ: column open_tickets is declared integer and is "
        "bigint"
    ) in str(refused.value)
