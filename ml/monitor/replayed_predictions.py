"""What today's champions say of recomputed vectors; each logged model has the champion of its own problem."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from ml.common.errors import ModelError, NotReadyError
from ml.config.problem import DEFAULT_NAME
from ml.featurestore.catalog import read_catalog
from ml.home.layout import Home, model_of
from ml.model.fitted_model import FittedModel
from ml.model.model_files import read_manifest, read_model
from ml.monitor.logged_vectors import Vector
from ml.warehouse.current_model import check_same_features


class Champions:
    """The champions of a build.

    Parameters
    ----------
    home : Home
    build : Path
    """

    def __init__(self, home: Home, build: Path) -> None:
        self.home, self.build = home, build
        self.notes: list[str] = []
        self.champion = lru_cache(maxsize=None)(self.read_champion)

    def read_champion(self, problem: str) -> FittedModel | None:
        """The champion of a problem; None, with a note, if it cannot be used."""
        try:
            model = read_model(model_of(self.build, problem))
            check_same_features(model, read_catalog(self.build), self.build)
        except (NotReadyError, ModelError) as error:
            self.notes.append(f"scores are not compared: {error}")
            return None
        return model

    def problem_of(self, version: str) -> str:
        """The name of the problem that a logged model is for."""
        try:
            return str(read_manifest(self.home.models / version)["problem"]["name"])
        except (ModelError, KeyError):
            return DEFAULT_NAME

    def predictions(
        self, vectors: Sequence[Vector], features: pa.Table
    ) -> Iterator[tuple[Vector, float, str]]:
        """The score and the champion of each vector that has one.

        Parameters
        ----------
        features : Table
            The recomputed features, a row for each vector.
        """
        problems = {vector.model_version: "" for vector in vectors}
        problems = {version: self.problem_of(version) for version in problems}
        for problem in sorted({*problems.values()}):
            model = self.champion(problem)
            if model is None:
                continue
            places = [
                place for place, vector in enumerate(vectors) if problems[vector.model_version] == problem
            ]
            scores = model.prediction(model.frame(features.take(places))).tolist()
            for place, score in zip(places, scores, strict=True):
                yield vectors[place], score, model.version
