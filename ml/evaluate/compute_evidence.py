"""The deep evidence of one model, step by step, from its stored test probabilities and its build.

The test probabilities alone give the first half, the rows of the build the second. Where the build is gone,
the second half is empty, with a note.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml.common.array_types import Floats
from ml.evaluate.bootstrapped_rows import Rows
from ml.evaluate.curves import curves
from ml.evaluate.evidence_schema import SHAPE
from ml.evaluate.example_customers import customers, example_rows
from ml.evaluate.explanations import drivers
from ml.evaluate.importance import importance
from ml.evaluate.learning_curve_and_ablation import ablation, feature_groups, learning, recipe_probability
from ml.evaluate.metric_names import metrics, success, verdicts
from ml.evaluate.sampled_rows import in_sample, sample_customers
from ml.evaluate.segments import months, segments
from ml.evaluate.staleness import staleness
from ml.evaluate.threshold_and_bands import actions_or_none, decision
from ml.explain.reason_text import wordings
from ml.explain.subjects import aspects_of, subjects_of
from ml.features.own_labels import labels_of_model
from ml.features.training_parts import Part, Parts, divide, with_features
from ml.featurestore.catalog import Catalog, read_catalog
from ml.model.churn_model import ChurnModel
from ml.model.model_files import TEST
from ml.train.churn_candidates import BASELINE

# Rows: with more an evaluation takes much longer, and its intervals hardly get narrower.
MOST_TEST, MOST_TRAIN, MOST_VALIDATION, MOST_EXPLAINED = 30_000, 50_000, 10_000, 2_000
Step = Callable[[str], None]
KEYS = ("customer_id", "event_timestamp", "churned")


@dataclass(frozen=True)
class MeasuredRows:
    """The test rows that are measured, with every candidate's probabilities.

    ``mask`` selects them among all ``total`` test rows.
    """

    part: Part
    rows: Rows
    probabilities: dict[str, Floats]
    mask: Any
    total: int

    @classmethod
    def of_model(cls, model: ChurnModel, folder: Path) -> "MeasuredRows":
        """All test rows stored by training, or those of a sample of customers."""
        table = pq.read_table(folder / TEST)
        customers = np.asarray(table.column("customer_id").to_pylist(), dtype=object)
        mask = np.ones(len(table), dtype=bool)
        if len(table) > MOST_TEST:
            mask = in_sample(customers, MOST_TEST, model.problem.seed)
        part = Part("test", table.filter(pa.array(mask)))
        names = [name for name in table.column_names if name not in KEYS]
        probabilities = {name: part.table.column(name).to_numpy() for name in names}
        return cls(part, Rows.of(part, model.problem), probabilities, mask, len(table))


def deep_evidence(model: ChurnModel, folder: Path, build: Path | None, step: Step) -> dict[str, Any]:
    """The evidence described in ``ml.evaluate.evidence_schema``, without ``looks``.

    Parameters
    ----------
    model : ChurnModel
    folder : Path
        The folder of its files.
    build : Path or None
        The build it was trained on, None when that is gone.
    step : callable
        Called with the title of each step.
    """
    sample = MeasuredRows.of_model(model, folder)
    evidence = heading(model, sample) | on_test(model, sample, step)
    if build is None:
        note = (
            f"{model.facts['build_id']}, on which {model.version} was trained, is gone: segments, learning, "
            "importance, ablation, staleness and reasons are left out; run 'churn train' on the present build"
        )
        empty: dict[str, Any] = {name: [] for name in ("segments", "learning", "importance", "ablation")}
        return evidence | empty | {"staleness": [], "reasons": None, "notes": [*evidence["notes"], note]}
    step("reading rows")
    catalog, parts = read_catalog(build), divide(build, model.problem, labels_of_model(folder, model.facts))
    smaller = with_features(build, sample_parts(parts, sample, model))
    of_rows = (
        in_segments(model, sample, smaller, catalog)
        | on_validation(model, smaller, catalog, step)
        | {"staleness": staleness(build, model, smaller.test, step)}
        | {"reasons": score_reasons(model, sample, smaller.test, catalog, step)}
    )
    notes = [*evidence["notes"], *sampling_notes(parts, smaller), *of_rows["notes"]]
    return evidence | of_rows | {"notes": notes}


def sampling_notes(parts: Parts, smaller: Parts) -> list[str]:
    """A sentence if the recipe is tried on a sample of the rows."""
    train, selection, calibration = (
        (len(sample.table), len(part.table))
        for sample, part in (
            (smaller.train, parts.train),
            (smaller.selection, parts.selection),
            (smaller.calibration, parts.calibration),
        )
    )
    if all(rows == total for rows, total in (train, selection, calibration)):
        return []
    return [
        f"learning curve and ablation rest on {train[0]:,} of {train[1]:,} training rows and "
        f"{selection[0]:,} of {selection[1]:,} selection rows, importance on {calibration[0]:,} of "
        f"{calibration[1]:,} calibration rows: all rows of customers drawn by a seeded hash"
    ]


def count_steps(model: ChurnModel) -> int:
    """How many steps the evidence takes, for a progress bar."""
    return len(model.inputs) + 21


def heading(model: ChurnModel, sample: MeasuredRows) -> dict[str, Any]:
    """The model and the rows that are measured."""
    facts, span = model.facts, model.facts["split"]["test"]
    notes = []
    if len(sample.part.table) < sample.total:
        notes.append(
            f"measured on {len(sample.part.table):,} of {sample.total:,} test rows: all rows of customers "
            "drawn by a seeded hash"
        )
    return {
        "shape": SHAPE,
        "model_card": facts["card"],
        **{name: facts[name] for name in ("model_version", "build_id", "data_clock", "seed")},
        "champion": model.kind,
        "baseline": BASELINE,
        "problem": model.problem.as_dict(),
        "metrics": metrics(),
        "test": {name: facts["test"][name] for name in ("rows", "customers", "base_rate")} | span,
        "sample": {
            "rows": len(sample.part.table),
            "of": sample.total,
            "customers": int(sample.rows.facts["customers"]),
        },
        "notes": notes,
    }


def on_test(model: ChurnModel, sample: MeasuredRows, step: Step) -> dict[str, Any]:
    step("measuring every candidate")
    replicates = sample.rows.replicate(sample.probabilities)
    probability = sample.probabilities[model.kind]
    measures = {name: replicates.measures(name) for name in sample.probabilities}
    step("drawing curves")
    return {
        "candidates": measures,
        "differences": {
            name: replicates.change(model.kind, name) for name in sample.probabilities if name != model.kind
        },
        "verdict": [*verdicts(model.facts), success(model.problem, measures[model.kind])],
        "decision": decision(sample.rows, probability, model, actions_or_none(model.problem)),
        "curves": curves(sample.rows, sample.probabilities, model.kind),
        "months": months(
            sample.rows, probability, model.threshold, sample.part.table.column("event_timestamp")
        ),
    }


def in_segments(model: ChurnModel, sample: MeasuredRows, parts: Parts, catalog: Catalog) -> dict[str, Any]:
    by_feature = list(
        segments(
            sample.rows,
            sample.probabilities[model.kind],
            model.threshold,
            (parts.train.table, parts.test.table),
            labels_of(catalog),
        )
    )
    present = {segment["by"] for segment in by_feature}
    missing = [name for name in ("tenure", "value", "city") if name not in present]
    notes = [f"no segments by {' and '.join(missing)}: no feature tells them apart"] if missing else []
    return {"segments": by_feature, "notes": notes}


def sample_parts(parts: Parts, sample: MeasuredRows, model: ChurnModel) -> Parts:
    """The parts, each with a limited sample of customers; the test rows are those of ``sample``."""
    seed = model.problem.seed
    return replace(
        parts,
        train=sample_customers(parts.train, MOST_TRAIN, seed),
        selection=sample_customers(parts.selection, MOST_VALIDATION, seed),
        calibration=sample_customers(parts.calibration, MOST_VALIDATION, seed),
        test=Part("test", parts.test.table.filter(pa.array(sample.mask))),
    )


def on_validation(model: ChurnModel, parts: Parts, catalog: Catalog, step: Step) -> dict[str, Any]:
    """Figures that may lead to a change of the model, so measured on the part that it was chosen on."""
    subjects, labels = subjects_of(catalog), labels_of(catalog)
    names = [feature.name for feature in model.inputs]
    descriptions = {name: {"subject": subjects[name], "label": labels[name]} for name in names}
    calibration = parts.calibration
    frame, rows = model.frame(calibration.table), Rows.of(calibration, model.problem)
    groups = feature_groups(names, subjects, aspects_of(catalog))
    step("learning again")
    whole = recipe_probability(model, model.inputs, parts.train, parts)
    return {
        "learning": learning(model, parts, whole, step),
        "ablation": ablation(model, parts, groups, whole, step),
        "importance": importance(model, frame, rows, descriptions, step),
    }


def score_reasons(
    model: ChurnModel, sample: MeasuredRows, test: Part, catalog: Catalog, step: Step
) -> dict[str, Any]:
    """REASONS of ``ml.evaluate.evidence_schema``."""
    step("explaining")
    words, labels = wordings(model.inputs, catalog), labels_of(catalog)
    explained = sample_customers(test, MOST_EXPLAINED, model.problem.seed)
    probability = sample.probabilities[model.kind]
    examples = example_rows(sample.rows, probability, model.decision(probability))
    return drivers(model, model.frame(explained.table), words, labels) | {
        "customers": customers(model, test, examples, words, labels, actions_or_none(model.problem))
    }


def labels_of(catalog: Catalog) -> dict[str, str]:
    """The description of each feature, as a label."""
    return {feature.name: feature.description.rstrip(".") for feature in catalog.features}
