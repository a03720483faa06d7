"""The preparation of inputs for an estimator, as scikit-learn column transformers.

Linear models read imputed and scaled numbers without long tails; trees read numbers and nulls as they are. A
text with few values becomes indicator columns, with some values ranks (for trees), with many a cross-fitted
churn rate; rare and unseen values share one column. Totals since the beginning become daily rates. All is
fitted on the training rows alone.
"""

from collections.abc import Sequence
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from ml.model.activity import COLUMNS as ACTIVITY_COLUMNS
from ml.model.activity import Activity, find_streams
from ml.model.estimators import TameSkew
from ml.model.inputs import FLAG, NUMBER, TEXT, Input
from ml.model.pace import find_totals
from ml.model.repeat_purchase import RepeatPurchase

RARE_SHARE = 0.01  # of the training rows: texts below it share one indicator
FEW_VALUES, SOME_VALUES = 12, 40  # trees get indicators up to the first, linear models up to the second
CROSS_FITS = 5  # folds, so that no row's churn rate has its own label in it
SINCE_LAST_ORDER = "days_since_last_order"
ORDER_HISTORY = ("orders_placed_lifetime", "days_since_first_order", SINCE_LAST_ORDER)
HORIZON_DAYS = 30
ColumnStep: TypeAlias = tuple[str, Any, list[str]]


class SinglePrecision(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Half the memory, as tree libraries use single precision anyway; 0 for a column that was all null.

    A column may be all null in a fold and have values in later rows; scikit-learn's boosting cannot bin that.

    Attributes
    ----------
    unknown_ : array of bool, shape (columns,)
    """

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        self.n_features_in_ = X.shape[1]
        self.unknown_ = np.isnan(np.asarray(X, dtype=np.float32)).all(axis=0)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        values = np.ascontiguousarray(X, dtype=np.float32)
        unknown = getattr(self, "unknown_", None)  # which older stored models do not have
        if unknown is None or not unknown.any():
            return values
        return np.where(unknown, np.float32(0), values)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_features_in_")


def for_linear(
    inputs: Sequence[Input], horizon_days: int = HORIZON_DAYS, *, amounts: bool = False
) -> Pipeline:
    """Numbers with logged tails, medians and indicators for nulls, and equal scale."""
    steps = [
        ("tame", TameSkew()),
        ("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
        ("scale", StandardScaler()),
    ]
    return columns(inputs, Pipeline(steps), horizon_days, linear=True, amounts=amounts)


def for_trees(
    inputs: Sequence[Input], horizon_days: int = HORIZON_DAYS, *, amounts: bool = False
) -> Pipeline:
    """Numbers as they are, nulls included, in single precision."""
    return columns(inputs, "passthrough", horizon_days, linear=False, amounts=amounts)


def columns(
    inputs: Sequence[Input], numeric: Any, horizon_days: int, *, linear: bool, amounts: bool
) -> Pipeline:
    """``numeric`` for numbers and flags, texts by their number of values, then the derived columns.

    ``amounts``: labels are amounts, not who churned.
    """
    numbers = [feature.name for feature in inputs if feature.kind in (NUMBER, FLAG)]
    growing = growing_totals(numbers)
    most = SOME_VALUES if linear else FEW_VALUES
    texts = [feature for feature in inputs if feature.kind == TEXT]
    steps = [
        ("numbers", numeric, [name for name in numbers if name not in growing]),
        ("texts", indicators(), [text.name for text in texts if text.values <= most]),
        ("ranks", ranks(), [text.name for text in texts if most < text.values <= SOME_VALUES]),
        ("rates", label_means(linear, amounts), [text.name for text in texts if text.values > SOME_VALUES]),
        *derived_columns(numbers, horizon_days, linear=linear, amounts=amounts),
    ]
    transformer = ColumnTransformer([step for step in steps if step[2]], verbose_feature_names_out=False)
    return Pipeline([("columns", transformer), *([] if linear else [("single", SinglePrecision())])])


def indicators() -> OneHotEncoder:
    """One column a value; rare and unseen values share one."""
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=RARE_SHARE, sparse_output=False, dtype=np.float64
    )


def ranks() -> OrdinalEncoder:
    """One column of ranks in the alphabet; -1 for an unseen value."""
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float64)


def label_means(linear: bool, amounts: bool) -> Any:
    """One column of churn rates or mean amounts, of each row from other rows; the mean of all if unseen."""
    encoder = (
        TargetEncoder(target_type="continuous", cv=KFold(CROSS_FITS))
        if amounts
        else TargetEncoder(target_type="binary", cv=StratifiedKFold(CROSS_FITS))
    )
    return Pipeline([("rate", encoder), ("scale", StandardScaler())]) if linear else encoder


def derived_columns(
    numbers: Sequence[str], horizon_days: int, *, linear: bool, amounts: bool
) -> list[ColumnStep]:
    """Columns from several inputs: log-odds of repeat purchases, activity over all streams, daily rates."""
    steps: list[ColumnStep] = []
    if set(ORDER_HISTORY) <= set(numbers):
        steps.append(("repeat", RepeatPurchase(horizon_days, amounts), list(ORDER_HISTORY)))
    if streams := find_streams(numbers):
        steps.append(("activity", Activity(horizon_days, streams.window_days, amounts), streams.columns))
    if totals := find_totals(numbers):
        steps.append(("pace", totals.transformer(), totals.columns))
    return [(name, scaled(step) if linear else step, names) for name, step, names in steps]


def growing_totals(numbers: Sequence[str]) -> set[str]:
    """Inputs that grow with the data's age, of which only the rate is read; none if there are no others."""
    totals = find_totals(numbers)
    return totals.replaced if totals and set(numbers) - totals.replaced else set()


def scaled(step: Any) -> Pipeline:
    """Derived columns for a linear model."""
    impute = SimpleImputer(strategy="median", keep_empty_features=True)
    return Pipeline([("derive", step), ("tame", TameSkew()), ("impute", impute), ("scale", StandardScaler())])


def select_columns(names: Sequence[str]) -> ColumnTransformer:
    """These numeric columns alone, in this order."""
    return ColumnTransformer([("numbers", "passthrough", list(names))], verbose_feature_names_out=False)


def sources(preparation: Any) -> list[str]:
    """For each prepared column, the input it comes from; derived columns count with the last order."""
    if isinstance(preparation, Pipeline):
        return sources(preparation.named_steps["columns"])
    inputs: list[str] = []
    for step, transformer, names in preparation.transformers_:
        if step == "texts":
            for index, name in enumerate(names):
                inputs += [name] * indicator_columns(transformer, index)
        elif step == "repeat":
            inputs.append(SINCE_LAST_ORDER)
        elif step == "activity":
            inputs += [SINCE_LAST_ORDER] * len(ACTIVITY_COLUMNS)
        elif step == "pace":
            inputs += names[1:]
        elif transformer != "drop":
            inputs += names
            inputs += [names[index] for index in null_indicators(transformer)]
    return inputs


def indicator_columns(encoder: OneHotEncoder, index: int) -> int:
    """The number of columns of one text; all rare values share one."""
    rare = encoder.infrequent_categories_[index]
    return len(encoder.categories_[index]) - (0 if rare is None else len(rare) - 1)


def null_indicators(transformer: Any) -> list[int]:
    if not isinstance(transformer, Pipeline) or "impute" not in transformer.named_steps:
        return []
    return list(transformer.named_steps["impute"].indicator_.features_)
