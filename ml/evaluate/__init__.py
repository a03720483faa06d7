"""The held-out report and the deep evidence behind it; ``ml.evaluate.evidence`` fixes its shape."""

from ml.evaluate.evaluation import evaluate, evidence_of
from ml.evaluate.metric_names import LABELS

__all__ = ["LABELS", "evaluate", "evidence_of"]
