"""The held-out report and the deep evidence behind it; ``ml.evaluate.evidence`` fixes its shape."""

from ml.evaluate.run import LABELS, evaluate

__all__ = ["LABELS", "evaluate"]
