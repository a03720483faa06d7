"""Who becomes champion: the better one on rows that both have never seen, and what happens to the links."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss

from ml.common.instants import format_instant
from ml.config.problem import Bands, Threshold
from ml.features.training_parts import Part
from ml.home.layout import Home, challenger_of, model_of, set_challenger, set_model
from ml.home.publication import publish, publish_build
from ml.model.churn_model import ChurnModel
from ml.model.model_files import write_model
from ml.train.promotion import Decision, decide, is_better, later_rows, promote
from tests.ml.conftest import Workshop

HASH = "f" * 64


@pytest.fixture
def build(tmp_path: Path) -> Path:
    folder = tmp_path / "builds" / "build-000001"
    folder.mkdir(parents=True)
    return folder


def model(workshop: Workshop, kind: str, **changed: Any) -> ChurnModel:
    """A model of the small build, with the facts that promotion reads."""
    made = workshop.champion(kind)
    facts = {"service_hash": HASH, "split": workshop.parts.split.as_dict()} | changed.pop("facts", {})
    return replace(made, facts=made.facts | facts, **changed)


def crown(build: Path, champion: ChurnModel) -> Path:
    """Keep ``champion`` as the model that goes with ``build``."""
    folder = build.parent.parent / "models" / "model-000001"
    folder.mkdir(parents=True)
    write_model(champion, folder)
    set_model(build, folder)
    return folder


def test_the_first_is_champion(workshop: Workshop, build: Path) -> None:
    found = decide(build, model(workshop, "prior"), workshop.parts.test)
    assert found == Decision(True, "no model went with build-000001")


def test_a_better_one_takes_the_place_by_as_much_as_scikit_learn_says(
    workshop: Workshop, build: Path
) -> None:
    old, new = model(workshop, "prior"), model(workshop, "xgboost")
    crown(build, old)
    test = workshop.parts.test
    found = decide(build, new, test)
    losses = [log_loss(test.labels, each.probability(each.frame(test.table))) for each in (new, old)]
    assert found.difference is not None
    assert found.difference["value"] == pytest.approx(losses[0] - losses[1])
    assert (found.promoted, found.better, found.against) == (True, True, "model-000001")
    assert found.difference["low"] < found.difference["value"] < found.difference["high"] < 0
    assert found.rows == len(test.table)
    assert found.why.endswith("better than model-000001")


def test_a_worse_one_stays_outside(workshop: Workshop, build: Path) -> None:
    crown(build, model(workshop, "xgboost"))
    found = decide(build, model(workshop, "prior"), workshop.parts.test)
    assert (found.promoted, found.better) == (False, False)
    assert found.why.endswith("worse than model-000001")


def test_the_same_again_is_not_better(workshop: Workshop, build: Path) -> None:
    crown(build, model(workshop, "xgboost"))
    found = decide(build, model(workshop, "xgboost"), workshop.parts.test)
    assert (found.promoted, found.better) == (False, None)
    assert found.difference == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_small_gain_within_chance_is_not_enough(workshop: Workshop, build: Path) -> None:
    """A few rows better than the champion, in one direction, and an interval around zero all the same."""
    champion = model(workshop, "xgboost")
    crown(build, champion)
    few = Part("test", workshop.parts.test.table.slice(0, 100))
    found = decide(build, model(workshop, "hist_gradient_boosting"), few)
    assert found.difference is not None
    assert found.difference["low"] < found.difference["value"] < 0 < found.difference["high"]
    assert not found.promoted


@pytest.mark.parametrize(
    ("metric", "low", "high", "better"),
    [
        ("log_loss", -0.2, -0.1, True),
        ("log_loss", 0.1, 0.2, False),
        ("roc_auc", 0.1, 0.2, True),
        ("roc_auc", -0.2, -0.1, False),
        ("roc_auc", 0.0, 0.2, None),
        ("brier", -0.2, 0.0, None),
    ],
)
def test_what_an_interval_says_depends_on_the_metric(
    metric: str, low: float, high: float, better: bool | None
) -> None:
    assert is_better({"value": (low + high) / 2, "low": low, "high": high}, metric) is better


def test_only_cut_offs_after_all_the_champion_learned_from_count(workshop: Workshop, build: Path) -> None:
    """The champion's test part began one cut-off later: the first of ours may have taught it."""
    test = workshop.parts.test
    cutoffs = sorted(set(test.table.column("event_timestamp").to_pylist()))
    later = {"test": {"first": format_instant(cutoffs[1])}}
    crown(build, model(workshop, "prior", facts={"split": later}))
    found = decide(build, model(workshop, "xgboost"), test)
    left = sum(stamp > cutoffs[0] for stamp in test.table.column("event_timestamp").to_pylist())
    assert (found.rows, found.cutoffs) == (left, len(cutoffs) - 1)


def test_a_champion_that_learned_from_all_of_them_cannot_be_beaten_on_them(
    workshop: Workshop, build: Path
) -> None:
    """As after going back to an earlier build with a model trained later."""
    test = workshop.parts.test
    last = max(test.table.column("event_timestamp").to_pylist())
    future = {"test": {"first": format_instant(last + timedelta(microseconds=1))}}
    champion = model(workshop, "prior", facts={"split": future})
    assert later_rows(champion, test) is None
    crown(build, champion)
    found = decide(build, model(workshop, "xgboost"), test)
    assert (found.promoted, found.difference) == (False, None)
    assert "cannot be compared" in found.why
    assert decide(build, model(workshop, "xgboost"), test, "always").promoted


def test_rows_of_one_class_compare_nothing(workshop: Workshop) -> None:
    table = workshop.parts.test.table
    stayed = table.set_column(
        table.column_names.index("churned"), "churned", pa.array(np.zeros(len(table), np.int64))
    )
    assert later_rows(model(workshop, "prior"), Part("test", stayed)) is None


def test_one_of_other_features_or_for_another_question_has_to_go(workshop: Workshop, build: Path) -> None:
    champion = model(workshop, "xgboost")
    crown(build, champion)
    other = model(workshop, "prior", facts={"service_hash": "0" * 64})
    found = decide(build, other, workshop.parts.test)
    assert (found.promoted, found.why) == (True, "model-000001 was trained on other features")

    asked = replace(champion.problem, horizon_days=60)
    found = decide(build, model(workshop, "prior", problem=asked), workshop.parts.test)
    assert (found.promoted, found.why) == (True, "model-000001 answers another problem (horizon_days)")


def test_a_new_threshold_or_band_holds_from_the_next_training_unless_the_model_is_worse(
    workshop: Workshop, build: Path
) -> None:
    champion = model(workshop, "xgboost")
    crown(build, champion)
    asked = replace(champion.problem, threshold=Threshold("recall_at_least", 0.9), bands=Bands(0.2, 0.5))
    found = decide(build, model(workshop, "xgboost", problem=asked), workshop.parts.test)
    assert found.promoted
    assert found.why.startswith("threshold, bands changed in the problem; log_loss +0.0000")
    assert not decide(build, model(workshop, "prior", problem=asked), workshop.parts.test).promoted


def test_a_new_seed_alone_is_no_new_question(workshop: Workshop, build: Path) -> None:
    champion = model(workshop, "xgboost")
    crown(build, champion)
    asked = replace(champion.problem, seed=99)
    assert not decide(build, model(workshop, "xgboost", problem=asked), workshop.parts.test).promoted


def test_asked_for_even_a_worse_one_takes_the_place_and_that_is_said(workshop: Workshop, build: Path) -> None:
    crown(build, model(workshop, "xgboost"))
    found = decide(build, model(workshop, "prior"), workshop.parts.test, "always")
    assert (found.promoted, found.better) == (True, False)
    assert found.why.startswith("asked for; log_loss +")


@pytest.mark.parametrize("file", ["pipeline.skops", "model.json"])
def test_a_damaged_champion_is_replaced(workshop: Workshop, build: Path, file: str) -> None:
    folder = crown(build, model(workshop, "xgboost"))
    (folder / file).write_bytes(b"{}")
    found = decide(build, model(workshop, "prior"), workshop.parts.test)
    assert (found.promoted, found.why) == (True, "model-000001 is damaged")


def folders(home: Home, *names: str) -> list[Path]:
    made = [home.root / name for name in names]
    for folder in made:
        folder.mkdir(parents=True)
        if folder.parent.name == "builds":
            (folder / "build.json").write_text("{}")
    return made


def test_champion_and_challenger_go_with_builds_and_come_back_with_them(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first, second = folders(home, "builds/build-000001", "builds/build-000002")
    one, two, three = folders(home, "models/model-000001", "models/model-000002", "models/model-000003")
    publish_build(home, first, 9)
    promote(first, one, Decision(True, ""))
    promote(first, two, Decision(False, ""))
    assert (home.current_model(), challenger_of(first)) == (one, two)

    publish_build(home, second, 9)
    assert (home.current_model(), challenger_of(second)) == (one, two)

    promote(second, three, Decision(True, ""))
    assert (home.current_model(), challenger_of(second)) == (three, None)

    publish(first)
    assert (home.current_model(), challenger_of(first)) == (one, two)


def test_a_challenger_that_is_gone_is_none(tmp_path: Path) -> None:
    build, model = folders(Home(tmp_path), "builds/build-000001", "models/model-000001")
    set_challenger(build, model)
    model.rmdir()
    assert challenger_of(build) is None


def test_killed_between_the_two_links_the_new_champion_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The champion's link is switched first; an old challenger may stay until the next promotion."""
    build, one, two, three = folders(
        Home(tmp_path), "builds/build-000001", *(f"models/model-00000{number}" for number in (1, 2, 3))
    )
    set_model(build, one)
    set_challenger(build, two)
    unlink = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.name == "challenger":
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            promote(build, three, Decision(True, ""))
    assert (model_of(build), challenger_of(build)) == (three, two)
    promote(build, three, Decision(True, ""))
    assert challenger_of(build) is None
