"""The evaluation report and the evidence behind it, whose shape is in ``ml.evaluate.evidence_schema``."""

from ml.evaluate.evaluation import evaluate, evidence_of
from ml.evaluate.metric_names import LABELS

__all__ = ["LABELS", "evaluate", "evidence_of"]
