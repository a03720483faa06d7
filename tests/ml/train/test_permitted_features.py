"""What a model may not read: names, subjects and roles by hand, then in a real build and a training."""

from dataclasses import replace
from pathlib import Path

import pytest

from ml.common.errors import ProblemError
from ml.config.problem import Problem
from ml.featurestore.catalog import Catalog, Feature, OnDemand, View, read_catalog
from ml.model.model_files import read_model
from ml.train import train
from ml.train.permitted_features import excluded_features
from tests.ml.conftest import PROBLEM
from tests.ml.synthetic_build import write_build
from tests.worlds import Built

pytestmark = pytest.mark.subjects("ml/train", "ml/model")

OFF = "sensitive: off unless the problem names it under use_sensitive"


def stored(name: str, view: str, **meta: str) -> Feature:
    return Feature(name, "BIGINT", f"The {name}.", view, None, meta)


CATALOG = Catalog(
    (
        View("orders_view", Path("orders"), "orders", (stored("orders_7d", "orders_view"),)),
        View(
            "profile_view",
            Path("profile"),
            "profile",
            (
                stored("gender", "profile_view", role="sensitive"),
                stored("birth_year", "profile_view", role="sensitive"),
                stored("city", "profile_view", role="place"),
            ),
        ),
    ),
    (
        OnDemand("age", "2024 - birth_year", "The age."),
        OnDemand("age_share", "age / 100", "The age as a share."),
        OnDemand("double", "orders_7d * 2", "Twice."),
    ),
)


def test_sensitive_features_and_what_is_computed_from_them_are_off() -> None:
    assert excluded_features(CATALOG, Problem()) == dict.fromkeys(
        ("gender", "birth_year", "age", "age_share"), OFF
    )


def test_a_sensitive_feature_is_on_where_the_problem_names_it() -> None:
    found = excluded_features(CATALOG, replace(Problem(), use_sensitive=("gender", "age_share")))
    assert list(found) == ["birth_year", "age"]


@pytest.mark.parametrize(
    ("exclude", "names"),
    [
        (("orders_7d",), {"orders_7d"}),
        (("orders",), {"orders_7d", "double"}),
        (("place",), {"city"}),
        (("sensitive", "place"), {"city"}),
    ],
)
def test_names_subjects_and_roles_are_excluded(exclude: tuple[str, ...], names: set[str]) -> None:
    found = excluded_features(CATALOG, replace(Problem(), exclude=exclude))
    assert set(found) - {"gender", "birth_year", "age", "age_share"} == names


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ({"exclude": ("gendr",)}, "the problem's exclude names gendr, .* did you mean gender?"),
        ({"use_sensitive": ("city",)}, "the problem's use_sensitive names city, .* known here: age,"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(problem: dict, message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        excluded_features(CATALOG, replace(Problem(), **problem))


def test_gender_age_and_birth_date_are_off_in_a_real_build(shop: Built) -> None:
    assert excluded_features(read_catalog(shop.build), Problem()) == dict.fromkeys(
        ("gender", "birth_date", "age_years"), OFF
    )


def test_what_is_excluded_is_no_input_and_the_manifest_says_why(tmp_path: Path) -> None:
    write_build(tmp_path)
    few = ("prior", "recency_rule", "logistic_regression")
    problem = replace(PROBLEM, candidates=few, exclude=("city", "engagement"))
    result = train(home=tmp_path, problem=problem)
    inputs = {each.name for each in read_model(tmp_path / "models" / "model-000001").inputs}
    out = ("city", "sessions_90d", "days_since_last_session")
    assert inputs & set(out) == set()
    assert {name: result["left_out"][name] for name in out} == {
        "city": "excluded by the problem (city)",
        "sessions_90d": "excluded by the problem (engagement)",
        "days_since_last_session": "excluded by the problem (engagement)",
    }
