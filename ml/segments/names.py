"""Names of segments in words: which inputs are low or high among all customers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.page.number_text import number
from ml.segments.inputs import Input

LOW, HIGH = 1 / 3, 2 / 3  # a median in the lowest or highest third of all customers gets the input's word
AVERAGE = "average"


def segment_names(
    inputs: Sequence[Input], values: Floats, positions: NDArray[np.int64], segments: int
) -> list[str]:
    """A name for each segment, none twice.

    Parameters
    ----------
    values : array of shape (customers, inputs)
        As they are; NaN for a null.
    positions : array of shape (customers,)
        The segment of each customer.
    """
    if segments == 1:
        return ["everyone"]
    known = np.column_stack(
        [
            np.where(np.isnan(column), one.null_value, column)
            for one, column in zip(inputs, values.T, strict=True)
        ]
    )
    medians = np.array([np.median(known[positions == segment], axis=0) for segment in range(segments)])
    names = [", ".join(level_words(inputs, known, row)) or AVERAGE for row in medians]
    return [
        name if names.count(name) == 1 else f"{name}, {apart(inputs, names, medians, segment)}"
        for segment, name in enumerate(names)
    ]


def level_words(inputs: Sequence[Input], known: Floats, medians: Floats) -> list[str]:
    """The words of the inputs whose median is low or high."""
    words = []
    for column, one in enumerate(inputs):
        low, high = np.quantile(known[:, column], (LOW, HIGH))
        # Both limits are one value where most customers have it: that value is neither low nor high.
        if medians[column] <= low and medians[column] < high:
            words.append(one.levels[0])
        elif medians[column] >= high and medians[column] > low:
            words.append(one.levels[1])
    return words


def apart(inputs: Sequence[Input], names: Sequence[str], medians: Floats, segment: int) -> str:
    """What tells a segment from those of the same name: the median of the input in which they differ most."""
    alike = [position for position, name in enumerate(names) if name == names[segment]]
    spreads = [np.ptp(one.scaled(medians[alike, column])) for column, one in enumerate(inputs)]
    column = int(np.argmax(spreads))
    return f"{inputs[column].name} about {number(medians[segment, column])}"
