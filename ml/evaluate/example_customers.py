"""Example customers of the evidence: where the model is right and where it is wrong, with reasons."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ml.common.array_types import Floats
from ml.common.instants import format_instant
from ml.evaluate.bootstrapped_rows import Rows
from ml.explain.contributions import explain
from ml.explain.reason_text import Wording, format_value, reasons
from ml.explain.subjects import by_subject
from ml.features.training_parts import Part
from ml.model.churn_model import ChurnModel

SHOWN_FEATURES = 10


def example_rows(rows: Rows, probability: Floats, flagged: Any) -> dict[str, int]:
    """Rows where the model is right and where it is wrong: name of the example to index; each row once."""
    order = np.argsort(-probability, kind="stable")
    churner = rows.churned == 1
    candidates = {
        "riskiest": order[churner[order]],
        "just listed": order[flagged[order]][::-1],
        "typical": order[np.argsort(np.abs(np.arange(len(order)) - len(order) // 2), kind="stable")],
        "safest": order[~churner[order]][::-1],
        "missed": order[churner[order] & ~flagged[order]][::-1],
        "false alarm": order[~churner[order] & flagged[order]],
    }
    examples: dict[str, int] = {}
    for name, indices in candidates.items():
        free = [int(index) for index in indices[: len(candidates)] if int(index) not in examples.values()]
        if free:
            examples[name] = free[0]
    return examples


def customers(
    model: ChurnModel,
    part: Part,
    examples: Mapping[str, int],
    words: list[Wording],
    labels: Mapping[str, str],
    actions: Mapping[str, str],
) -> list[dict[str, Any]]:
    """CUSTOMER of each example."""
    table = part.table.take(list(examples.values()))
    frame = model.frame(table)
    probability, explanation = model.probability(frame), explain(model, frame)
    bands, flagged = model.band(probability), model.decision(probability)
    sentences = reasons(frame, explanation.values, words, model.problem.constraints.reasons)
    keys = table.select(["customer_id", "event_timestamp", "churned"]).to_pylist()
    return [
        {
            "why": name,
            "customer_id": keys[index]["customer_id"],
            "event_timestamp": format_instant(keys[index]["event_timestamp"]),
            "churned": int(keys[index]["churned"]),
            "probability": float(probability[index]),
            "band": str(bands[index]),
            "listed": bool(flagged[index]),
            "action": actions.get(str(bands[index])),
            "score": float(explanation.scores[index]),
            **row_contributions(explanation.values[index], frame.iloc[index], words, labels),
            "reasons": sentences[index],
        }
        for index, name in enumerate(examples)
    ]


def row_contributions(
    row: Floats, inputs: "pd.Series[Any]", words: list[Wording], labels: Mapping[str, str]
) -> dict[str, Any]:
    """The contributions of each subject, and of the ten greatest features, to the score of one row."""
    sums = by_subject(row[None, :], [wording.subject for wording in words])
    first = np.argsort(-np.abs(row), kind="stable")[:SHOWN_FEATURES]
    return {
        "subjects": [{"subject": name, "added": float(added[0])} for name, added in sums.items()],
        "features": [
            {
                "feature": words[column].input.name,
                "subject": words[column].subject,
                "label": labels[words[column].input.name],
                "value": format_value(inputs.iloc[column], words[column].input.kind),
                "added": float(row[column]),
            }
            for column in first
        ],
    }
