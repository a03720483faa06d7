"""The deep evidence of a small trained model: its shape, where its numbers come from, what is kept."""

import json
import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from ml.config.problem import Problem, Success
from ml.evaluate import evaluate, evidence_of, evidence_schema
from ml.evaluate.bootstrapped_rows import Rows
from ml.evaluate.evidence_file import evidence_file
from ml.evaluate.evidence_text import report
from ml.evaluate.example_customers import example_rows
from ml.evaluate.importance import importance
from ml.evaluate.learning_curve_and_ablation import (
    ablation,
    feature_groups,
    learning,
    recipe_probability,
    scale_settings,
)
from ml.evaluate.metric_names import answer, success
from ml.evaluate.sampled_rows import sample_customers
from ml.evaluate.staleness import staleness
from ml.explain.subjects import aspects_of, subjects_of
from ml.features.training_parts import divide, learned_rows, with_features
from ml.featurestore.catalog import read_catalog
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.layout import Home
from ml.home.test_set_log import EVIDENCE, FILE, VERDICT, parse_lines
from ml.model.model_files import read_judged
from tests.ml.conftest import PROBLEM, Workshop

pytestmark = pytest.mark.subjects("ml/evaluate", "ml/metrics", "ml/decision")

Trained = tuple[Path, dict[str, Any]]


def silent(title: str) -> None:
    """Nobody is told what is under way."""


@pytest.fixture(scope="module")
def found(trained: Trained) -> dict[str, Any]:
    """Computed anew, whoever asked before."""
    evidence_file(Home.at(trained[0]), "model-000001").unlink(missing_ok=True)
    return evaluate(home=trained[0], problem=PROBLEM)["evidence"]


def documented(name: str) -> set[str]:
    """The keys that the description gives one of its shapes."""
    text = evidence_schema.__doc__ or ""
    start = text.index(f"\n{name} is ``{{") + len(f"\n{name} is ``{{")
    depth, end = 1, start
    while depth:
        depth += {"{": 1, "}": -1, "[": 1, "]": -1}.get(text[end], 0)
        end += 1
    inner = re.sub(r'"[\w -]+" \| ("[\w -]+"( \| )?)+', "", text[start : end - 1])
    flat = re.sub(r"\([^()]*\)", "", inner)
    while "{" in flat or "[" in flat:
        flat = re.sub(r"\{[^{}]*\}|\[[^\[\]]*\]", "", flat)
    return set(re.findall(r'"(\w+)"', flat))


def test_the_evidence_has_the_keys_that_are_documented(found: dict[str, Any]) -> None:
    table = (evidence_schema.__doc__ or "").split("=\n")[1]
    names = set(re.findall(r"^``(\w+)``", table, flags=re.MULTILINE)) | {"data_clock", "seed"}
    assert set(found) == names
    assert set(found["decision"]) == documented("DECISION")
    assert set(found["curves"]) == documented("CURVES")
    assert set(found["reasons"]) == documented("REASONS")
    assert all(set(each) == documented("CUSTOMER") for each in found["reasons"]["customers"])
    assert all(set(each) == documented("GROUP") for each in found["months"])
    assert set(found["looks"]["all"][0]) >= {"look", "model_version", "why"}


def test_training_was_the_first_look_and_the_evidence_the_second(
    trained: Trained, found: dict[str, Any]
) -> None:
    assert trained[1]["looks"]["earlier"] == 0
    first = parse_lines((Home.at(trained[0]).root / FILE).read_bytes())[0]
    assert (first["why"], first["model_version"]) == (VERDICT, "model-000001")
    assert found["looks"]["earlier"] >= 1
    assert "by model-000001 itself" in found["looks"]["sentence"]


def test_every_candidate_is_measured_as_the_verdict_measured_it(
    trained: Trained, found: dict[str, Any]
) -> None:
    said = trained[1]["test"]["candidates"]
    assert list(found["candidates"]) == list(said)
    for name, measures in said.items():
        for metric, interval in measures.items():
            assert found["candidates"][name][metric] == pytest.approx(interval), (name, metric)
    assert set(found["differences"]) == set(said) - {found["champion"]}


def test_parts_add_up_to_the_whole(found: dict[str, Any]) -> None:
    rows = found["test"]["rows"]
    assert found["sample"] == {"rows": rows, "of": rows, "customers": found["test"]["customers"]}
    assert sum(each["rows"] for each in found["months"]) == rows
    assert sum(found["decision"]["confusion"].values()) == rows
    assert sum(each["rows"] for each in found["decision"]["bands"]) == rows
    assert {each["by"] for each in found["segments"]} == {"tenure", "value", "city"}
    for segment in found["segments"]:
        assert sum(each["rows"] for each in segment["groups"]) == rows


def test_everyone_and_the_break_even_stand_beside_the_list(trained: Trained, found: dict[str, Any]) -> None:
    kept = pq.read_table(Home.at(trained[0]).current_model() / "test.parquet").to_pandas()
    gone = kept["churned"] == 1
    pays = kept[found["champion"]] >= 11 / 67
    decision = found["decision"]
    assert decision["everyone"]["value"] == pytest.approx(56 * gone.sum() - 11 * (~gone).sum())
    assert decision["break_even"]["probability"] == pytest.approx(11 / 67)
    assert decision["break_even"]["listed"]["value"] == pytest.approx(pays.mean())
    earned = 56 * (pays & gone).sum() - 11 * (pays & ~gone).sum()
    assert decision["break_even"]["profit"]["value"] == pytest.approx(earned)


def test_reasons_of_the_sample_customers_add_up_to_their_scores(
    trained: Trained, found: dict[str, Any]
) -> None:
    reasons = found["reasons"]
    assert reasons["largest_gap"] < 1e-5
    kept = pq.read_table(Home.at(trained[0]).current_model() / "test.parquet").to_pandas()
    kept["at"] = kept["event_timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    kept = kept.set_index(["customer_id", "at"])
    assert {each["why"] for each in reasons["customers"]} >= {"riskiest", "safest", "missed", "false alarm"}
    for each in reasons["customers"]:
        total = reasons["base"] + sum(subject["added"] for subject in each["subjects"])
        assert total == pytest.approx(each["score"])
        row = kept.loc[(each["customer_id"], each["event_timestamp"])]
        assert (row[found["champion"]], row["churned"]) == (each["probability"], each["churned"])


def test_telling_customers_are_what_they_are_called() -> None:
    churned = np.array([1.0, 1, 0, 1, 0, 0])
    probability = np.array([0.9, 0.7, 0.8, 0.1, 0.55, 0.05])
    rows = Rows(churned, np.arange(6), PROBLEM)
    assert example_rows(rows, probability, probability >= 0.5) == {
        "riskiest": 0,
        "just listed": 4,
        "typical": 1,
        "safest": 5,
        "missed": 3,
        "false alarm": 2,
    }


def test_it_is_computed_once_and_each_time_it_is_a_look(trained: Trained, found: dict[str, Any]) -> None:
    home = Home.at(trained[0])
    model = read_judged(home.current_model())

    def looks() -> int:
        return sum(look["why"] == EVIDENCE for look in parse_lines((home.root / FILE).read_bytes()))

    before = looks()
    assert evidence_of(home, model) == found
    assert looks() == before
    again = evidence_of(home, model, anew=True)
    assert looks() == before + 1
    assert "by model-000001 itself; nothing was chosen in between" in again["looks"]["sentence"]
    volatile = {"looks"}
    assert {k: v for k, v in again.items() if k not in volatile} == {
        k: v for k, v in found.items() if k not in volatile
    }
    kept = json.loads(evidence_file(home, model.version).read_text())
    assert kept == again


def test_evidence_of_another_card_or_a_torn_file_is_not_used(
    trained: Trained, found: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.at(trained[0])
    model = read_judged(home.current_model())
    path = evidence_file(home, model.version)
    whole = path.read_text()
    for broken in (whole[:-100], json.dumps(found | {"model_card": "0" * 64}), "[]", ""):
        path.write_text(broken)
        computed = found | {"notes": ["computed"]}
        monkeypatch.setattr("ml.evaluate.evaluation.deep_evidence", lambda *given, answer=computed: answer)
        assert evidence_of(home, model)["notes"] == ["computed"]
    path.write_text(whole)


def test_without_its_build_what_the_kept_probabilities_tell_is_still_there(
    trained: Trained, found: dict[str, Any], tmp_path: Path
) -> None:
    shutil.copytree(Home.at(trained[0]).models, tmp_path / "models")
    model = read_judged(tmp_path / "models" / "model-000001")
    left = evidence_of(Home.at(tmp_path), model)
    assert left["candidates"] == found["candidates"]
    assert (left["staleness"], left["reasons"]) == ([], None)
    assert "build-000001, on which model-000001 was trained, is gone" in left["notes"][0]
    assert set(left) == set(found)
    result = {"answer": answer(trained[1], left), "plots": [], "evidence": left} | trained[1]
    text = "\n".join(report(result))
    assert text.startswith("The model ranks ")
    assert "price of staleness" not in text


def test_features_of_a_week_ago_are_asked_a_week_earlier(workshop: Workshop) -> None:
    """By the features themselves; today's are those of the test part."""
    build, model = Home.at(workshop.home).current_build(), workshop.champion("xgboost")
    test = workshop.parts.test
    entries = staleness(build, model, test, silent)
    assert [each["days"] for each in entries] == [0, 1, 7, 30]
    rows = Rows.of(test, PROBLEM)
    assert entries[0]["measures"] == rows.measures(model.probability(model.frame(test.table)))
    asked = test.table.select(["customer_id", "event_timestamp"]).to_pandas()
    asked["event_timestamp"] -= timedelta(days=7)
    import pyarrow as pa

    weekly = point_in_time(build, pa.Table.from_pandas(asked, preserve_index=False))
    expected = rows.measures(model.probability(model.frame(weekly)))
    assert entries[2]["measures"]["roc_auc"] == expected["roc_auc"]
    assert entries[3]["measures"]["roc_auc"]["value"] < entries[0]["measures"]["roc_auc"]["value"]
    assert entries[3]["change"]["roc_auc"]["high"] < 0


def test_a_model_that_reads_one_input_loses_only_by_that_one(workshop: Workshop) -> None:
    model = workshop.champion("recency_rule")
    read = set(model.pipeline.named_steps["prepare"].transformers_[0][2])
    part = workshop.parts.calibration
    told = {each.name: {"subject": "", "label": ""} for each in model.inputs}
    entries = importance(model, model.frame(part.table), Rows.of(part, PROBLEM), told, silent)
    assert len(entries) == len(model.inputs)
    lost = {each["feature"]: each["loss"]["value"] for each in entries}
    assert entries[0]["feature"] in read
    assert entries[0]["loss"]["low"] > 0
    assert entries[0]["auc"]["low"] > 0
    assert {value for name, value in lost.items() if name not in read} == {0.0}


def test_the_recipe_with_everything_is_the_champion_again(workshop: Workshop) -> None:
    """From the rows that the champion learned from: the training and the selection rows."""
    model = workshop.champion("logistic_regression")
    again = recipe_probability(model, model.inputs, learned_rows(workshop.parts), workshop.parts)
    expected = model.probability(model.frame(workshop.parts.selection.table))
    np.testing.assert_allclose(again, expected, atol=1e-9)


@pytest.mark.parametrize("times", [1, 10])
def test_from_much_fewer_rows_a_booster_learns_anew_when_to_stop(workshop: Workshop, times: int) -> None:
    """Four hundred trees were right for ten times as many rows; for these they are learned by heart."""
    part = workshop.parts.train
    model = workshop.champion("xgboost")
    facts = {"parts": {"train": {"rows": times * len(part.table)}}, "settings": {"n_estimators": 400}}
    found = recipe_probability(replace(model, facts=facts), model.inputs, part, workshop.parts)
    rows = Rows.of(workshop.parts.selection, PROBLEM)
    loss = rows.measures(np.asarray(found), ["log_loss"])["log_loss"]["value"]
    usual = rows.measures(
        np.asarray(recipe_probability(model, model.inputs, part, workshop.parts)), ["log_loss"]
    )
    assert (loss <= usual["log_loss"]["value"] + 0.005) == (times == 10)


def test_rows_drawn_before_their_features_are_read_are_those_drawn_after(workshop: Workshop) -> None:
    build, parts = Home.at(workshop.home).current_build(), workshop.parts
    keys = divide(build, PROBLEM)
    assert keys.train.table.column_names == ["customer_id", "event_timestamp", "churned", "split"]
    few = with_features(
        build,
        replace(keys, train=sample_customers(keys.train, 300, 5), test=sample_customers(keys.test, 90, 5)),
    )
    assert few.train.table.equals(sample_customers(parts.train, 300, 5).table)
    assert few.test.table.equals(sample_customers(parts.test, 90, 5).table)
    assert few.selection.table.equals(parts.selection.table)
    assert 0 < len(few.train.table) <= 300


def ablated(workshop: Workshop, name: str) -> list[dict[str, Any]]:
    """The ablation of what ``name`` would be as champion."""
    model, parts = workshop.champion(name), workshop.parts
    catalog = read_catalog(Home.at(workshop.home).current_build())
    names = [each.name for each in model.inputs]
    groups = feature_groups(names, subjects_of(catalog), aspects_of(catalog))
    whole = recipe_probability(model, model.inputs, parts.train, parts)
    return ablation(model, parts, groups, whole, silent)


def test_learning_grows_to_the_whole(workshop: Workshop) -> None:
    model, parts = workshop.champion("logistic_regression"), workshop.parts
    whole = recipe_probability(model, model.inputs, parts.train, parts)
    curve = learning(model, parts, whole, silent)
    assert [each["share"] for each in curve] == [0.1, 0.25, 0.5, 1.0]
    assert curve[-1]["rows"] == len(parts.train.table)
    assert curve[0]["customers"] == pytest.approx(0.1 * curve[-1]["customers"], abs=1)
    assert whole is not None
    assert curve[-1]["measures"] == Rows.of(parts.selection, PROBLEM).measures(whole)


def test_what_is_left_out_is_missed(workshop: Workshop) -> None:
    entries = {each["subject"]: each for each in ablated(workshop, "logistic_regression")}
    assert list(entries)[:4] == ["", "orders", "engagement", "profile"]
    assert set(entries[""]["change"]["roc_auc"].values()) == {0.0}
    assert entries["orders"]["change"]["roc_auc"]["high"] < -0.03
    assert entries["profile"]["change"]["roc_auc"]["low"] > -0.05


def test_a_rule_cannot_do_without_its_subject(workshop: Workshop) -> None:
    done = {each["subject"]: each["measures"] is not None for each in ablated(workshop, "recency_rule")}
    assert (done[""], done["orders"], done["engagement"], done["profile"]) == (True, False, True, True)


def test_large_subjects_are_left_out_by_aspect_as_well() -> None:
    names = [f"f{number}" for number in range(22)]
    subjects = dict.fromkeys(names[:20], "orders") | dict.fromkeys(names[20:], "support")
    aspects = dict.fromkeys(names[:4], "money") | dict.fromkeys(names[4:], "counts")
    assert feature_groups(names, subjects, aspects) == {
        "orders": set(names[:20]),
        "support": set(names[20:]),
        "orders: money": set(names[:4]),
        "orders: counts": set(names[4:20]),
    }


def test_settings_that_follow_the_number_of_rows_are_scaled() -> None:
    """A tuned 500 where 400 were usual becomes 50 where 40 are; a learning rate stays."""
    usual, now = {"in_leaf": 400, "rate": 0.05, "name": "a"}, {"in_leaf": 40, "rate": 0.05, "name": "b"}
    settings = {"in_leaf": 500, "rate": 0.01, "name": "c", "balanced": True}
    assert scale_settings(settings, usual, now) == settings | {"in_leaf": 50}


@pytest.mark.parametrize(
    ("metric", "target", "interval", "said"),
    [
        ("roc_auc", 0.8, (0.85, 0.82, 0.88), "ROC-AUC of at least 0.8: reached (0.8500"),
        ("roc_auc", 0.8, (0.81, 0.79, 0.83), "the interval holds values that miss it"),
        ("roc_auc", 0.8, (0.79, 0.77, 0.81), "missed (0.7900"),
        ("log_loss", 0.3, (0.28, 0.27, 0.29), "log-loss of at most 0.3: reached (0.2800"),
        ("log_loss", 0.3, (0.28, 0.27, 0.31), "the interval holds values that miss it"),
        ("log_loss", 0.3, (0.31, 0.30, 0.32), "missed"),
    ],
)
def test_success_is_what_the_problem_calls_so(
    metric: str, target: float, interval: tuple[float, float, float], said: str
) -> None:
    problem = replace(Problem(), success=Success(metric, target))
    measures = {metric: dict(zip(("value", "low", "high"), interval, strict=True))}
    assert said in success(problem, measures)


def test_the_report_tells_every_section(trained: Trained) -> None:
    text = "\n".join(report(evaluate(home=trained[0], problem=PROBLEM)))
    for section in (
        "expected calibration error",
        "not listed",
        "city: The city",
        "month of the cut-off",
        "price of staleness",
        "learning curve",
        "left out",
        "shuffled",
        "what moves the scores",
        "Success asks for ROC-AUC",
    ):
        assert section in text, section
