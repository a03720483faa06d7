"""Scores: who, which columns, single and batch, files, words, and every refusal."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import ModelError, NotReadyError, TidemarkError, UsageError
from ml.common.progress import Progress
from ml.config.problem import Bands
from ml.explain.reason_text import Wording, format_value, reasons
from ml.home.layout import Home
from ml.model.inputs import Input
from ml.model.model_files import manifest_hash
from ml.reports import report
from ml.score.scoring import SCORES, score
from ml.segments.customer_segments import segments as customer_segments
from tests.ml.conftest import PROBLEM
from tests.ml.synthetic_build import CLOCK, CUSTOMERS, START, simulate_orders

Trained = tuple[Path, dict[str, Any]]


def test_everyone_eligible_is_scored_once(trained: Trained) -> None:
    """By the orders themselves: one in (T - 90 days, T]."""
    now = (CLOCK - START).days
    orders = simulate_orders(CUSTOMERS, 1)
    expected = sorted(name for name, days in orders.items() if ((days > now - 90) & (days <= now)).any())
    scores = score(home=trained[0], problem=PROBLEM)
    assert scores.schema == SCORES
    assert scores.column("customer_id").to_pylist() == expected
    assert set(scores.column("event_timestamp").to_pylist()) == {CLOCK}


def test_columns_follow_from_the_probability(trained: Trained) -> None:
    home, said = trained
    for row in score(home=home, problem=PROBLEM).to_pylist():
        assert row["churn_decision"] == (row["churn_probability"] >= said["threshold"])
        bands = PROBLEM.bands
        high, medium = row["churn_probability"] >= bands.high, row["churn_probability"] >= bands.medium
        assert row["risk_band"] == ("high" if high else "medium" if medium else "low")
        assert len(row["reasons"]) <= 3
        assert (row["model_version"], row["build_id"]) == ("model-000001", "build-000001")


def test_actions_are_those_of_the_band_and_only_when_asked(trained: Trained, tmp_path: Path) -> None:
    file = tmp_path / "actions.yml"
    file.write_text("low: leave alone\nmedium: write\nhigh: call\n")
    format_value = replace(PROBLEM, actions=str(file))
    scores = score(home=trained[0], problem=format_value, actions=True, out=tmp_path / "scores.csv")
    assert scores.column_names == [*SCORES.names, "contact", "recommended_action"]
    assert scores["contact"].equals(scores["churn_decision"])
    wanted = {"low": "leave alone", "medium": "write", "high": "call"}
    for row in scores.to_pylist():
        assert row["recommended_action"] == wanted[row["risk_band"]]
    header = (tmp_path / "scores.csv").read_text().splitlines()[0]
    assert header.split(",")[-1] == "recommended_action"
    assert score(home=trained[0], problem=format_value).equals(scores.select(SCORES.names))


@pytest.mark.parametrize("capacity", [1, 17, 10_000])
def test_with_a_capacity_exactly_so_many_of_everyone_are_contacted(capacity: int, trained: Trained) -> None:
    """The model was trained for another rule: its manifest says otherwise for once."""
    home, said = trained
    rule = said["problem"] | {"threshold": {"rule": "capacity", "value": None}, "capacity": capacity}
    rewritten(home, problem=rule)
    try:
        rows = score(home=home, problem=PROBLEM, actions=True).to_pylist()
        riskiest = sorted(rows, key=lambda row: (-row["churn_probability"], row["customer_id"]))[:capacity]
        contacted = {row["customer_id"] for row in rows if row["contact"]}
        assert contacted == {row["customer_id"] for row in riskiest}
        (alone,) = score([rows[0]["customer_id"]], home=home, problem=PROBLEM, actions=True).to_pylist()
        assert alone["contact"] == alone["churn_decision"] == rows[0]["churn_decision"]
    finally:
        rewritten(home, problem=said["problem"])


def test_single_and_batch_are_the_same(trained: Trained) -> None:
    together = score(home=trained[0], problem=PROBLEM).to_pylist()
    names = [row["customer_id"] for row in together]
    backwards = score(names[::-1], home=trained[0], problem=PROBLEM).to_pylist()
    assert backwards == together[::-1]
    for row in together[:4]:
        assert score([row["customer_id"]], home=trained[0], problem=PROBLEM).to_pylist() == [row]


def test_an_unknown_customer_is_named_and_nothing_written(trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    with pytest.raises(TidemarkError, match="no customer nobody is known at") as caught:
        score(["c0001", "nobody"], home=trained[0], problem=PROBLEM, out=out)
    assert caught.value.exit_status == 1
    assert not out.exists()


def test_a_named_customer_outside_the_population_is_scored_with_a_word(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    eligible = set(score(home=trained[0], problem=PROBLEM).column("customer_id").to_pylist())
    gone = next(name for name in simulate_orders(CUSTOMERS, 1) if name not in eligible)
    assert len(score([gone], home=trained[0], problem=PROBLEM, progress=Progress())) == 1
    assert (
        f"without a recent kept order, so unlike whom the model learned from: {gone}"
        in capsys.readouterr().err
    )


def test_the_future_is_refused_and_hindsight_is_said(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="is after the data clock"):
        score(home=trained[0], problem=PROBLEM, as_of=CLOCK + timedelta(microseconds=1))
    earlier = score(home=trained[0], problem=PROBLEM, as_of=CLOCK - timedelta(days=100), progress=Progress())
    assert len(earlier) > 0
    assert "not a fair trial" in capsys.readouterr().err


def test_files_hold_the_same_scores(trained: Trained, tmp_path: Path) -> None:
    home = trained[0]
    scores = score(home=home, problem=PROBLEM, out=tmp_path / "scores.parquet")
    assert pq.read_table(tmp_path / "scores.parquet").equals(scores)
    score(home=home, problem=PROBLEM, out=tmp_path / "scores.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert [line["reasons"] for line in lines] == scores.column("reasons").to_pylist()
    score(home=home, problem=PROBLEM, out=tmp_path / "scores.csv")
    import pandas as pd

    read = pd.read_csv(tmp_path / "scores.csv", float_precision="round_trip")
    assert list(read.columns) == SCORES.names
    assert [json.loads(text) for text in read["reasons"]] == scores.column("reasons").to_pylist()
    assert read["churn_probability"].tolist() == scores.column("churn_probability").to_pylist()


def rewritten(home: Path, **changes: Any) -> None:
    """Change ``model.json`` as training itself would have written it."""
    path = Home.at(home).current_model() / "model.json"
    manifest = json.loads(path.read_text()) | changes
    manifest["card"] = manifest_hash(manifest)
    path.write_text(json.dumps(manifest))


def test_a_model_of_other_features_is_refused(trained: Trained) -> None:
    home, said = trained
    other = said["definitions"] | {"spend_90d": "DOUBLE"}
    rewritten(home, definitions=other)
    try:
        with pytest.raises(
            ModelError,
            match=r"other features than build-000001 has: .*gone: spend_90d\)",
        ):
            score(home=home, problem=PROBLEM)
    finally:
        rewritten(home, definitions=said["definitions"])


def test_a_feature_that_the_model_does_not_read_changes_no_score(trained: Trained) -> None:
    home, said = trained
    before = score(home=home, problem=PROBLEM)
    known = {name: text for name, text in said["definitions"].items() if name != "never_filled"}
    rewritten(home, definitions=known, service_hash="0" * 64)
    try:
        assert score(home=home, problem=PROBLEM).equals(before)
    finally:
        rewritten(home, definitions=said["definitions"], service_hash=said["service_hash"])


def test_another_horizon_is_refused_and_another_band_is_said(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelError, match="trained with horizon_days 30, the problem says 60"):
        score(home=trained[0], problem=replace(PROBLEM, horizon_days=60))
    other = replace(PROBLEM, bands=Bands(0.01, 0.02))
    assert score(home=trained[0], problem=other, progress=Progress()).equals(
        score(home=trained[0], problem=PROBLEM)
    )
    assert "note: bands changed in the problem since model-000001 was trained" in capsys.readouterr().err


def test_the_command_prints_json_lines_and_one_sentence_on_a_mistake(
    trained: Trained, tmp_path: Path
) -> None:
    problem = tmp_path / "problem.yml"
    problem.write_text("training_rows_max: 2000\ntuning: {trials: 0}\n")
    options = ["--home", str(trained[0]), "--problem", str(problem)]
    wrong = CliRunner().invoke(main, ["score", *options, "--customer-id", "nobody"])
    assert (wrong.exit_code, len(wrong.stderr.splitlines())) == (1, 1)
    report = CliRunner().invoke(main, ["evaluate", *options, "--plots", str(tmp_path / "plots")])
    assert report.exit_code == 0
    assert "churn rate" in report.stdout
    assert (tmp_path / "plots" / "gain.png").read_bytes()[:4] == b"\x89PNG"
    problem.write_text("bands: {medium: 2}\n")
    usage = CliRunner().invoke(main, ["score", *options])
    assert (usage.exit_code, "line 1: bands.medium is 2" in usage.stderr) == (2, True)


def test_segments_are_two_more_columns_and_only_when_asked(trained: Trained, tmp_path: Path) -> None:
    by_orders = replace(PROBLEM, segments=("days_since_last_order", "orders_90d", "spend_90d"))
    home, file = trained[0], tmp_path / "scores.csv"
    with pytest.raises(NotReadyError, match="no segments have been learned yet for the problem problem"):
        score(home=home, problem=by_orders, segments=True, out=file)
    assert not file.exists()
    result = customer_segments(home=home, problem=by_orders, number=3)
    try:
        scores = score(home=home, problem=by_orders, segments=True, out=file)
        assert scores.column_names == [*SCORES.names, "segment", "segment_name"]
        wanted = {
            row["customer_id"]: (row["segment"], row["segment_name"]) for row in result.rows.to_pylist()
        }
        assert set(wanted.values()) == {(one.number, one.name) for one in result.segmentation.segments}
        given = {row["customer_id"]: (row["segment"], row["segment_name"]) for row in scores.to_pylist()}
        assert given == wanted
        assert file.read_text().splitlines()[0].endswith(",segment,segment_name")
        assert score(home=home, problem=by_orders).equals(scores.select(SCORES.names))
        (alone,) = score(["c0001"], home=home, problem=by_orders, segments=True).to_pylist()
        assert (alone["segment"], alone["segment_name"]) in set(wanted.values())
        # The model card shows them, and says how to make them where there are none.
        shown = Path(report(home=home, problem=by_orders)["page"]).read_text()
        assert all(f"{number} {name}" in shown for number, name in set(wanted.values()))
    finally:
        result.file.unlink()
    assert (
        "No segments yet: &#39;churn segments&#39;"
        in Path(report(home=home, problem=PROBLEM)["page"]).read_text()
    )


LATE = Input("days_late", "number", "double", 3.0)
GAP = Input("usual_gap", "number", "double", 12.0)


def test_reasons_are_what_raises_the_risk_the_weightiest_first() -> None:
    import numpy as np
    import pandas as pd

    words = [
        Wording(LATE, "Days late", "no order for {days_late} days, usual gap {usual_gap}", "orders"),
        Wording(GAP, "Usual gap in days", subject="rhythm"),
    ]
    frame = pd.DataFrame({"days_late": [47.0, 47.0, np.nan], "usual_gap": [12.0, 12.5, np.nan]})
    added = np.array([[0.2, 0.5], [0.2, -0.5], [0.0, 0.1]])
    assert reasons(frame, added, words, 2) == [
        [
            "Usual gap in days: 12, typically 12 (usual_gap = 12)",
            "no order for 47 days, usual gap 12 (days_late = 47)",
        ],
        ["no order for 47 days, usual gap 12.5 (days_late = 47)"],
        ["Usual gap in days: not known, typically 12 (usual_gap = not known)"],
    ]
    assert reasons(frame[:1], added[:1], words, 1) == [
        ["Usual gap in days: 12, typically 12 (usual_gap = 12)"]
    ]


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (47.04, "number", "47"),
        (47.06, "number", "47.1"),
        (0.654, "number", "0.65"),
        (1234567.89, "number", "1234567.9"),
        (-3.0, "number", "-3"),
        (1.0, "flag", "yes"),
        (0.0, "flag", "no"),
        (float("nan"), "flag", "not known"),
        ("(not known)", "text", "not known"),
        ("Oslo", "text", "Oslo"),
    ],
)
def test_values_are_told_as_one_says_them(value: Any, kind: str, text: str) -> None:
    assert format_value(value, kind) == text
