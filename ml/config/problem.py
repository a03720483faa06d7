"""The problem: what is asked of whom, how far ahead, and how an answer is judged.

``problem.yml`` comes in, a checked ``Problem`` goes out; build, dataset, train, evaluate and score read it.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Interval, MinLen, Predicate

from ml.common.paths import ROOT
from ml.common.yaml_settings import Says, is_printable, read_settings, read_yaml
from ml.config.problem_checks import (
    USUAL_VALUE,
    actions_file,
    check_task,
    check_together,
    refuse_random_split,
)

CLASSIFICATION, REGRESSION = "classification", "regression"
RISK_BANDS = ("low", "medium", "high")
ClassMetric = Literal["log_loss", "brier", "roc_auc", "average_precision", "empc", "profit_per_customer"]
ValueMetric = Literal["deviance", "rmse", "mae", "r2", "gini", "top_tenth_lift"]
Metric = Literal[ClassMetric, ValueMetric]
SuccessMetric = Literal[Metric, "lift_at_10", "precision_at_80_recall", "ece"]
Rule = Literal["recall_at_least", "precision_at_least", "fixed", "f_beta", "capacity", "profit"]
CANDIDATES = (
    "prior",
    "recency_rule",
    "repeat_purchase",
    "logistic_regression",
    "decision_tree",
    "random_forest",
    "hist_gradient_boosting",
    "xgboost",
    "lightgbm",
)
VALUE_CANDIDATES = (
    "mean",
    "gamma_gamma",
    "linear",
    "tweedie",
    "random_forest",
    "hist_gradient_boosting",
    "xgboost",
    "lightgbm",
)
# The shipped label model; another one is any dbt model of marts/labels with the same columns.
CHURN = "label_customer_churn"
CUSTOMER_VALUE = "label_customer_value"  # shipped as well, for a regression
# Label to the table of its labels that are not known yet.
PENDING = {CHURN: "label_pending", CUSTOMER_VALUE: "label_value_pending"}
PROBLEM_FILE = ROOT / "problem.yml"
# The problem of problem.yml; another file's is its own name. Each problem has a champion of its own.
DEFAULT_NAME = "problem"
# A function of the user's own that returns an estimator: see docs/own-models.md.
OWN_CANDIDATE = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"


def are_candidates(names: tuple[str, ...]) -> bool:
    """Whether each name is that of a candidate or of a factory, and none stands twice."""
    shipped = {*CANDIDATES, *VALUE_CANDIDATES}
    known = all(name in shipped or re.fullmatch(OWN_CANDIDATE, name) for name in names)
    return known and len(set(names)) == len(names)


# The bounds catch slips of the pen (a year in hours, a share in percent); no use comes near them.
Days = Annotated[int, Interval(ge=1, le=3650)]
Money = Annotated[float, Interval(ge=0, le=1e9)]
Share = Annotated[float, Interval(gt=0, lt=1)]
FeatureNames = Annotated[tuple[str, ...], MinLen(1), Says("a list of one or more feature names")]
Candidates = Annotated[
    tuple[str, ...],
    MinLen(1),
    Predicate(are_candidates),
    Says(
        f"a list of one or more, none twice, of {', '.join(CANDIDATES)}, or package.module:factory",
        tuple(dict.fromkeys((*CANDIDATES, *VALUE_CANDIDATES))),
    ),
]
LabelModel = Annotated[
    str,
    Predicate(lambda name: re.fullmatch(r"label_[a-z0-9_]+", name) is not None),
    Says(f"the name of a dbt model of marts/labels, such as {CHURN}"),
]
ProblemName = Annotated[
    str,
    Predicate(lambda name: re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name) is not None),
    Says("letters, digits, - and _"),
]
FileName = Annotated[str, is_printable, Says("the name of a file of recommended actions")]


@dataclass(frozen=True)
class Success:
    """What makes the model good enough: a metric on the test part, and the value it must reach."""

    metric: SuccessMetric = "roc_auc"
    target: Annotated[float, Interval(ge=-1e9, le=1e9)] = 0.8


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

    contact: Money = 1.0
    offer: Money = 10.0
    value_kept: Annotated[float, Interval(ge=0.0001, le=1e9)] = 200.0
    take_up: Share = 0.3


@dataclass(frozen=True)
class Tuning:
    """How long to search for better settings of the candidates; no trials, no search.

    The trials are the budget: a search that its seconds cut short may find something else another time.
    """

    trials: Annotated[int, Interval(ge=0, le=10_000)] = 5
    seconds: Annotated[int, Interval(ge=1, le=604_800)] = 900
    search: Literal["tpe", "random", "grid"] = "tpe"


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

    rule: Rule = "recall_at_least"
    value: Annotated[float, Interval(ge=0, le=100)] | None = None

    def __post_init__(self) -> None:
        usual = USUAL_VALUE.get(self.rule)
        object.__setattr__(self, "value", usual if usual is None or self.value is None else self.value)


@dataclass(frozen=True)
class Bands:
    """Lowest probabilities of the medium and the high risk band."""

    medium: Share = 0.3
    high: Share = 0.6


@dataclass(frozen=True)
class Constraints:
    """Milliseconds one score may take, and reasons to give with it."""

    latency_ms: Annotated[int, Interval(ge=1, le=60_000)] = 100
    reasons: Annotated[int, Interval(ge=1, le=20)] = 3


@dataclass(frozen=True)
class Split:
    """Shares of the labelled cut-offs; what is left is for training."""

    validation: Share = 0.2
    test: Share = 0.2


@dataclass(frozen=True)
class Problem:
    """One churn problem; the defaults are those of the ``problem.yml`` in the repository.

    Its threshold alone differs: that file states costs, and so the rule is ``profit``. ``name`` is that of
    the file unless the file says otherwise; a home keeps one champion for each name. ``label`` is the dbt
    model of the labels; ``task`` regression predicts an amount; ``capacity`` is contacts a week, None
    without limit; ``refresh_days`` the days from one scoring of everyone to the next; ``actions`` a file,
    by its whole path or relative to the repository; ``exclude`` features, subjects or roles that no model
    reads; ``use_sensitive`` features whose YAML says ``role: sensitive`` and that are inputs all the same;
    ``segments`` the features that segments of customers are told apart by, by default those with ``levels``;
    ``burn_in_days`` the first days of the labelled history, which nobody learns from; ``refit`` whether the
    model that scores learns from every settled row, once it is judged; ``folder`` that of the file, where
    modules of candidates of one's own are looked for.
    """

    name: ProblemName = DEFAULT_NAME
    label: LabelModel = CHURN
    task: Literal["classification", "regression"] = "classification"
    horizon_days: Days = 30
    active_within_days: Days = 90
    cutoff_every_days: Days = 7
    label_delay_days: Annotated[int, Interval(ge=0, le=3650)] = 0
    refresh_days: Annotated[int, Interval(ge=1, le=365)] = 7
    metric: Metric = "log_loss"
    success: Success = Success()
    costs: Costs = Costs()
    capacity: Annotated[int, Interval(ge=1, le=1_000_000_000)] | None = None
    threshold: Threshold = Threshold()
    calibration: Literal["auto", "none", "level", "platt", "isotonic"] = "auto"
    burn_in_days: Annotated[int, Interval(ge=0, le=3650)] = 120
    refit: bool = True
    bands: Bands = Bands()
    actions: FileName = "actions.yml"
    exclude: FeatureNames = ()
    use_sensitive: FeatureNames = ()
    segments: FeatureNames = ()
    baseline: FeatureNames = ("overdue_ratio", "days_since_last_order")
    candidates: Candidates = CANDIDATES
    selection: Literal["none", "l1", "elimination"] = "none"
    tuning: Tuning = Tuning()
    constraints: Constraints = Constraints()
    split: Split = Split()
    training_rows_max: Annotated[int, Interval(ge=100, le=50_000_000)] = 200_000
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 17
    folder: str = field(default="", metadata={"stated": False})

    def label_terms(self) -> dict[str, int]:
        """What a build's labels depend on: a build made with others is for another problem."""
        names = ("horizon_days", "active_within_days", "cutoff_every_days", "label_delay_days")
        return {name: getattr(self, name) for name in names}

    @property
    def gap_days(self) -> int:
        """Days after a cut-off until its label is settled."""
        return self.horizon_days + self.label_delay_days

    @property
    def gap(self) -> timedelta:
        """``gap_days`` as a span of time."""
        return timedelta(days=self.gap_days)

    @property
    def contacts(self) -> float | None:
        """Customers that can be contacted from one scoring to the next; None without limit."""
        return None if self.capacity is None else self.capacity * self.refresh_days / 7

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class LabelTerms:
    """What the labels of a build depend on.

    Parameters
    ----------
    churn : dict
        The terms of ``label_customer_churn``, and of every label that has none of its own.
    others : dict
        Label to its terms.
    """

    churn: Mapping[str, int]
    others: Mapping[str, Mapping[str, int]]

    def of(self, label: str) -> Mapping[str, int]:
        """The terms of one label."""
        return self.others.get(label, self.churn)


GROUPS: dict[str, Any] = {
    "success": Success,
    "costs": Costs,
    "threshold": Threshold,
    "bands": Bands,
    "tuning": Tuning,
    "constraints": Constraints,
    "split": Split,
}
VALUE_DEFAULTS: dict[str, Any] = {
    "metric": "deviance",
    "success": {"metric": "gini", "target": 0.5},
    "candidates": VALUE_CANDIDATES,
}
LISTS = ("baseline", "candidates", "exclude", "segments", "use_sensitive")


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
    file = Path(path) if path else PROBLEM_FILE
    stated = read_yaml(file)
    refuse_random_split(stated, str(file))
    values, lines = read_settings(stated, Problem, str(file))
    values.setdefault("name", name_of_file(file))
    check_task(values, str(file), lines)
    problem = from_values(values)
    check_together(problem, str(file), lines)
    folder = str(file.resolve().parent) if any(":" in name for name in problem.candidates) else ""
    return replace(problem, actions=actions_file(problem.actions, file, lines), folder=folder)


def name_of_file(file: Path) -> str:
    """The name of a problem whose file states none."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", file.stem)[:100] or DEFAULT_NAME


def from_values(values: Mapping[str, Any]) -> Problem:
    """A Problem from plain checked values, as ``as_dict`` gives them.

    Where costs are stated and no threshold, the threshold follows the costs. A regression has other metrics
    and candidates.
    """
    if values.get("task") == REGRESSION:
        values = VALUE_DEFAULTS | dict(values)
    if "costs" in values and "threshold" not in values:
        values = {**values, "threshold": {"rule": "profit"}}
    made = {name: GROUPS[name](**value) if name in GROUPS else value for name, value in values.items()}
    return Problem(**made | {name: tuple(made[name]) for name in LISTS if name in made})
