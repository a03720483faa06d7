"""Estimators of one's own as candidates: trained, judged and explained like any other, or refused by name."""

import json
import shutil
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from ml.common.errors import ModelError, ProblemError
from ml.config.problem import read_problem
from ml.evaluate import evaluate
from ml.explain.contributions import explain
from ml.features.training_parts import read_parts
from ml.home.layout import Home
from ml.model.model_files import manifest_hash, read_judged, read_model
from ml.model.own import own_types
from ml.score import score
from ml.train import train
from ml.train.repeat import repeat
from tests.ml.synthetic_build import write_build

pytestmark = pytest.mark.subjects("ml/train", "ml/model")

MODULE = """
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler


class Halved(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X / 2

    def __sklearn_is_fitted__(self):
        return True


def halve(values):
    return values / 2


def trees(seed):
    return ExtraTreesClassifier(40, min_samples_leaf=20, random_state=seed)


def columns(*steps):
    numbers = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), *steps)
    texts = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (texts, make_column_selector(dtype_include="category")),
    )


def piped():
    return make_pipeline(columns(Halved()), LogisticRegression(C=0.01, max_iter=500))


def with_function():
    return make_pipeline(columns(FunctionTransformer(halve)), LogisticRegression(C=0.01, max_iter=500))


def number():
    return 3


def failing():
    raise OSError("no licence\\nfor this")
"""


def problem_file(folder: Path, *names: str, module: str = "own_models") -> Path:
    """A problem beside the module, with candidates of it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(dedent(MODULE))
    names = tuple(f"{module}:{name}" for name in names)
    stated = {"candidates": ["prior", *names], "tuning": {"trials": 0}, "training_rows_max": 2000}
    (folder / "problem.yml").write_text(json.dumps(stated))
    return folder / "problem.yml"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A home whose champion is one's own, for the recency rule is the only rival."""
    folder = tmp_path_factory.mktemp("own")
    write_build(folder / "home")
    problem = problem_file(folder / "project", "trees", "piped")
    return folder / "home", train(home=folder / "home", problem=problem, promotion="always")


def test_it_competes_with_the_baselines(home: tuple[Path, dict[str, Any]]) -> None:
    _, said = home
    names = [row["candidate"] for row in said["selection"]]
    assert names == ["prior", "recency_rule", "own_models:trees", "own_models:piped"]
    assert said["champion"] == "own_models:trees"
    assert said["promotion"]["promoted"]
    best = said["test"]["candidates"]["own_models:trees"]["roc_auc"]["value"]
    assert best > said["test"]["candidates"]["recency_rule"]["roc_auc"]["value"]


def test_its_scores_are_those_of_the_test_table(home: tuple[Path, dict[str, Any]]) -> None:
    folder, said = home
    place = Home.at(folder).current_model()
    model, rows = read_judged(place), pq.read_table(place / "test.parquet")
    test = read_parts(Home.at(folder).current_build(), model.problem).test.table
    assert test.column("customer_id").equals(rows.column("customer_id"))
    found = model.probability(model.frame(test))
    assert np.array_equal(found, rows.column(said["champion"]).to_numpy())


def test_its_reasons_add_up_and_are_the_same_alone(home: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = home
    model = read_model(Home.at(folder).current_model())
    frame = model.frame(read_parts(Home.at(folder).current_build(), model.problem).test.table)[:40]
    together = explain(model, frame)
    assert together.largest_gap < 1e-9
    assert np.abs(together.values).sum() > 1
    alone = np.vstack([explain(model, frame[place : place + 1]).values for place in range(5)])
    assert np.allclose(alone, together.values[:5], rtol=0, atol=1e-12)


def test_it_is_scored_evaluated_and_repeated(home: tuple[Path, dict[str, Any]]) -> None:
    folder, said = home
    rows = score(home=folder)
    assert max(len(reasons) for reasons in rows.column("reasons").to_pylist()) == 3
    assert evaluate(home=folder)["champion"] == said["champion"]
    assert repeat(said["model_version"], home=folder)["same"]


def test_classes_of_ones_own_are_saved(tmp_path: Path) -> None:
    write_build(tmp_path / "home")
    problem = problem_file(tmp_path / "project", "piped", module="piped_models")
    said = train(home=tmp_path / "home", problem=problem)
    assert said["champion"] == "piped_models:piped"
    manifest = json.loads((Home.at(tmp_path / "home").current_model() / "model.json").read_text())
    assert [name for name in manifest["types"] if not name.startswith("sklearn.")] == ["piped_models.Halved"]


def test_functions_are_refused_and_nothing_is_filed(tmp_path: Path) -> None:
    write_build(tmp_path / "home")
    problem = problem_file(tmp_path / "project", "with_function", module="function_models")
    with pytest.raises(ModelError, match=r"function_models\.halve cannot be part of a model"):
        train(home=tmp_path / "home", problem=problem)
    assert not (tmp_path / "home" / "models" / "model-000001").exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("refused_models:number", "the function returns int: return an unfitted"),
        ("refused_models:failing", r"the function fails \(OSError: no licence\)"),
        ("refused_models:nothing", "the module refused_models has no function nothing"),
        ("nowhere.models:make", "there is no module nowhere"),
    ],
)
def test_what_is_no_candidate_is_named(tmp_path: Path, name: str, sentence: str) -> None:
    write_build(tmp_path / "home")
    problem = problem_file(tmp_path / "project", module="refused_models")
    problem.write_text(json.dumps({"candidates": [name], "tuning": {"trials": 0}}))
    with pytest.raises(ProblemError, match=f"candidates: {name}: {sentence}"):
        train(home=tmp_path / "home", problem=problem)


@pytest.mark.parametrize("name", ["own_models.trees", ":trees", "own_models:", "own models:trees", "a:b:c"])
def test_what_is_no_name_of_a_function_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    problem = tmp_path / "problem.yml"
    problem.write_text(f"seed: 1\ncandidates: ['{name}']\n")
    with pytest.raises(ProblemError, match=r"line 2: candidates is .* or package.module:factory"):
        read_problem(problem)


@pytest.mark.parametrize(
    "name", ["os.system", "subprocess.Popen", "builtins.eval", "numpy.load", "shutil.rmtree"]
)
def test_a_card_cannot_name_any_type(home: tuple[Path, dict[str, Any]], tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match=f"{name} cannot be part of a model"):
        own_types([name])
    folder, _ = home
    place = tmp_path / "model-000009"
    source = Home.at(folder).current_model()
    shutil.copytree(source, place)
    manifest = json.loads((place / "model.json").read_text()) | {"types": [name]}
    del manifest["card"]
    (place / "model.json").write_text(json.dumps(manifest | {"card": manifest_hash(manifest)}))
    with pytest.raises(ModelError, match=f"{name} cannot be part of a model"):
        read_model(place)
