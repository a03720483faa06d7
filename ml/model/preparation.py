"""What happens to inputs before an estimator sees them, as scikit-learn column transformers.

Linear models get imputed, straightened and scaled numbers; trees read numbers and nulls as they are. Texts
become indicator columns while they have few values, ranks (for trees) while they have some, and cross-fitted
churn rates when they have many; rare and unseen values share one place. Totals since the beginning become a
pace. Everything is learned from the rows it is fitted on, and from no others.
"""

from collections.abc import Sequence
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from ml.model.activity import COLUMNS as ACTIVITY_COLUMNS
from ml.model.activity import Activity, find_streams
from ml.model.estimators import TameSkew
from ml.model.inputs import FLAG, NUMBER, TEXT, Input
from ml.model.pace import find_totals
from ml.model.repeat_purchase import RepeatPurchase

RARE_SHARE = 0.01
FEW_VALUES, SOME_VALUES = 12, 40
CROSS_FITS = 5
SINCE_LAST_ORDER = "days_since_last_order"
ORDER_HISTORY = ("orders_placed_lifetime", "days_since_first_order", SINCE_LAST_ORDER)
HORIZON_DAYS = 30
Prepared: TypeAlias = tuple[str, Any, list[str]]


class SinglePrecision(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Half the memory, as trees hold their inputs anyway; a column that is all null when fitted says 0.

    A fold may hold nothing but nulls where later rows have values; scikit-learn's boosting cannot bin that.

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
        unknown = getattr(self, "unknown_", None)  # models of before this column was learned
        if unknown is None or not unknown.any():
            return values
        return np.where(unknown, np.float32(0), values)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_features_in_")


def for_linear(inputs: Sequence[Input], horizon_days: int = HORIZON_DAYS) -> Pipeline:
    """Long tails tamed, nulls imputed with an indicator beside, everything numeric scaled."""
    steps = [
        ("tame", TameSkew()),
        ("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
        ("scale", StandardScaler()),
    ]
    return columns(inputs, Pipeline(steps), horizon_days, linear=True)


def for_trees(inputs: Sequence[Input], horizon_days: int = HORIZON_DAYS) -> Pipeline:
    """Numbers as they are, nulls included, in single precision."""
    return columns(inputs, "passthrough", horizon_days, linear=False)


def columns(inputs: Sequence[Input], numeric: Any, horizon_days: int, *, linear: bool) -> Pipeline:
    """``numeric`` for numbers and flags, texts by how many values they have, then what is derived."""
    numbers = [each.name for each in inputs if each.kind in (NUMBER, FLAG)]
    most = SOME_VALUES if linear else FEW_VALUES
    texts = [each for each in inputs if each.kind == TEXT]
    parts = [
        ("numbers", numeric, [name for name in numbers if name not in grown(numbers)]),
        ("texts", indicators(), [each.name for each in texts if each.values <= most]),
        ("ranks", ranks(), [each.name for each in texts if most < each.values <= SOME_VALUES]),
        ("rates", churn_rates(linear), [each.name for each in texts if each.values > SOME_VALUES]),
        *derived(numbers, horizon_days, linear=linear),
    ]
    together = ColumnTransformer([part for part in parts if part[2]], verbose_feature_names_out=False)
    return Pipeline([("columns", together), *([] if linear else [("single", SinglePrecision())])])


def indicators() -> OneHotEncoder:
    """One column a value; rare and unseen values share one."""
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=RARE_SHARE, sparse_output=False, dtype=np.float64
    )


def ranks() -> OrdinalEncoder:
    """One column of places in the alphabet; -1 for a value not seen before."""
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float64)


def churn_rates(linear: bool) -> Any:
    """A column of churn rates, each row's learned from other rows than its own; unseen: the overall rate."""
    encoder = TargetEncoder(target_type="binary", cv=StratifiedKFold(CROSS_FITS))
    return Pipeline([("rate", encoder), ("scale", StandardScaler())]) if linear else encoder


def derived(numbers: Sequence[str], horizon_days: int, *, linear: bool) -> list[Prepared]:
    """What several inputs say together: the log-odds of repeat purchases, all streams' activity, paces."""
    found: list[Prepared] = []
    if set(ORDER_HISTORY) <= set(numbers):
        found.append(("repeat", RepeatPurchase(horizon_days), list(ORDER_HISTORY)))
    if streams := find_streams(numbers):
        found.append(("activity", Activity(horizon_days, streams.window_days), streams.columns))
    if totals := find_totals(numbers):
        found.append(("pace", totals.pace(), totals.columns))
    return [(name, tamed(step) if linear else step, names) for name, step, names in found]


def grown(numbers: Sequence[str]) -> set[str]:
    """Inputs of which only the pace is read, for they grow with the data's age."""
    totals = find_totals(numbers)
    return totals.replaced if totals and set(numbers) - totals.replaced else set()


def tamed(step: Any) -> Pipeline:
    """Derived columns as a linear model wants them."""
    impute = SimpleImputer(strategy="median", keep_empty_features=True)
    return Pipeline([("derive", step), ("tame", TameSkew()), ("impute", impute), ("scale", StandardScaler())])


def only(names: Sequence[str]) -> ColumnTransformer:
    """Just these numeric columns, in this order."""
    return ColumnTransformer([("numbers", "passthrough", list(names))], verbose_feature_names_out=False)


def sources(preparation: Any) -> list[str]:
    """For each prepared column, the input it comes from; what is derived counts with the last order."""
    if isinstance(preparation, Pipeline):
        return sources(preparation.named_steps["columns"])
    found: list[str] = []
    for part, transformer, names in preparation.transformers_:
        if part == "texts":
            for index, name in enumerate(names):
                found += [name] * indicator_columns(transformer, index)
        elif part == "repeat":
            found.append(SINCE_LAST_ORDER)
        elif part == "activity":
            found += [SINCE_LAST_ORDER] * len(ACTIVITY_COLUMNS)
        elif part == "pace":
            found += names[1:]
        elif transformer != "drop":
            found += names
            found += [names[index] for index in null_indicators(transformer)]
    return found


def indicator_columns(encoder: OneHotEncoder, index: int) -> int:
    """How many columns one text becomes; all rare values share one."""
    rare = encoder.infrequent_categories_[index]
    together = 0 if rare is None else len(rare) - 1
    return len(encoder.categories_[index]) - together


def null_indicators(transformer: Any) -> list[int]:
    """Positions of the columns that got a null indicator."""
    if not isinstance(transformer, Pipeline) or "impute" not in transformer.named_steps:
        return []
    return list(transformer.named_steps["impute"].indicator_.features_)
