"""Raw data in: ``from ml.ingest import ingest``.

contract -> sources (batches) -> checks (row by row), duplicates (row against row) -> rejected, load (write
aside, count, publish).
"""

from ml.ingest.load import ingest

__all__ = ["ingest"]
