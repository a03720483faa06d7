"""What drives the scores: Shapley values over many held-out rows, and in full for a few telling customers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ml.common.arrays import Floats
from ml.common.instants import format_instant
from ml.evaluate.measured import Rows
from ml.explain.contributions import Explanation, explain
from ml.explain.reason_text import Wording, reasons, told
from ml.explain.subjects import by_subject
from ml.features.parts import Part
from ml.model.churn_model import ChurnModel

SHOWN_FEATURES = 10


def drivers(
    model: ChurnModel, frame: pd.DataFrame, words: list[Wording], labels: Mapping[str, str]
) -> dict[str, Any]:
    """REASONS of ``ml.evaluate.evidence`` over many rows, but for the customers."""
    found = explain(model, frame)
    mean = np.abs(found.values).mean(axis=0)
    sums = by_subject(found.values, [each.subject for each in words])
    subjects = [
        {
            "subject": name,
            "mean": float(np.abs(values).mean()),
            "features": sum(each.subject == name for each in words),
        }
        for name, values in sums.items()
    ]
    features = [
        {
            "feature": each.input.name,
            "subject": each.subject,
            "label": labels[each.input.name],
            "mean": float(size),
        }
        for each, size in zip(words, mean, strict=True)
    ]
    return {
        "scale": found.scale,
        "base": found.base,
        "rows": len(frame),
        "largest_gap": found.largest_gap,
        "subjects": heaviest(subjects),
        "features": heaviest(features),
    }


def heaviest(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those with the greatest mean first."""
    return sorted(entries, key=lambda each: -each["mean"])


def telling_rows(rows: Rows, probability: Floats, listed: Any) -> dict[str, int]:
    """Rows that show what the model does well and badly: why to place; each row once."""
    order = np.argsort(-probability, kind="stable")
    gone = rows.churned == 1
    wanted = {
        "riskiest": order[gone[order]],
        "just listed": order[listed[order]][::-1],
        "typical": order[np.argsort(np.abs(np.arange(len(order)) - len(order) // 2), kind="stable")],
        "safest": order[~gone[order]][::-1],
        "missed": order[gone[order] & ~listed[order]][::-1],
        "false alarm": order[~gone[order] & listed[order]],
    }
    found: dict[str, int] = {}
    for why, places in wanted.items():
        free = [int(place) for place in places[: len(wanted)] if int(place) not in found.values()]
        if free:
            found[why] = free[0]
    return found


def customers(
    model: ChurnModel,
    part: Part,
    chosen: Mapping[str, int],
    words: list[Wording],
    labels: Mapping[str, str],
    actions: Mapping[str, str],
) -> list[dict[str, Any]]:
    """CUSTOMER of each chosen row."""
    table = part.table.take(list(chosen.values()))
    frame = model.frame(table)
    probability, found = model.probability(frame), explain(model, frame)
    bands, listed = model.band(probability), model.decision(probability)
    why = reasons(frame, found.values, words, model.problem.constraints.reasons)
    keys = table.select(["customer_id", "event_timestamp", "churned"]).to_pylist()
    return [
        {
            "why": name,
            "customer_id": keys[place]["customer_id"],
            "event_timestamp": format_instant(keys[place]["event_timestamp"]),
            "churned": int(keys[place]["churned"]),
            "probability": float(probability[place]),
            "band": str(bands[place]),
            "listed": bool(listed[place]),
            "action": actions.get(str(bands[place])),
            "score": float(found.scores[place]),
            **weights_of(found, place, frame, words, labels),
            "reasons": why[place],
        }
        for place, name in enumerate(chosen)
    ]


def weights_of(
    found: Explanation, place: int, frame: pd.DataFrame, words: list[Wording], labels: Mapping[str, str]
) -> dict[str, Any]:
    """What each subject, and the ten weightiest features, add to one row."""
    row = found.values[place]
    sums = by_subject(row[None, :], [each.subject for each in words])
    first = np.argsort(-np.abs(row), kind="stable")[:SHOWN_FEATURES]
    return {
        "subjects": [{"subject": name, "added": float(added[0])} for name, added in sums.items()],
        "features": [
            {
                "feature": words[column].input.name,
                "subject": words[column].subject,
                "label": labels[words[column].input.name],
                "value": told(frame.iat[place, column], words[column].input.kind),
                "added": float(row[column]),
            }
            for column in first
        ],
    }
