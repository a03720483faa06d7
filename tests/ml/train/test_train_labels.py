"""A model of labels of one's own: trained, judged, repeated and scored with after the file is gone."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ml.audit.labels import check_gaps
from ml.cli import main
from ml.cli.train import summary
from ml.common.errors import ModelError, UsageError
from ml.config.problem import Problem, Threshold, Tuning
from ml.features.training_parts import divide
from ml.home.layout import Home
from ml.home.problem_file import remember_problem
from ml.model.model_files import read_manifest
from ml.train import train
from ml.train.repeat import repeat
from tests.ml.audit.audit_context import audit_context
from tests.ml.synthetic_build import CLOCK, simulate_orders, write_build
from tests.worlds import Built

pytestmark = pytest.mark.subjects("ml/train", "ml/features")

NAMES = ("prior", "recency_rule", "logistic_regression", "decision_tree")
PROBLEM = replace(Problem(), candidates=NAMES, tuning=Tuning(trials=0), training_rows_max=1500)
FILE = f"candidates: [{', '.join(NAMES)}]\ntuning: {{trials: 0}}\ntraining_rows_max: 1500\n"
MODEL = "model-000001"


def labels_of(build: Path) -> pd.DataFrame:
    """The build's own labelled rows."""
    columns = ["customer_id", "event_timestamp", "churned"]
    return pq.read_table(build / "labels" / "label_customer_churn", columns=columns).to_pandas()


def scattered(rows: pd.DataFrame, number: int) -> pd.DataFrame:
    """So many of the rows, each at an instant of its own within the next days."""
    moved = rows["event_timestamp"] + pd.to_timedelta(
        np.random.default_rng(2).integers(1, 4 * 86_400 * 10**6, len(rows)), unit="us"
    )
    return rows.assign(event_timestamp=moved).sample(number, random_state=5)


@dataclass(frozen=True)
class Made:
    """A home whose champion learned from a file that is no longer there."""

    home: Path
    rows: pd.DataFrame
    sha256: str
    said: dict[str, Any]


def made_in(home: Path, build: Path, number: int) -> Made:
    problem, file = home / "problem.yml", home / "own.csv"
    problem.write_text(FILE)
    remember_problem(Home.at(home), problem)
    rows = scattered(labels_of(build), number)
    rows.rename(columns={"churned": "label"}).to_csv(file, index=False)
    said = called(home, "train", "--labels", str(file), "--json")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    file.unlink()
    return Made(home, rows, digest, json.loads(said))


def called(home: Path, *words: str) -> str:
    """What a command writes, where its status is 0."""
    found = CliRunner().invoke(main, [*words, "--home", str(home)])
    assert found.exit_code == 0, found.output
    return found.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    home = tmp_path_factory.mktemp("made")
    return made_in(home, write_build(home, customers=150), 3000)


@pytest.fixture(scope="module")
def made_shop(shop: Built, tmp_path_factory: pytest.TempPathFactory) -> Made:
    home = tmp_path_factory.mktemp("made_shop") / "home"
    shutil.copytree(shop.home, home, symlinks=True)
    return made_in(home, shop.build, 6000)


@pytest.fixture
def home(made: Made, tmp_path: Path) -> Path:
    return shutil.copytree(made.home, tmp_path / "home", symlinks=True)


def test_the_model_names_the_file_and_keeps_its_rows(made: Made) -> None:
    folder = Home.at(made.home).current_model()
    manifest = read_manifest(folder)
    assert manifest["labels"] == {
        "file": "own.csv",
        "sha256": made.sha256,
        "rows": 3000,
        "instants": made.rows["event_timestamp"].nunique(),
        "duplicates": 0,
        "not_yet_known": 0,
        "unsettled": 0,
    }
    assert "labels.parquet" in manifest["files"]
    order = ["event_timestamp", "customer_id"]
    wanted = made.rows.sort_values(order)[["customer_id", "event_timestamp", "churned"]]
    assert pq.read_table(folder / "labels.parquet").to_pylist() == wanted.to_dict("records")
    assert sum(manifest["labelled_rows"].values()) == 3000


def test_the_summary_says_whose_labels_they_are_and_how_many_rows_lie_in_the_gaps(made: Made) -> None:
    used = sum(made.said["labelled_rows"][part] for part in ("train", "validation", "test", "burn_in"))
    instants = made.rows["event_timestamp"].nunique()
    line = f"labels of own.csv: 3,000 rows at {instants:,} instants, {3000 - used:,} of them left out between"
    assert line in summary(made.said)


def test_the_test_rows_are_those_of_the_file_in_the_last_part(made: Made) -> None:
    test = pq.read_table(Home.at(made.home).current_model() / "test.parquet").to_pandas()
    begins = test["event_timestamp"].min()
    later = made.rows[made.rows["event_timestamp"] >= begins]
    pairs = later.set_index(["customer_id", "event_timestamp"])["churned"]
    assert len(test) == len(later) == made.said["labelled_rows"]["test"]
    assert (
        pairs.loc[list(zip(test["customer_id"], test["event_timestamp"], strict=True))]
        == test["churned"].values
    ).all()


def test_evaluate_report_score_and_doctor_work_without_the_file(made_shop: Made) -> None:
    home = made_shop.home
    text = called(home, "evaluate")
    assert f"{MODEL} (" in text
    assert "trained on build-000001 with the labels of own.csv" in text
    assert "price of staleness" in text
    page = home / "card.html"
    called(home, "report", "--out", str(page))
    said = page.read_text()
    assert "Of each customer and instant in own.csv, the file says who churned (6,000 rows at" in said
    assert made_shop.sha256 in said
    assert "at instant t: will no kept order" not in said
    scores = home / "scores.parquet"
    called(home, "score", "--out", str(scores))
    assert pq.read_table(scores).num_rows > 100
    called(home, "materialize")
    assert "with labels of own.csv" in called(home, "doctor")


def test_the_audit_finds_no_breach_in_it(made_shop: Made, tmp_path: Path) -> None:
    found = check_gaps(audit_context(made_shop.home, tmp_path / "scratch"))
    assert (found.breaches, found.notes) == ([], [])


def test_it_is_repeated_to_the_last_bit(home: Path) -> None:
    found = repeat(MODEL, home=home)
    assert (found["differences"], found["same"]) == ([], True)
    words = ["train", "--repeat", MODEL, "--labels", "own.csv", "--home", str(home)]
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 2
    assert "--repeat takes problem, labels and seed from the record" in refused.stderr


@pytest.mark.parametrize("fault", ["changed", "gone"])
def test_kept_rows_that_are_not_those_of_training_are_refused(home: Path, fault: str) -> None:
    file = home / "models" / MODEL / "labels.parquet"
    rows = pq.read_table(file)
    file.unlink()
    if fault == "changed":
        pq.write_table(rows.slice(1), file)
    with pytest.raises(ModelError, match=r"labels\.parquet is not the file that training wrote"):
        repeat(MODEL, home=home)


def test_a_label_turned_round_is_noticed_when_it_is_repeated(home: Path, tmp_path: Path) -> None:
    """The same file but for one label of a test row is another model."""
    rows = pq.read_table(home / "models" / MODEL / "labels.parquet").to_pandas()
    rows.loc[len(rows) - 1, "churned"] ^= 1
    again = train(home=home, problem=PROBLEM, labels=rows)
    first = read_manifest(home / "models" / MODEL)
    assert again["dataset"] != first["dataset"]
    assert again["labels"]["file"] is None
    churners = [facts["test"]["base_rate"] * facts["test"]["rows"] for facts in (again, first)]
    assert abs(churners[0] - churners[1]) == pytest.approx(1)


def test_models_of_other_labels_are_not_compared_and_those_of_a_file_are(home: Path, made: Made) -> None:
    again = train(home=home, problem=PROBLEM, labels=made.rows)
    assert again["promotion"]["against"] == MODEL
    assert again["promotion"]["metric"] == "log_loss"
    build = train(home=home, problem=PROBLEM)
    assert build["promotion"]["promoted"]
    champion = "own.csv" if not again["promotion"]["promoted"] else "the labels"
    assert build["promotion"]["why"].endswith(f"was trained on labels of {champion}")
    assert "labels" not in build
    back = train(home=home, problem=PROBLEM, labels=made.rows)
    assert back["promotion"]["why"] == f"{build['model_version']} was trained on labels of the build"


def test_a_capacity_is_a_share_of_the_customers_who_are_scored(tmp_path: Path) -> None:
    """Rows of one's own are one an instant: by them alone, everyone could be contacted."""
    build = write_build(tmp_path, customers=150)
    days = (CLOCK - pd.Timestamp("2023-01-02")) / pd.Timedelta(days=1)
    active = sum(((past > days - 90) & (past <= days)).any() for past in simulate_orders(150, 1).values())
    problem = replace(PROBLEM, capacity=20, threshold=Threshold("capacity"))
    rows = scattered(labels_of(build), 3000)
    said = train(home=tmp_path, problem=problem, labels=rows)
    assert divided(build, rows, problem) == active
    share = said["test"]["decision"]["listed_share"]
    assert said["threshold_rule_met"]
    assert 0.3 * 20 / active < share < 2 * 20 / active


def divided(build: Path, rows: pd.DataFrame, problem: Problem) -> float:
    from ml.features.own_labels import read_labels

    return divide(build, problem, read_labels(rows, build, problem)).population


def test_the_build_s_own_rows_as_a_file_rank_the_candidates_alike(tmp_path: Path) -> None:
    """The last cut-offs judge both times; the earlier parts begin at other cut-offs."""
    build = write_build(tmp_path, customers=150)
    names = ("prior", "recency_rule", "logistic_regression")
    problem = replace(PROBLEM, candidates=names)
    shipped = train(home=tmp_path, problem=problem)
    own = train(home=tmp_path, problem=problem, labels=labels_of(build))
    for part in ("first", "last", "cutoffs"):
        assert own["split"]["test"][part] == shipped["split"]["test"][part]
    tables = [
        pq.read_table(tmp_path / "models" / each["model_version"] / "test.parquet") for each in (shipped, own)
    ]
    keys = ["customer_id", "event_timestamp", "churned"]
    assert tables[0].select(keys).to_pylist() == tables[1].select(keys).to_pylist()
    assert ranking(own, names) == ranking(shipped, names) == ["prior", "recency_rule", "logistic_regression"]
    for name in names:
        areas = [each["test"]["candidates"][name]["roc_auc"]["value"] for each in (own, shipped)]
        assert areas[0] == pytest.approx(areas[1], abs=0.02)


def ranking(said: dict[str, Any], names: Sequence[str]) -> list[str]:
    found = said["test"]["candidates"]
    return sorted(names, key=lambda name: found[name]["roc_auc"]["value"])


def test_what_cannot_teach_is_one_sentence_and_nothing_is_kept(tmp_path: Path) -> None:
    build = write_build(tmp_path, customers=60)
    rows = labels_of(build)
    with pytest.raises(
        ModelError, match=r"the test rows hold only churned = 0: .*; add rows of the other class"
    ):
        train(
            home=tmp_path,
            problem=PROBLEM,
            labels=rows.assign(churned=rows["churned"].where(rows["event_timestamp"] < "2023-09-01", 0)),
        )
    unknown = "the labels: 1 customer unknown to build-000001, the first is 'nobody' in row 1"
    with pytest.raises(UsageError, match=unknown):
        train(home=tmp_path, problem=PROBLEM, labels=rows.assign(customer_id="nobody", churned=0))
    assert not (tmp_path / "models").exists()
