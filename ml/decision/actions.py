"""What to do with a customer of each risk band: a small file in the team's own words, no code."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.common.errors import ProblemError
from ml.common.paths import ROOT
from ml.common.yaml_schema import Shape, Text, read_shape
from ml.config.problem import compose

BANDS = ("low", "medium", "high")
SHAPE: Shape = {band: Text("a line of text saying what to do, in quotes if need be") for band in BANDS}


def read_actions(name: str) -> dict[str, str]:
    """Band to recommended action.

    Parameters
    ----------
    name : str
        ``problem.actions``: YAML, a whole path or one relative to the repository.

    Raises
    ------
    ProblemError
        The file is missing, or says nothing for a band, or something else.
    """
    file = ROOT / Path(name)
    if not file.is_file():
        raise ProblemError(f"{file}: there is no such file of actions; correct 'actions' in the problem")
    actions, _ = read_shape(compose(file), SHAPE, str(file))
    if missing := [band for band in BANDS if band not in actions]:
        raise ProblemError(
            f"{file}: there is no action for the band {', '.join(missing)}; add a line '{missing[0]}: ...'"
        )
    return {band: actions[band].strip() for band in BANDS}


def recommended(bands: NDArray[Any], actions: dict[str, str]) -> NDArray[Any]:
    """The action of each row's band, same shape."""
    names, codes = np.unique(bands, return_inverse=True)
    return np.array([actions[name] for name in names], dtype=object)[codes]
