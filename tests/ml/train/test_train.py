"""Training from a published build to a published model: parts, choice, evidence, and what can be missing."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from ml.common.errors import BusyError, ModelError, NotReadyError
from ml.common.sampling import in_first_half
from ml.config.problem import CANDIDATES, Constraints
from ml.features.labels import count_rows, labelled_rows, read_cutoffs
from ml.features.split import split_by_time
from ml.features.training_parts import read_parts
from ml.home.layout import Home
from ml.train import train
from ml.train.champion_choice import choose
from ml.train.trials import Trial
from tests.ml.conftest import PROBLEM, Workshop
from tests.ml.synthetic_build import write_build

NAMES = list(CANDIDATES)


def test_the_model_is_published_with_its_evidence(trained: tuple[Path, dict[str, Any]]) -> None:
    home, said = trained
    folder = Home.at(home).current_model()
    manifest = json.loads((folder / "model.json").read_text())
    assert folder.name == manifest["model_version"] == said["model_version"] == "model-000001"
    assert not list(folder.parent.glob("*.unfinished"))
    assert set(manifest["test"]["candidates"]) == set(NAMES)
    assert manifest["build_id"] == "build-000001"
    assert manifest["features"]["spend_90d"] == "decimal128(18, 4)"
    assert manifest["left_out"]["never_filled"] == "always null in training"
    assert len(manifest["service_hash"]) == 64


def test_every_interval_holds_its_value_and_the_numbers_are_those_of_the_kept_rows(
    trained: tuple[Path, dict[str, Any]],
) -> None:
    home, said = trained
    rows = pq.read_table(Home.at(home).current_model() / "test.parquet").to_pandas()
    for name in NAMES:
        for metric in said["test"]["candidates"][name].values():
            assert metric["low"] - 0.02 <= metric["value"] <= metric["high"] + 0.02
        auc = roc_auc_score(rows["churned"], rows[name])
        assert said["test"]["candidates"][name]["roc_auc"]["value"] == pytest.approx(auc)
    assert said["test"]["base_rate"] == pytest.approx(rows["churned"].mean())
    decided = rows[said["champion"]] >= said["threshold"]
    decision, churned = said["test"]["decision"], rows["churned"] == 1
    assert decision["recall"] == pytest.approx(decided[churned].mean())
    # 0.3 * (200 - 10) - 1 = 56 a churner reached, 11 lost on one who would have stayed, 11 / 67 breaks even.
    assert decision["profit"] == pytest.approx(
        56 * (decided & churned).sum() - 11 * (decided & ~churned).sum()
    )
    assert decision["profit_of_everyone"] == pytest.approx(56 * churned.sum() - 11 * (~churned).sum())
    assert decision["break_even"] == pytest.approx(11 / 67)


def test_the_difference_is_champion_minus_rule(trained: tuple[Path, dict[str, Any]]) -> None:
    _, said = trained
    candidates, difference = said["test"]["candidates"], said["test"]["champion_minus_recency_rule"]
    for metric, found in difference.items():
        values = [candidates[name][metric]["value"] for name in (said["champion"], "recency_rule")]
        assert found["value"] == pytest.approx(values[0] - values[1])


def test_again_gives_the_same_model(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    _, first = trained
    write_build(tmp_path)
    again = train(home=tmp_path, problem=PROBLEM)
    for name in ("champion", "threshold", "test", "split", "parts", "service_hash"):
        assert again[name] == first[name], name
    second = train(home=tmp_path, problem=PROBLEM, seed=5, promotion="always")
    assert (second["model_version"], second["seed"]) == ("model-000002", 5)
    assert Home.at(tmp_path).current_model().name == "model-000002"


def test_no_customer_both_chooses_and_calibrates(workshop: Workshop) -> None:
    parts = workshop.parts
    assert not set(parts.selection.customers) & set(parts.calibration.customers)
    assert all(in_first_half(name, PROBLEM.seed) for name in parts.selection.customers)


def test_no_part_looks_into_a_later_one(workshop: Workshop) -> None:
    spans = {
        part.name: (min(stamps), max(stamps))
        for part in (
            workshop.parts.train,
            workshop.parts.selection,
            workshop.parts.calibration,
            workshop.parts.test,
        )
        for stamps in [part.table.column("event_timestamp").to_pylist()]
    }
    assert (spans["selection"][0] - spans["train"][1]).days >= 30
    assert (spans["test"][0] - max(spans["selection"][1], spans["calibration"][1])).days >= 30


def test_a_sample_is_the_same_rows_each_time_and_no_more_than_asked(workshop: Workshop) -> None:
    build = Home.at(workshop.home).current_build()
    split = split_by_time(read_cutoffs(build), PROBLEM)
    counts = count_rows(build, split)
    once = labelled_rows(build, split, most=300, rows=counts, seed=1)
    assert labelled_rows(build, split, most=300, rows=counts, seed=1).equals(once)
    assert not labelled_rows(build, split, most=300, rows=counts, seed=2).equals(once)
    drawn = once.group_by("split").aggregate([("customer_id", "count")]).to_pydict()
    assert set(drawn["customer_id_count"]) == {300}
    assert len(labelled_rows(build, split)) == counts["train"] + counts["validation"] + counts["test"]


QUICK = dict.fromkeys([*NAMES, "twin", "off"], 1.0)


def trial_of(workshop: Workshop, name: str) -> Trial:
    return next(each for each in workshop.trials if each.candidate.name == name)


def test_the_simpler_of_two_equals_is_chosen(workshop: Workshop) -> None:
    """Two names for one booster: no difference, so the first, which is the simpler, wins."""
    booster = trial_of(workshop, "xgboost")
    twin = replace(booster, candidate=replace(booster.candidate, name="twin"))
    assert choose([twin, booster], QUICK, workshop.folds, PROBLEM).champion == "twin"
    assert choose([booster, twin], QUICK, workshop.folds, PROBLEM).champion == "xgboost"


def test_one_that_is_clearly_better_is_chosen_though_less_simple(workshop: Workshop) -> None:
    """A booster far off its calibration loses to the same one well calibrated."""
    booster = trial_of(workshop, "xgboost")
    off = replace(
        booster,
        candidate=replace(booster.candidate, name="off"),
        probabilities=tuple(given**3 for given in booster.probabilities),
    )
    choice = choose([off, booster], QUICK, workshop.folds, PROBLEM)
    assert choice.champion == "xgboost"
    assert [row.best for row in choice.table] == [False, True]
    assert choice.table[0].value > choice.table[1].value + choice.table[0].standard_error_to_best


def test_the_slow_cannot_become_champion(workshop: Workshop) -> None:
    quick = replace(PROBLEM, constraints=Constraints(latency_ms=50))
    slow = {**dict.fromkeys(NAMES, 60.0), "prior": 1.0}
    assert choose(workshop.trials, slow, workshop.folds, quick).champion == "prior"
    with pytest.raises(ModelError, match="no candidate scores one customer within 50 ms"):
        choose(workshop.trials[1:], slow, workshop.folds, quick)


def test_a_build_for_another_problem_is_refused(workshop: Workshop) -> None:
    build = Home.at(workshop.home).current_build()
    with pytest.raises(
        NotReadyError, match=r"made with horizon_days 30, the problem says 60: run 'churn build"
    ):
        read_parts(build, replace(PROBLEM, horizon_days=60))


def test_without_a_build_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="run 'churn ingest PATH', then 'churn build'"):
        train(home=tmp_path, problem=PROBLEM)


def relabel(home: Path, query: str) -> Path:
    """A copy of the small build with other labels."""
    build = write_build(home, customers=30)
    labels = build / "labels" / "label_customer_churn"
    changed = query.format(labels=f"{labels}/slice-0001.parquet")
    duckdb.sql(f"copy ({changed}) to '{home}/new.parquet' (format parquet)")
    shutil.move(home / "new.parquet", labels / "slice-0001.parquet")
    return build


def test_one_class_only_is_said(tmp_path: Path) -> None:
    build = relabel(tmp_path, "select * replace (0::bigint as churned) from '{labels}'")
    with pytest.raises(ModelError, match="the train rows hold only churned = 0"):
        read_parts(build, PROBLEM)


def test_no_labelled_cut_off_is_said(tmp_path: Path) -> None:
    build = relabel(tmp_path, "select * from '{labels}' where false")
    with pytest.raises(NotReadyError, match="0 labelled cut-offs are too few"):
        read_parts(build, PROBLEM)


def test_an_infinite_feature_stops_training(tmp_path: Path) -> None:
    write_build(tmp_path, customers=40, never_filled="case when random() < 0.5 then 'inf'::double end")
    with pytest.raises(ModelError, match="never_filled holds an infinite value"):
        train(home=tmp_path, problem=PROBLEM)
    assert not (tmp_path / "models").exists()


def test_two_cannot_write_at_once(tmp_path: Path) -> None:
    with Home.at(tmp_path).writing("build"), pytest.raises(BusyError, match="'churn build'"):
        train(home=tmp_path, problem=PROBLEM)


def test_half_of_the_customers_are_in_the_first_half() -> None:
    share = np.mean([in_first_half(f"c{number}", 17) for number in range(4000)])
    assert 0.47 < share < 0.53
