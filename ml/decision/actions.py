"""The recommended action for customers of each risk band: a small file in the team's own words, no code."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ml.common.errors import ProblemError
from ml.common.paths import ROOT
from ml.common.yaml_settings import Says, is_printable, read_settings, read_yaml
from ml.config.problem import RISK_BANDS

Action = Annotated[str, is_printable, Says("a line of text saying what to do, in quotes if need be")]


@dataclass(frozen=True)
class Actions:
    """The recommended action of each band."""

    low: Action
    medium: Action
    high: Action


def read_actions(name: str) -> dict[str, str]:
    """Band to recommended action.

    Parameters
    ----------
    name : str
        ``problem.actions``: YAML, a whole path or one relative to the repository.

    Raises
    ------
    ProblemError
        The file is missing, lacks a band, or has another entry.
    """
    file = ROOT / Path(name)
    if not file.is_file():
        raise ProblemError(f"{file}: there is no such file of actions; correct 'actions' in the problem")
    actions, _ = read_settings(read_yaml(file), Actions, str(file))
    if missing := [band for band in RISK_BANDS if band not in actions]:
        raise ProblemError(
            f"{file}: there is no action for the band {', '.join(missing)}; add a line '{missing[0]}: ...'"
        )
    return {band: actions[band].strip() for band in RISK_BANDS}


def recommended_actions(bands: NDArray[Any], actions: dict[str, str]) -> NDArray[Any]:
    """The action of each row's band, same shape."""
    names, codes = np.unique(bands, return_inverse=True)
    return np.array([actions[name] for name in names], dtype=object)[codes]
