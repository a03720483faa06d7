"""Features with labels: point-in-time rows, labels, the split by time, the dataset, the data dictionary."""

from typing import Any

__all__ = ["features", "features_table"]


def __getattr__(name: str) -> Any:
    """Import retrieval only when it is used, as labels and splits do not need it."""
    if name in __all__:
        from ml.features import point_in_time

        return getattr(point_in_time, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
