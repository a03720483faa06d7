"""A home remembers the problem file given to a build or a training."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import ProblemError
from ml.common.progress import Progress
from ml.config.problem import LabelTerms, Problem, read_problem
from ml.home.layout import Home
from ml.home.problem_file import label_terms, problem_for, remember_problem
from tests.ml.synthetic_build import write_build


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home.at(tmp_path / "home")


def stated(folder: Path, horizon: int) -> Path:
    file = folder / f"problem-{horizon}.yml"
    file.write_text(f"horizon_days: {horizon}\n")
    return file


def test_the_file_given_last_holds_until_another_is_given(home: Home, tmp_path: Path) -> None:
    assert problem_for(home) == read_problem()
    remember_problem(home, stated(tmp_path, 45))
    assert problem_for(home).horizon_days == 45
    assert problem_for(home, stated(tmp_path, 60)).horizon_days == 60
    assert problem_for(home).horizon_days == 45
    remember_problem(home, stated(tmp_path, 60))
    assert problem_for(home).horizon_days == 60
    assert problem_for(home, replace(Problem(), horizon_days=7)).horizon_days == 7


def test_it_says_which_file_it_took(home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remember_problem(home, stated(tmp_path, 45))
    problem_for(home, progress=Progress())
    assert capsys.readouterr().err == (
        f"problem: {tmp_path / 'problem-45.yml'}, as given to this home before\n"
    )


def test_a_remembered_file_that_is_gone_is_named(home: Home, tmp_path: Path) -> None:
    remember_problem(home, stated(tmp_path, 45))
    (tmp_path / "problem-45.yml").unlink()
    with pytest.raises(ProblemError, match=r"problem-45\.yml, which this home .* is gone: name another with"):
        problem_for(home)


def test_a_problem_in_memory_is_not_remembered(home: Home) -> None:
    remember_problem(home, Problem())
    assert list(home.root.iterdir()) == []


def of_label(folder: Path, label: str, horizon: int) -> Path:
    file = folder / f"{label}-{horizon}.yml"
    task = "regression" if label == "label_customer_value" else "classification"
    file.write_text(f"label: {label}\ntask: {task}\nhorizon_days: {horizon}\n")
    return file


def test_a_build_has_the_labels_of_every_problem_of_the_home(home: Home, tmp_path: Path) -> None:
    value = read_problem(of_label(tmp_path, "label_customer_value", 90))
    assert label_terms(home, value) == LabelTerms(value.label_terms(), {value.label: value.label_terms()})
    remember_problem(home, None)  # problem.yml of the project
    assert label_terms(home, value).churn == read_problem().label_terms()
    remember_problem(home, of_label(tmp_path, "label_customer_value", 90))
    remember_problem(home, of_label(tmp_path, "label_customer_churn", 14))
    remember_problem(home, of_label(tmp_path, "label_customer_value", 60))
    terms = label_terms(home, problem_for(home))
    assert [terms.of(name)["horizon_days"] for name in ("label_customer_churn", "label_customer_value")] == [
        14,
        60,
    ]


def test_a_label_whose_file_is_gone_has_the_terms_of_the_others(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = of_label(tmp_path, "label_customer_value", 90)
    remember_problem(home, file)
    file.unlink()
    assert (
        label_terms(home, Problem(horizon_days=14), Progress()).of("label_customer_value")["horizon_days"]
        == 14
    )
    assert capsys.readouterr().err.startswith(
        "note: label_customer_value is made with the terms of label_customer_churn: "
    )


def test_training_is_asked_once(home: Home, tmp_path: Path) -> None:
    """What 'churn train --problem' was given, 'churn doctor' and 'churn evaluate' take as well."""
    write_build(home.root)
    file = tmp_path / "ours.yml"
    file.write_text("candidates: [prior, recency_rule]\ntuning: {trials: 0}\nseed: 5\n")
    options = ["--home", str(home.root), "--json"]
    trained = CliRunner().invoke(main, ["train", *options, "--problem", str(file)])
    assert trained.exit_code == 0
    evaluated = CliRunner().invoke(main, ["evaluate", *options])
    assert f"problem: {file}, as given" in evaluated.stderr
    assert json.loads(evaluated.stdout)["seed"] == 5
    looked = json.loads(CliRunner().invoke(main, ["doctor", *options]).stdout)
    details = {check["check"]: check["detail"] for check in looked["checks"]}
    assert details["problem"].endswith(f"({file})")
