"""Inputs that alone tell the label too well: named when a model is trained, and kept in its manifest.

The same measure and limit as ``churn explore`` and ``churn audit`` use, on the training rows.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ml.metrics.single_feature_auc import LIMIT, halves, of_column
from ml.model.inputs import Input


def suspects(table: pa.Table, inputs: Sequence[Input], seed: int) -> list[dict[str, Any]]:
    """Each input whose own ROC-AUC on these rows is above ``LIMIT``: feature, roc_auc; the worst first.

    Parameters
    ----------
    table : Table
        customer_id, event_timestamp, churned, then features.
    inputs : sequence of Input
    seed : int
        Of the halves of customers, for texts.
    """
    churned, half = table.column("churned").to_numpy() == 1, halves(table.column("customer_id"), seed)
    as_of = table.column("event_timestamp")
    aucs = {each.name: of_column(table.column(each.name), as_of, churned, half) for each in inputs}
    found = [{"feature": name, "roc_auc": auc} for name, auc in aucs.items() if auc > LIMIT]
    return sorted(found, key=lambda each: (-each["roc_auc"], each["feature"]))
