"""Read back: a saved model answers the same in a fresh process, or it is not filed."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import skops.io
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline

from ml.common.durable_files import sha256
from ml.common.errors import ModelError
from ml.featurestore.catalog import read_catalog
from ml.home.layout import Home, set_model
from ml.model.churn_model import ChurnModel
from ml.model.model_files import manifest_hash, write_model
from ml.train import training as module
from ml.train.readback import MOST_ROWS, check_reads_back, first_difference
from ml.train.training import TrainingRun, judge_and_file, provenance
from tests.ml.conftest import Workshop
from tests.ml.synthetic_build import write_build


def read_back(workshop: Workshop, model: ChurnModel, folder: Path) -> None:
    check_reads_back(model, folder, Home.at(workshop.home).current_build(), workshop.parts.test.table)


def moved(model: ChurnModel) -> ChurnModel:
    """The same model with scores a hair higher."""
    calibration = replace(model.calibration, intercept=model.calibration.intercept + 1e-12)
    return replace(model, calibration=calibration)


@pytest.mark.parametrize("kind", ["random_forest", "lightgbm", "recency_rule"])
def test_what_was_saved_answers_the_same(workshop: Workshop, tmp_path: Path, kind: str) -> None:
    model = workshop.champion(kind)
    write_model(model, tmp_path)
    read_back(workshop, model, tmp_path)


def test_scores_that_differ_in_the_twelfth_digit_are_refused(workshop: Workshop, tmp_path: Path) -> None:
    model = workshop.champion("prior")
    write_model(moved(model), tmp_path)
    rows = min(len(workshop.parts.test.table), MOST_ROWS)
    with pytest.raises(ModelError, match=f"gives other scores on {rows:,} of {rows:,} test rows when it is"):
        read_back(workshop, model, tmp_path)


def test_reasons_that_differ_are_refused(workshop: Workshop, tmp_path: Path) -> None:
    model = workshop.champion("logistic_regression")
    write_model(replace(model, prepared_means=model.prepared_means + 0.5), tmp_path)
    with pytest.raises(ModelError, match="gives other contributions on"):
        read_back(workshop, model, tmp_path)


def test_a_type_that_may_not_be_loaded_is_refused_before_filing(workshop: Workshop, tmp_path: Path) -> None:
    class Stranger(GaussianNB):
        pass

    Stranger.__module__, Stranger.__qualname__ = "elsewhere", "Stranger"
    model = workshop.champion("prior")
    write_model(model, tmp_path)
    skops.io.dump(Pipeline([("model", Stranger())]), tmp_path / "pipeline.skops")
    manifest = json.loads((tmp_path / "model.json").read_text())
    manifest["files"]["pipeline.skops"] = sha256(tmp_path / "pipeline.skops")
    (tmp_path / "model.json").write_text(json.dumps(manifest | {"card": manifest_hash(manifest)}))
    with pytest.raises(ModelError, match=r"cannot be loaded again: .*holds elsewhere\.Stranger"):
        read_back(workshop, model, tmp_path)


def test_a_model_that_does_not_read_back_is_not_filed(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.at(tmp_path)
    build = write_build(tmp_path)
    champion = home.models / "model-000001"
    champion.mkdir(parents=True)
    model = workshop.champion("xgboost")
    facts = provenance(build, read_catalog(build), workshop.parts, {}) | model.facts
    training = TrainingRun(replace(model, facts=facts), workshop.ready, workshop.parts, workshop.inputs)
    write_model(replace(model, facts=facts), champion)
    set_model(build, champion)
    monkeypatch.setattr(module, "write_model", lambda model, folder: write_model(moved(model), folder))
    with pytest.raises(ModelError, match=r"^model-000002 \(xgboost\) gives other scores .* champion stays"):
        judge_and_file(training, home, build, "always")
    assert home.current_model() == champion
    assert [path.name for path in home.models.glob("model-*") if path.suffix != ".unfinished"] == [
        "model-000001"
    ]
    assert not (home.root / "looks.jsonl").exists()


def test_the_first_column_that_differs_is_named_with_its_rows() -> None:
    expected = pa.table({"scores": [0.1, 0.2, 0.3], "reasons": [["a"], [], ["b"]]})
    other = pa.table({"scores": [0.1, 0.2, 0.3], "reasons": [["a"], ["c"], []]})
    assert first_difference(expected, expected) is None
    assert first_difference(expected, other) == "reasons on 2 of 3 test rows"
