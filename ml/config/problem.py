"""The problem: what is asked of whom, how far ahead, and how an answer is judged.

``problem.yml`` comes in, a checked ``Problem`` goes out; build, dataset, train, evaluate and score read it.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from ml.common.errors import ProblemError
from ml.common.paths import ROOT
from ml.common.yaml_schema import read_shape
from ml.config.problem_checks import actions_file, check_together, refuse_random_split
from ml.config.problem_shape import CANDIDATES, SHAPE, USUAL_VALUE


@dataclass(frozen=True)
class Success:
    """What makes the model good enough: a metric on the test part, and the value it must reach."""

    metric: str = "roc_auc"
    target: float = 0.8


@dataclass(frozen=True)
class Costs:
    """Money of one contact, in any currency; the defaults are those of Verbraken et al. (2013).

    Parameters
    ----------
    contact : float
        Cost of contacting one customer.
    offer : float
        Cost of the offer to one who takes it. A customer who would have stayed takes it for sure.
    value_kept : float
        Worth of a churner who is kept.
    take_up : float
        Share of contacted churners who take the offer and stay.
    """

    contact: float = 1.0
    offer: float = 10.0
    value_kept: float = 200.0
    take_up: float = 0.3


@dataclass(frozen=True)
class Tuning:
    """How long to search for better settings of the candidates; no trials, no search.

    The trials are the budget: a search that its seconds cut short may find something else another time.
    """

    trials: int = 5
    seconds: int = 900
    search: str = "tpe"


@dataclass(frozen=True)
class Threshold:
    """How the probability from which a customer counts as churning is set.

    Without a threshold a problem file that states costs gets the rule ``profit``, and one that states none
    ``recall_at_least`` 0.8.

    Parameters
    ----------
    rule : str
    value : float, optional
        The recall, precision, beta or probability that the rule names; a rule's usual one by default.
        ``capacity`` and ``profit`` have none: they follow the problem's capacity and costs.
    """

    rule: str = "recall_at_least"
    value: float | None = None

    def __post_init__(self) -> None:
        usual = USUAL_VALUE.get(self.rule)
        object.__setattr__(self, "value", usual if usual is None or self.value is None else self.value)


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
    """One churn problem; the defaults are those of the ``problem.yml`` in the repository.

    Its threshold alone differs: that file states costs, and so the rule is ``profit``.
    ``capacity`` is contacts a week, None without limit; ``refresh_days`` the days from one scoring of
    everyone to the next; ``actions`` a file, by its whole path or relative to the repository; ``exclude``
    features, subjects or roles that no model reads; ``use_sensitive`` features whose YAML says ``role:
    sensitive`` and that are inputs all the same; ``folder`` that of the file, where modules of candidates
    of one's own are looked for.
    """

    horizon_days: int = 30
    active_within_days: int = 90
    cutoff_every_days: int = 7
    label_delay_days: int = 0
    refresh_days: int = 7
    metric: str = "log_loss"
    success: Success = Success()
    costs: Costs = Costs()
    capacity: int | None = None
    threshold: Threshold = Threshold()
    calibration: str = "auto"
    bands: Bands = Bands()
    actions: str = "actions.yml"
    exclude: tuple[str, ...] = ()
    use_sensitive: tuple[str, ...] = ()
    baseline: tuple[str, ...] = ("overdue_ratio", "days_since_last_order")
    candidates: tuple[str, ...] = CANDIDATES
    selection: str = "none"
    tuning: Tuning = Tuning()
    constraints: Constraints = Constraints()
    split: Split = Split()
    training_rows_max: int = 200_000
    seed: int = 17
    folder: str = ""

    def label_terms(self) -> dict[str, int]:
        """What a build's labels depend on: a build made with others is for another problem."""
        names = ("horizon_days", "active_within_days", "cutoff_every_days", "label_delay_days")
        return {name: getattr(self, name) for name in names}

    @property
    def gap_days(self) -> int:
        """Days after a cut-off until its label is settled."""
        return self.horizon_days + self.label_delay_days

    @property
    def contacts(self) -> float | None:
        """Customers that can be contacted from one scoring to the next; None without limit."""
        return None if self.capacity is None else self.capacity * self.refresh_days / 7

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


GROUPS: dict[str, Any] = {
    "success": Success,
    "costs": Costs,
    "threshold": Threshold,
    "bands": Bands,
    "tuning": Tuning,
    "constraints": Constraints,
    "split": Split,
}
LISTS = ("baseline", "candidates", "exclude", "use_sensitive")


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
    stated = compose(file)
    refuse_random_split(stated, str(file))
    values, lines = read_shape(stated, SHAPE, str(file))
    problem = from_values(values)
    check_together(problem, str(file), lines)
    folder = str(file.resolve().parent) if any(":" in name for name in problem.candidates) else ""
    return replace(problem, actions=actions_file(problem.actions, file, lines), folder=folder)


def from_values(values: dict[str, Any]) -> Problem:
    """A Problem from plain checked values, as ``as_dict`` gives them.

    Where costs are stated and no threshold, the threshold follows the costs.
    """
    if "costs" in values and "threshold" not in values:
        values = values | {"threshold": {"rule": "profit"}}
    made = {name: GROUPS[name](**value) if name in GROUPS else value for name, value in values.items()}
    return Problem(**made | {name: tuple(made[name]) for name in LISTS if name in made})


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
