"""The deep evidence of one model, step by step, from its build and its kept test probabilities.

What the test part tells comes first; then what only the rows of its build can tell. Where that build is gone,
the second half is left out and said.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml.common.arrays import Floats
from ml.evaluate.curves import curves
from ml.evaluate.decided import actions_or_none, decision
from ml.evaluate.evidence import SHAPE
from ml.evaluate.explanations import customers, drivers, telling_rows
from ml.evaluate.groups import months, segments
from ml.evaluate.importance import importance
from ml.evaluate.measured import Rows
from ml.evaluate.metric_names import metrics, success, verdicts
from ml.evaluate.refit import ablation, groups_of, learning, refitted
from ml.evaluate.sample import in_sample, sampled
from ml.evaluate.staleness import staleness
from ml.explain.reason_text import wordings
from ml.explain.subjects import aspects_of, subjects_of
from ml.features.own_labels import labels_of_model
from ml.features.parts import Part, Parts, divide, with_features
from ml.featurestore.catalog import Catalog, read_catalog
from ml.model.churn_model import ChurnModel
from ml.model.store import TEST
from ml.train.candidates import BASELINE

MOST_TEST, MOST_TRAIN, MOST_VALIDATION, MOST_TOLD = 30_000, 50_000, 10_000, 2_000
Step = Callable[[str], None]
KEYS = ("customer_id", "event_timestamp", "churned")


@dataclass(frozen=True)
class Held:
    """The test rows that are measured, with every candidate's probabilities."""

    part: Part
    rows: Rows
    probabilities: dict[str, Floats]
    chosen: Any
    of: int

    @classmethod
    def of_model(cls, model: ChurnModel, folder: Path) -> "Held":
        """As training kept them, or a sample of customers."""
        table = pq.read_table(folder / TEST)
        customers = np.asarray(table.column("customer_id").to_pylist(), dtype=object)
        chosen = np.ones(len(table), dtype=bool)
        if len(table) > MOST_TEST:
            chosen = in_sample(customers, MOST_TEST, model.problem.seed)
        part = Part("test", table.filter(pa.array(chosen)))
        names = [name for name in table.column_names if name not in KEYS]
        given = {name: part.table.column(name).to_numpy() for name in names}
        return cls(part, Rows.of(part, model.problem), given, chosen, len(table))


def deep_evidence(model: ChurnModel, folder: Path, build: Path | None, step: Step) -> dict[str, Any]:
    """Everything that ``ml.evaluate.evidence`` describes, but for ``looks``.

    Parameters
    ----------
    model : ChurnModel
    folder : Path
        Where its files are.
    build : Path or None
        The build it was trained on, None when that is gone.
    step : callable
        Told what is under way.
    """
    held = Held.of_model(model, folder)
    evidence = origin(model, held) | on_test(model, held, step)
    if build is None:
        note = (
            f"{model.facts['build_id']}, on which {model.version} was trained, is gone: segments, learning, "
            "importance, ablation, staleness and reasons are left out; run 'churn train' on the present build"
        )
        empty: dict[str, Any] = {name: [] for name in ("segments", "learning", "importance", "ablation")}
        return evidence | empty | {"staleness": [], "reasons": None, "notes": [*evidence["notes"], note]}
    step("reading rows")
    catalog, parts = read_catalog(build), divide(build, model.problem, labels_of_model(folder, model.facts))
    few = with_features(build, smaller(parts, held, model))
    found = (
        in_segments(model, held, few, catalog)
        | on_validation(model, few, catalog, step)
        | {"staleness": staleness(build, model, few.test, step)}
        | {"reasons": why(model, held, few.test, catalog, step)}
    )
    return evidence | found | {"notes": [*evidence["notes"], *sampled_note(parts, few), *found["notes"]]}


def sampled_note(parts: Parts, few: Parts) -> list[str]:
    """A sentence when the recipe was tried on fewer rows than there are."""
    pairs = ((parts.train, few.train), (parts.selection, few.selection), (parts.calibration, few.calibration))
    if all(len(whole.table) == len(part.table) for whole, part in pairs):
        return []
    return [
        f"learning curve and ablation rest on {len(few.train.table):,} of {len(parts.train.table):,} "
        f"training rows and {len(few.selection.table):,} of {len(parts.selection.table):,} selection rows, "
        f"importance on {len(few.calibration.table):,} of {len(parts.calibration.table):,} calibration rows: "
        "all rows of customers drawn by a seeded hash"
    ]


def steps(model: ChurnModel) -> int:
    """How many steps the evidence takes, for a progress bar."""
    return len(model.inputs) + 21


def origin(model: ChurnModel, held: Held) -> dict[str, Any]:
    """Which model, which rows."""
    facts, span = model.facts, model.facts["split"]["test"]
    kept = {name: facts[name] for name in ("model_version", "build_id", "data_clock", "seed")}
    notes = []
    if len(held.part.table) < held.of:
        notes.append(
            f"measured on {len(held.part.table):,} of {held.of:,} test rows: all rows of customers drawn by "
            "a seeded hash"
        )
    return {
        "shape": SHAPE,
        "model_card": facts["card"],
        **kept,
        "champion": model.kind,
        "baseline": BASELINE,
        "problem": model.problem.as_dict(),
        "metrics": metrics(),
        "test": {name: facts["test"][name] for name in ("rows", "customers", "base_rate")} | span,
        "sample": {
            "rows": len(held.part.table),
            "of": held.of,
            "customers": int(held.rows.facts["customers"]),
        },
        "notes": notes,
    }


def on_test(model: ChurnModel, held: Held, step: Step) -> dict[str, Any]:
    """What the kept probabilities tell."""
    step("measuring every candidate")
    replicated = held.rows.replicated(held.probabilities)
    probability = held.probabilities[model.kind]
    measures = {name: replicated.measures(name) for name in held.probabilities}
    step("drawing curves")
    return {
        "candidates": measures,
        "differences": {
            name: replicated.change(model.kind, name) for name in held.probabilities if name != model.kind
        },
        "verdict": [*verdicts(model.facts), success(model.problem, measures[model.kind])],
        "decision": decision(held.rows, probability, model, actions_or_none(model.problem)),
        "curves": curves(held.rows, held.probabilities, model.kind),
        "months": months(held.rows, probability, model.threshold, held.part.table.column("event_timestamp")),
    }


def in_segments(model: ChurnModel, held: Held, parts: Parts, catalog: Catalog) -> dict[str, Any]:
    """The test rows by what their features say of the customer."""
    found = list(
        segments(
            held.rows,
            held.probabilities[model.kind],
            model.threshold,
            (parts.train.table, parts.test.table),
            labels_of(catalog),
        )
    )
    missing = [by for by in ("tenure", "value", "city") if by not in {each["by"] for each in found}]
    notes = [f"no segments by {' and '.join(missing)}: no feature tells them apart"] if missing else []
    return {"segments": found, "notes": notes}


def smaller(parts: Parts, held: Held, model: ChurnModel) -> Parts:
    """The parts, or customers enough of them; of the test part the rows that are held."""
    seed = model.problem.seed
    return replace(
        parts,
        train=sampled(parts.train, MOST_TRAIN, seed),
        selection=sampled(parts.selection, MOST_VALIDATION, seed),
        calibration=sampled(parts.calibration, MOST_VALIDATION, seed),
        test=Part("test", parts.test.table.filter(pa.array(held.chosen))),
    )


def on_validation(model: ChurnModel, parts: Parts, catalog: Catalog, step: Step) -> dict[str, Any]:
    """What may tempt one to change the model, so measured where it was chosen."""
    subjects, labels = subjects_of(catalog), labels_of(catalog)
    told = {each.name: {"subject": subjects[each.name], "label": labels[each.name]} for each in model.inputs}
    unseen = parts.calibration
    frame, rows = model.frame(unseen.table), Rows.of(unseen, model.problem)
    groups = groups_of([each.name for each in model.inputs], subjects, aspects_of(catalog))
    step("learning again")
    whole = refitted(model, model.inputs, parts.train, parts)
    return {
        "learning": learning(model, parts, whole, step),
        "ablation": ablation(model, parts, groups, whole, step),
        "importance": importance(model, frame, rows, told, step),
    }


def why(model: ChurnModel, held: Held, test: Part, catalog: Catalog, step: Step) -> dict[str, Any]:
    """What drives the scores."""
    step("explaining")
    words, labels = wordings(model.inputs, catalog), labels_of(catalog)
    few = sampled(test, MOST_TOLD, model.problem.seed)
    probability = held.probabilities[model.kind]
    chosen = telling_rows(held.rows, probability, model.decision(probability))
    told = customers(model, test, chosen, words, labels, actions_or_none(model.problem))
    return drivers(model, model.frame(few.table), words, labels) | {"customers": told}


def labels_of(catalog: Catalog) -> dict[str, str]:
    """What each feature means."""
    return {each.name: each.description.rstrip(".") for each in catalog.features}
