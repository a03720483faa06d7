"""What happens to inputs before an estimator sees them, as scikit-learn column transformers.

Linear models get imputed, straightened and scaled numbers; trees read numbers and nulls as they are. Texts
become indicator columns; rare and unseen ones share one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ml.model.estimators import TameSkew
from ml.model.inputs import FLAG, NUMBER, TEXT, Input

RARE_SHARE = 0.01


def for_linear(inputs: Sequence[Input]) -> ColumnTransformer:
    """Long tails tamed, nulls imputed with an indicator beside, everything numeric scaled."""
    steps = [
        ("tame", TameSkew()),
        ("impute", SimpleImputer(strategy="median", add_indicator=True)),
        ("scale", StandardScaler()),
    ]
    return columns(inputs, Pipeline(steps))


def for_trees(inputs: Sequence[Input]) -> ColumnTransformer:
    """Numbers as they are, nulls included."""
    return columns(inputs, "passthrough")


def columns(inputs: Sequence[Input], numeric: Any) -> ColumnTransformer:
    """``numeric`` for numbers and flags, indicator columns for texts."""
    numbers = [each.name for each in inputs if each.kind in (NUMBER, FLAG)]
    texts = [each.name for each in inputs if each.kind == TEXT]
    indicators = OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=RARE_SHARE, sparse_output=False, dtype=np.float64
    )
    parts = [("numbers", numeric, numbers), ("texts", indicators, texts)]
    return ColumnTransformer([part for part in parts if part[2]], verbose_feature_names_out=False)


def only(names: Sequence[str]) -> ColumnTransformer:
    """Just these numeric columns, in this order."""
    return ColumnTransformer([("numbers", "passthrough", list(names))], verbose_feature_names_out=False)


def sources(preparation: ColumnTransformer) -> list[str]:
    """For each prepared column, the input it comes from."""
    found: list[str] = []
    for _, transformer, names in preparation.transformers_:
        if isinstance(transformer, OneHotEncoder):
            for index, name in enumerate(names):
                found += [name] * indicator_columns(transformer, index)
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
