"""The champion as files for programs without this package: ONNX, or treelite with ONNX before it."""

from ml.export.exporting import export

__all__ = ["export"]
