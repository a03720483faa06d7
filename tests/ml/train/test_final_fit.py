"""The model that scores has learned every settled row, and nothing else about it changed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.base import clone

from ml.common.array_types import Floats
from ml.features.labels import read_cutoffs
from ml.features.split import TimeSplit
from ml.features.training_parts import NAMES, Part, Parts, settled_rows
from ml.home.layout import Home
from ml.model.churn_model import ChurnModel
from ml.model.fitted_model import raw_prediction
from ml.model.model_files import JUDGED, read_judged, read_manifest, read_model
from ml.train.final_fit import final_model
from ml.train.folds import LabelledRows
from tests.ml.conftest import PROBLEM, Workshop

pytestmark = pytest.mark.subjects("ml/train", "ml/model")
KIND = "logistic_regression"


def final(workshop: Workshop, parts: Parts) -> ChurnModel:
    champion = next(each for each in workshop.ready if each.candidate.name == KIND)
    model = final_model(workshop.champion(KIND), champion, parts)
    assert isinstance(model, ChurnModel)
    return model


def with_labels_turned(parts: Parts, name: str) -> Parts:
    table = getattr(parts, name).table
    place = table.column_names.index("churned")
    turned = table.set_column(place, "churned", pc.subtract(1, table.column("churned")).cast(pa.int64()))
    return replace(parts, **{name: Part(name, turned)})


def every_cutoff(workshop: Workshop) -> TimeSplit:
    cutoffs = read_cutoffs(Home.at(workshop.home).current_build())
    return TimeSplit(train=tuple(cutoffs), validation=(), test=(), left_out=())


def on_test(model: ChurnModel, workshop: Workshop) -> Floats:
    return raw_prediction(model.pipeline, model.frame(workshop.parts.test.table))


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_every_part_teach(workshop: Workshop, name: str) -> None:
    usual = on_test(final(workshop, workshop.parts), workshop)
    other = on_test(final(workshop, with_labels_turned(workshop.parts, name)), workshop)
    assert not np.array_equal(usual, other)


def test_it_is_a_plain_fit_of_all_settled_rows(workshop: Workshop) -> None:
    model = final(workshop, workshop.parts)
    rows = LabelledRows.of(settled_rows(workshop.parts, PROBLEM.burn_in_days), model.inputs)
    by_hand = clone(model.pipeline).fit(rows.frame, rows.labels.astype(int))
    expected = raw_prediction(by_hand, model.frame(workshop.parts.test.table))
    np.testing.assert_allclose(on_test(model, workshop), expected, atol=1e-9)


def test_settled_rows_are_every_cutoff_after_the_burn_in(workshop: Workshop) -> None:
    cutoffs = read_cutoffs(Home.at(workshop.home).current_build())
    for days, number in ((0, 0), (1, 1), (8, 2), (14, 2), (15, 3), (3650, len(cutoffs) // 4)):
        rows = settled_rows(replace(workshop.parts, split=every_cutoff(workshop)), days)
        learned = pc.unique(rows.table.column("event_timestamp")).to_pylist()
        assert learned == [each for each in cutoffs[number:] if each not in workshop.parts.split.burn_in]


def test_a_purist_gets_the_judged_model(workshop: Workshop) -> None:
    judged = workshop.champion(KIND)
    purist = replace(judged, problem=replace(PROBLEM, refit=False))
    champion = next(each for each in workshop.ready if each.candidate.name == KIND)
    assert final_model(purist, champion, workshop.parts) is purist


def test_both_models_are_kept(trained: tuple[Any, dict[str, Any]]) -> None:
    home, told = trained
    folder = Home.at(home).current_model()
    model, judged = read_model(folder), read_judged(folder)
    assert {name for name in read_manifest(folder)["files"] if name.startswith(JUDGED)} == {
        f"{JUDGED}/model.json",
        f"{JUDGED}/pipeline.skops",
    }
    assert (judged.version, judged.facts["card"]) == (model.version, model.facts["card"])
    assert told["learned"]["rows"] > told["judged"]["learned"]["rows"]
    assert told["learned"]["last"] > told["split"]["test"]["first"]
    assert (model.threshold, model.kind) == (judged.threshold, judged.kind)  # type: ignore[attr-defined]


def test_a_changed_judged_model_is_found(trained: tuple[Any, dict[str, Any]], tmp_path: Any) -> None:
    import shutil

    from ml.common.errors import ModelError

    home, _ = trained
    folder = tmp_path / "model-000001"
    shutil.copytree(Home.at(home).current_model(), folder)
    (folder / JUDGED / "pipeline.skops").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"judged/pipeline\.skops is not the file that training wrote"):
        read_model(folder)
