"""The models that compete, from the simplest to the least simple; each is one scikit-learn pipeline.

Their settings suit a few ten thousand rows of a few thousand customers. A customer's rows are nearly alike,
so trees are small and leaves large. ``ml.train.tuning`` searches for better settings.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from ml.common.errors import ModelError
from ml.config.problem import Problem
from ml.metrics.chance import PRIOR
from ml.model.activity import find_streams
from ml.model.estimators import RecencyRule, RowwiseLogistic
from ml.model.inputs import NUMBER, Input
from ml.model.own import is_own
from ml.model.pace import find_totals
from ml.model.preparation import ORDER_HISTORY, for_linear, for_trees, select_columns
from ml.model.repeat_purchase import RepeatPurchase
from ml.train.own_candidates import own_pipeline

BASELINE = "recency_rule"
THREADS = 2  # of a tree model in training; scoring uses one
WORTH_THREADS = 20_000  # rows; with fewer, starting threads takes longer than they save
LEAF_SHARE, FEWEST_IN_LEAF, MOST_IN_LEAF = 100, 20, 2_000  # a leaf has one in a hundred rows at least
TREES = 150  # of a booster that has too few rows to learn when to stop
HESSIAN_A_ROW = 0.2  # p (1 - p) of a churn rate between 0.3 and 0.7: XGBoost bounds leaves by its sum
SAMPLE_TO_BOOST, INPUTS_TO_BOOST = 0.6, 0.4  # shares of the rows and of the columns that a tree sees


@dataclass(frozen=True)
class Candidate:
    """A named, unfitted pipeline.

    Parameters
    ----------
    name : str
    pipeline : Pipeline
        Steps ``prepare`` and ``model``.
    preparation : str
        Candidates with the same preparation share their prepared columns.
    balanced : bool
        Both classes weigh the same in fitting; calibration corrects the level afterwards.
    """

    name: str
    pipeline: Pipeline
    preparation: str = ""
    balanced: bool = False

    @property
    def model(self) -> Any:
        return self.pipeline.named_steps["model"]

    def with_settings(self, settings: Mapping[str, Any]) -> "Candidate":
        """The same candidate, unfitted, with other settings of its model; ``balanced`` is one of them."""
        pipeline = clone(self.pipeline)
        of_model = {name: value for name, value in settings.items() if name != "balanced"}
        pipeline.named_steps["model"].set_params(**of_model)
        return replace(self, pipeline=pipeline, balanced=bool(settings.get("balanced", self.balanced)))


def candidates(inputs: Sequence[Input], problem: Problem, rows: int) -> list[Candidate]:
    """The problem's candidates for ``rows`` training rows, unfitted, the simplest first.

    The prior and the recency rule are always among them as baselines; the repeat-purchase model only where
    its features are inputs. The user's own candidates come last.
    """
    shipped = {PRIOR, BASELINE, *problem.candidates}
    if not has_order_history(inputs):
        shipped.discard("repeat_purchase")
    own = [name for name in problem.candidates if is_own(name)]
    names = [*(name for name in RECIPES if name in shipped), *own]
    return [make_candidate(name, inputs, problem, rows) for name in names]


def make_candidate(name: str, inputs: Sequence[Input], problem: Problem, rows: int) -> Candidate:
    if is_own(name):  # shares its preparation with no other candidate
        preparation, pipeline = name, own_pipeline(name, inputs, problem)
    else:
        preparation, model = RECIPES[name]
        pipeline = Pipeline(
            [("prepare", PREPARATIONS[preparation](inputs, problem)), ("model", model(problem, rows))]
        )
    use_threads(pipeline, threads_for(rows))
    return Candidate(name, pipeline, preparation)


def threads_for(rows: int) -> int:
    return THREADS if rows >= WORTH_THREADS else 1


def required_features(names: Iterable[str], problem: Problem) -> set[str]:
    """Features that the recency rule and derived columns read; they stay even if another has equal values."""
    names = list(names)
    streams, totals = find_streams(names), find_totals(names)
    required = {*problem.baseline, *ORDER_HISTORY, *(streams.columns if streams else ())}
    return required | ({"tenure_days"} if totals else set())


def number_names(inputs: Iterable[Input]) -> list[str]:
    return [feature.name for feature in inputs if feature.kind == NUMBER]


def has_order_history(inputs: Iterable[Input]) -> bool:
    """Whether the inputs of the repeat-purchase model are there."""
    return set(ORDER_HISTORY) <= set(number_names(inputs))


def lateness(inputs: Sequence[Input], problem: Problem) -> Any:
    """The columns of the recency rule; ModelError if no feature of ``problem.baseline`` is a number input."""
    numbers = number_names(inputs)
    names = [name for name in problem.baseline if name in numbers]
    if not names:
        raise ModelError(
            f"the recency rule needs {', '.join(problem.baseline)}: name number features under 'baseline' in "
            "the problem"
        )
    return select_columns(names)


PREPARATIONS: dict[str, Callable[[Sequence[Input], Problem], Any]] = {
    # The prior reads nothing, but scikit-learn needs a column.
    "nothing": lambda inputs, problem: select_columns([*number_names(inputs), inputs[0].name][:1]),
    "lateness": lateness,
    "order_history": lambda inputs, problem: select_columns(ORDER_HISTORY),
    "linear": lambda inputs, problem: for_linear(inputs, problem.horizon_days),
    "trees": lambda inputs, problem: for_trees(inputs, problem.horizon_days),
}


def least_rows_in_leaf(rows: int) -> int:
    return min(max(rows // LEAF_SHARE, FEWEST_IN_LEAF), MOST_IN_LEAF)


def random_forest(problem: Problem, rows: int) -> RandomForestClassifier:
    return RandomForestClassifier(
        n_estimators=80,
        min_samples_leaf=max(FEWEST_IN_LEAF, least_rows_in_leaf(rows) // 4),
        max_features=0.2,
        max_samples=0.3,
        random_state=problem.seed,
    )


def hist_gradient_boosting(problem: Problem, rows: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=TREES,
        learning_rate=0.05,
        max_leaf_nodes=8,
        min_samples_leaf=least_rows_in_leaf(rows),
        max_features=INPUTS_TO_BOOST,
        l2_regularization=20.0,
        early_stopping=False,
        random_state=problem.seed,
    )


def xgboost(problem: Problem, rows: int) -> XGBClassifier:
    return XGBClassifier(
        n_estimators=TREES,
        learning_rate=0.05,
        max_depth=3,
        min_child_weight=HESSIAN_A_ROW * least_rows_in_leaf(rows),
        subsample=SAMPLE_TO_BOOST,
        colsample_bytree=INPUTS_TO_BOOST,
        reg_lambda=20.0,
        tree_method="hist",
        random_state=problem.seed,
    )


def lightgbm(problem: Problem, rows: int) -> LGBMClassifier:
    return LGBMClassifier(
        n_estimators=TREES,
        learning_rate=0.05,
        num_leaves=8,
        min_child_samples=least_rows_in_leaf(rows),
        subsample=SAMPLE_TO_BOOST,
        subsample_freq=1,
        colsample_bytree=INPUTS_TO_BOOST,
        reg_lambda=20.0,
        deterministic=True,
        force_col_wise=True,
        verbose=-1,
        random_state=problem.seed,
    )


# From the simplest on: of candidates that are equally good the first becomes champion.
RECIPES: dict[str, tuple[str, Callable[[Problem, int], Any]]] = {
    PRIOR: ("nothing", lambda problem, rows: DummyClassifier(strategy="prior")),
    BASELINE: ("lateness", lambda problem, rows: RecencyRule()),
    "repeat_purchase": ("order_history", lambda problem, rows: RepeatPurchase(problem.horizon_days)),
    "logistic_regression": (
        "linear",
        lambda problem, rows: RowwiseLogistic(C=0.03, max_iter=2000, random_state=problem.seed),
    ),
    "decision_tree": (
        "trees",
        # One tree that fits on a page.
        lambda problem, rows: DecisionTreeClassifier(
            max_depth=5, min_samples_leaf=least_rows_in_leaf(rows), random_state=problem.seed
        ),
    ),
    "random_forest": ("trees", random_forest),
    "hist_gradient_boosting": ("trees", hist_gradient_boosting),
    "xgboost": ("trees", xgboost),
    "lightgbm": ("trees", lightgbm),
}


def use_threads(pipeline: Pipeline, threads: int) -> None:
    """Let a tree model use ``threads``.

    Scoring uses one: trees are then added up in one order, so a score is the same on every run.
    """
    if "n_jobs" in pipeline.named_steps["model"].get_params() and not isinstance(
        pipeline.named_steps["model"], LogisticRegression
    ):
        pipeline.set_params(model__n_jobs=threads)
