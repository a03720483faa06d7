"""Leakage suspects: inputs that alone order the labels too well; training lists them in the model's manifest.

The measure and the limit are those of ``churn explore`` and ``churn audit``, on the training rows.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ml.features.training_parts import positive_rows
from ml.metrics.single_feature_auc import LEAK_AUC_MIN, halves, of_column
from ml.model.inputs import Input


def find_leakage_suspects(table: pa.Table, inputs: Sequence[Input], seed: int) -> list[dict[str, Any]]:
    """Each input whose own ROC-AUC on these rows is above the limit: feature, roc_auc; the greatest first.

    Parameters
    ----------
    table : Table
        customer_id, event_timestamp, churned (or label, an amount), then features.
    inputs : sequence of Input
    seed : int
        Of the halves of customers, by which the AUC of a text is measured.
    """
    churned, half = positive_rows(table), halves(table.column("customer_id"), seed)
    as_of = table.column("event_timestamp")
    names = [feature.name for feature in inputs]
    aucs = {name: of_column(table.column(name), as_of, churned, half) for name in names}
    suspects = [{"feature": name, "roc_auc": auc} for name, auc in aucs.items() if auc > LEAK_AUC_MIN]
    return sorted(suspects, key=lambda suspect: (-suspect["roc_auc"], suspect["feature"]))
