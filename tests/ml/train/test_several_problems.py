"""Several problems in one home, each with its own champion."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml.common.errors import NotReadyError
from ml.home.layout import Home, challenger_of, inherit_models, model_of
from ml.score import score
from ml.tracking.runs import present_models
from ml.train import train
from ml.warehouse.list_builds import builds
from tests.ml.conftest import PROBLEM

OTHER = replace(PROBLEM, name="other", candidates=("decision_tree",))


@pytest.fixture(scope="module")
def home(trained: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with ``model-000001`` for one problem, ``model-000002`` and its challenger for another."""
    folder = shutil.copytree(trained[0], tmp_path_factory.mktemp("several") / "home", symlinks=True)
    train(home=folder, problem=OTHER)
    train(home=folder, problem=OTHER)
    return Home.at(folder)


def test_each_problem_has_its_own_champion_and_challenger(home: Home) -> None:
    build = home.current_build()
    assert (model_of(build).name, challenger_of(build)) == ("model-000001", None)
    challenger = challenger_of(build, "other")
    assert challenger is not None
    assert (model_of(build, "other").name, challenger.name) == ("model-000002", "model-000003")
    assert present_models(home) == {
        "champion": "model-000001",
        "challenger": None,
        "champion-other": "model-000002",
        "challenger-other": "model-000003",
    }


def test_scores_are_those_of_the_champion_of_the_problem(home: Home) -> None:
    for problem, model in ((PROBLEM, "model-000001"), (OTHER, "model-000002")):
        assert set(score(home=home, problem=problem).column("model_version").to_pylist()) == {model}


def test_a_problem_without_a_model_is_named(home: Home) -> None:
    expected = (
        r"no model goes with build-000001 yet for the problem third \(there is one for problem, other\)"
    )
    with pytest.raises(NotReadyError, match=expected):
        score(home=home, problem=replace(PROBLEM, name="third"))


def test_the_list_of_builds_names_the_champion_of_each_problem(home: Home) -> None:
    entry = builds(home=home)["builds"][0]
    assert entry["model_version"] == "model-000001"
    assert entry["models"] == {"problem": "model-000001", "other": "model-000002"}


def test_a_new_build_inherits_the_models_of_every_problem(home: Home, tmp_path: Path) -> None:
    newer = home.builds / "build-000009"
    newer.mkdir()
    inherit_models(newer, home.current_build())
    found = [model_of(newer), model_of(newer, "other"), challenger_of(newer, "other")]
    shutil.rmtree(newer)
    assert [path and path.name for path in found] == ["model-000001", "model-000002", "model-000003"]
