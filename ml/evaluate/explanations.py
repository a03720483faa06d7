"""What drives scores: mean Shapley values over many test rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ml.explain.contributions import explain
from ml.explain.reason_text import Wording
from ml.explain.subjects import by_subject
from ml.model.churn_model import ChurnModel

SHOWN_FEATURES = 10


def drivers(
    model: ChurnModel, frame: pd.DataFrame, words: list[Wording], labels: Mapping[str, str]
) -> dict[str, Any]:
    """REASONS of ``ml.evaluate.evidence_schema`` over many rows, without the customers."""
    explanation = explain(model, frame)
    mean = np.abs(explanation.values).mean(axis=0)
    sums = by_subject(explanation.values, [wording.subject for wording in words])
    subjects = [
        {
            "subject": name,
            "mean": float(np.abs(values).mean()),
            "features": sum(wording.subject == name for wording in words),
        }
        for name, values in sums.items()
    ]
    features = [
        {
            "feature": wording.input.name,
            "subject": wording.subject,
            "label": labels[wording.input.name],
            "mean": float(size),
        }
        for wording, size in zip(words, mean, strict=True)
    ]
    return {
        "scale": explanation.scale,
        "base": explanation.base,
        "rows": len(frame),
        "largest_gap": explanation.largest_gap,
        "subjects": greatest_first(subjects),
        "features": greatest_first(features),
    }


def greatest_first(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(entries, key=lambda entry: -entry["mean"])
