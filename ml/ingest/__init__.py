"""Raw data in: ``from ml.ingest import ingest``.

contract (what must hold) -> sources (where tables are) -> checks, copies (row by row, row against row)
-> rejected, load (write aside, count, publish).
"""

from ml.ingest.load import ingest

__all__ = ["ingest"]
