"""Segments that were learned: centres on the scale of their inputs, numbers and names, as JSON in the home.

    <home>/segments/<problem>.json

Values of the inputs come in, the segment of each customer goes out. No customer is in the file.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.common.durable_files import replace_file
from ml.common.errors import DamagedError
from ml.common.json_files import read_json
from ml.home.layout import Home
from ml.segments.inputs import Input, scaled_points
from ml.segments.number import Strength, nearest

FOLDER = "segments"
COMMAND = "churn segments --refit"
REQUIRED = ("inputs", "segments", "learned", "strengths", "definitions", "next_number", "figures")


@dataclass(frozen=True)
class Segment:
    """One segment.

    Parameters
    ----------
    number : int
        Given once: a segment that is gone takes its number with it.
    name : str
    centre : tuple of float
        On the scale of the inputs.
    """

    number: int
    name: str
    centre: tuple[float, ...]


@dataclass(frozen=True)
class Segmentation:
    """Segments with the inputs that tell them apart.

    Parameters
    ----------
    inputs : tuple of Input
    segments : tuple of Segment
    learned : dict
        ``build_id``, ``as_of``, ``customers``, ``seed``.
    strengths : tuple of Strength
        How well each number of segments repeated itself; empty where the number was given.
    definitions : dict
        Input to its type or formula; with others the centres mean nothing.
    next_number : int
    figures : dict
        The figures of the latest instant; empty until there are some.
    """

    inputs: tuple[Input, ...]
    segments: tuple[Segment, ...]
    learned: dict[str, Any]
    strengths: tuple[Strength, ...]
    definitions: dict[str, str]
    next_number: int
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def input_names(self) -> list[str]:
        return [one.name for one in self.inputs]

    @property
    def numbers(self) -> NDArray[np.int64]:
        return np.array([segment.number for segment in self.segments], dtype=np.int64)

    def positions(self, values: Floats) -> NDArray[np.int64]:
        """The position in ``segments`` of each row of values, shape (customers, inputs)."""
        if not len(values):
            return np.empty(0, dtype=np.int64)
        centres = np.array([segment.centre for segment in self.segments])
        return nearest(scaled_points(self.inputs, values), centres)

    def names_at(self, positions: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """The names of the segments at positions."""
        return [self.segments[position].name for position in positions]


def segments_file(home: Home, problem: str) -> Path:
    """Where the segments of a problem are."""
    return home.root / FOLDER / f"{problem}.json"


def write_segmentation(file: Path, segmentation: Segmentation) -> None:
    """Write the file, whole or not at all."""
    replace_file(file, (json.dumps(asdict(segmentation), indent=1) + "\n").encode())


def read_segmentation(home: Home, problem: str) -> Segmentation | None:
    """The segments of a problem; None where none were learned.

    Raises
    ------
    DamagedError
        The file is not whole.
    """
    file = segments_file(home, problem)
    if not file.is_file():
        return None
    content = read_json(file, COMMAND, REQUIRED)
    try:
        return Segmentation(
            tuple(Input(**one | {"levels": tuple(one["levels"])}) for one in content["inputs"]),
            tuple(Segment(**one | {"centre": tuple(one["centre"])}) for one in content["segments"]),
            content["learned"],
            tuple(Strength(**one) for one in content["strengths"]),
            content["definitions"],
            content["next_number"],
            content["figures"],
        )
    except (TypeError, KeyError) as error:
        raise DamagedError(f"{file} is damaged: run '{COMMAND}' again") from error


def readable_segmentation(home: Home, problem: str) -> Segmentation | None:
    """The segments of a problem, for pages; None where there is none that can be read."""
    try:
        return read_segmentation(home, problem)
    except DamagedError:
        return None
