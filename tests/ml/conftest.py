"""One small published build and one training on it, shared by the tests of the modelling layer."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ml.config.problem import Problem, Tuning
from ml.features.training_parts import Parts
from ml.model.churn_model import ChurnModel
from ml.model.inputs import Input
from ml.train.champion_choice import FittedCandidate
from ml.train.folds import Fold
from ml.train.trials import Trial
from tests.ml.synthetic_build import write_build

PROBLEM = replace(Problem(), training_rows_max=2000, tuning=Tuning(trials=0))


@dataclass(frozen=True)
class Workshop:
    """Every candidate fitted and calibrated on the small build."""

    home: Path
    parts: Parts
    inputs: list[Input]
    folds: list[Fold]
    trials: list[Trial]
    ready: list[FittedCandidate]

    def champion(self, name: str) -> ChurnModel:
        """The model that ``name`` would be as champion."""
        from ml.train.champion_choice import Choice
        from ml.train.training import make_champion

        return make_champion(self.ready, Choice(name, []), self.parts, self.inputs, PROBLEM)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    from ml.features.training_parts import read_parts
    from ml.featurestore.catalog import read_catalog
    from ml.model.inputs import choose_inputs
    from ml.train.candidates import candidates, required_features
    from ml.train.folds import LabelledRows, make_folds
    from ml.train.refit import refit_all
    from ml.train.trials import try_all

    home = tmp_path_factory.mktemp("workshop")
    build = write_build(home)
    parts = read_parts(build, PROBLEM)
    names = read_catalog(build).feature_names
    inputs, _ = choose_inputs(parts.train.table, names, required_features(names, PROBLEM))
    contenders = candidates(inputs, PROBLEM, len(parts.train.table))
    folds = make_folds(parts, inputs, PROBLEM)[-1:]
    trials = try_all(contenders, folds, PROBLEM, lambda title: None)
    held_out = LabelledRows.of(parts.calibration, inputs)
    ready = refit_all(trials, folds, held_out, PROBLEM, lambda title: None)
    return Workshop(home, parts, inputs, folds, trials, ready)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A home with a trained champion, and what training said."""
    from ml.train import train

    home = tmp_path_factory.mktemp("trained")
    write_build(home)
    return home, train(home=home, problem=PROBLEM)
