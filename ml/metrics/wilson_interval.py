"""The interval of a share."""

import numpy as np

Z = 1.96  # standard deviations on either side of a 95 % interval


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927)."""
    share, spread = hits / rows, Z * Z / rows
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * np.sqrt(share * (1 - share) / rows + spread / (4 * rows))
    return float(max(middle - half, 0)), float(min(middle + half, 1))
