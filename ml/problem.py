"""The problem: what is asked of whom, how far ahead, and how an answer is judged.

``problem.yml`` comes in, a checked ``Problem`` goes out; build, dataset, train, evaluate and score read it.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from feature_repo.paths import ROOT
from ml.errors import ProblemError
from ml.schema import Choice, Names, Shape, Share, Whole, read_shape

METRICS = ("log_loss", "brier", "roc_auc", "average_precision")
THRESHOLD_RULES = ("recall_at_least", "precision_at_least", "fixed")

SHAPE: Shape = {
    "horizon_days": Whole(1, 3650),
    "active_within_days": Whole(1, 3650),
    "cutoff_every_days": Whole(1, 3650),
    "label_delay_days": Whole(0, 3650),
    "metric": Choice(METRICS),
    "threshold": {"rule": Choice(THRESHOLD_RULES), "value": Share()},
    "bands": {"medium": Share(), "high": Share()},
    "baseline": Names(),
    "constraints": {"latency_ms": Whole(1, 60_000), "reasons": Whole(1, 20)},
    "split": {"validation": Share(), "test": Share()},
    "training_rows_max": Whole(100, 50_000_000),
    "seed": Whole(0, 2**31 - 1),
}


@dataclass(frozen=True)
class Threshold:
    """How the probability from which a customer counts as churning is set."""

    rule: str = "recall_at_least"
    value: float = 0.8


@dataclass(frozen=True)
class Bands:
    """Lowest probabilities of the medium and the high risk band."""

    medium: float = 0.3
    high: float = 0.6


@dataclass(frozen=True)
class Constraints:
    """Milliseconds one score may take, and reasons to give with it."""

    latency_ms: int = 100
    reasons: int = 3


@dataclass(frozen=True)
class Split:
    """Shares of the labelled cut-offs; what is left is for training."""

    validation: float = 0.2
    test: float = 0.2


@dataclass(frozen=True)
class Problem:
    """One churn problem; the defaults are those of the ``problem.yml`` in the repository."""

    horizon_days: int = 30
    active_within_days: int = 90
    cutoff_every_days: int = 7
    label_delay_days: int = 0
    metric: str = "log_loss"
    threshold: Threshold = Threshold()
    bands: Bands = Bands()
    baseline: tuple[str, ...] = ("overdue_ratio", "days_since_last_order")
    constraints: Constraints = Constraints()
    split: Split = Split()
    training_rows_max: int = 200_000
    seed: int = 17

    def label_terms(self) -> dict[str, int]:
        """What a build's labels depend on: a build made with others is for another problem."""
        names = ("horizon_days", "active_within_days", "cutoff_every_days", "label_delay_days")
        return {name: getattr(self, name) for name in names}

    @property
    def gap_days(self) -> int:
        """Days after a cut-off until its label is settled."""
        return self.horizon_days + self.label_delay_days

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


def problem_of(given: "Problem | str | Path | None") -> Problem:
    """The problem itself, or the one that a file states; ``problem.yml`` of the repository by default."""
    return given if isinstance(given, Problem) else read_problem(given)


GROUPS = {"threshold": Threshold, "bands": Bands, "constraints": Constraints, "split": Split}


def read_problem(path: str | Path | None = None) -> Problem:
    """Read and check a problem file.

    Parameters
    ----------
    path : str or Path, optional
        YAML; ``problem.yml`` at the root of the repository by default. A key left out takes its default.

    Raises
    ------
    ProblemError
        The file is missing or no YAML, or holds an unknown key, a wrong type or a value out of range.
    """
    file = Path(path) if path else ROOT / "problem.yml"
    values, lines = read_shape(compose(file), SHAPE, str(file))
    problem = from_values(values)
    check_together(problem, file, lines)
    return problem


def from_values(values: dict[str, Any]) -> Problem:
    """A Problem from plain checked values, as ``as_dict`` gives them."""
    made = {name: GROUPS[name](**value) if name in GROUPS else value for name, value in values.items()}
    if "baseline" in made:
        made["baseline"] = tuple(made["baseline"])
    return Problem(**made)


def compose(file: Path) -> yaml.Node | None:
    """The YAML tree of ``file``, which still knows its line numbers."""
    try:
        return yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ProblemError(f"{file}: there is no such file; name one with --problem FILE") from error
    except UnicodeDecodeError as error:
        raise ProblemError(f"{file}: is no UTF-8 text; save it as such") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        what = getattr(error, "problem", None) or "the text cannot be read"
        raise ProblemError(f"{file}, line {line}: is no YAML ({what}); correct that line") from error


def check_together(problem: Problem, file: Path, lines: dict[str, int]) -> None:
    """What no key can tell alone."""
    if problem.bands.medium >= problem.bands.high:
        raise ProblemError(
            f"{file}, line {lines.get('bands.high', 1)}: bands.high must be above bands.medium "
            f"({problem.bands.medium:g}); raise it"
        )
    if problem.split.validation + problem.split.test >= 1:
        raise ProblemError(
            f"{file}, line {lines.get('split', 1)}: split.validation + split.test leave nothing to train on; "
            "make their sum less than 1"
        )
