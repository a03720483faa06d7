"""What customers are told apart by: features of the published build, exact at any instant, on one scale.

Customers at an instant come in; a matrix of comparable columns goes out, with the values as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ml.common.array_types import Floats
from ml.common.errors import UsageError
from ml.config.problem import Problem
from ml.featurestore.catalog import Catalog, Feature, OnDemand
from ml.featurestore.formulas import NUMBER
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.featurestore.windowed_families import WINDOW_MARK

AGE = "days("  # how the formula of days since an event begins
# An input with fewer different values among 100 customers says nothing of nearly all of them.
SHARE_ALIKE_MAX = 0.99


@dataclass(frozen=True)
class Input:
    """One input and how its values are made comparable.

    Parameters
    ----------
    name : str
    levels : tuple of str
        The words for a low and for a high value.
    null_value : float
        What stands for a null: the greatest value of an age, for what never happened; else 0.
    mean, spread : float
        Of ``on_log_scale`` of the customers from whom segments were learned.
    """

    name: str
    levels: tuple[str, str]
    null_value: float
    mean: float
    spread: float

    def scaled(self, values: Floats) -> Floats:
        """Values, nulls among them, as deviations from the mean in units of the spread."""
        known = np.where(np.isnan(values), self.null_value, values)
        return (on_log_scale(known) - self.mean) / self.spread

    def unscaled(self, values: Floats) -> Floats:
        """The inverse of ``scaled``."""
        logs = np.asarray(values) * self.spread + self.mean
        return np.sign(logs) * np.expm1(np.abs(logs))


def on_log_scale(values: Floats) -> Floats:
    """log(1 + x), of negative values its mirror image: counts and amounts are skewed."""
    return np.sign(values) * np.log1p(np.abs(values))


def declared_inputs(catalog: Catalog, problem: Problem) -> list[Feature | OnDemand]:
    """The features that the problem names under ``segments``, else those whose YAML states ``levels``.

    Of a windowed family without a stated window it is the longest.

    Raises
    ------
    UsageError
        The build has no such feature, it is no number, or there is none at all.
    """
    by_name = {feature.name: feature for feature in catalog.features}
    if unknown := [name for name in problem.segments if name not in by_name]:
        raise UsageError(
            f"segments in the problem file names {', '.join(unknown)}, which the build does not have: "
            "'churn features --help' and docs/features.md list its features"
        )
    if problem.segments:
        chosen = [by_name[name] for name in problem.segments]
    else:
        longest: dict[str, Feature | OnDemand] = {}
        for feature in catalog.features:
            family = feature.name.replace(str(feature.window), WINDOW_MARK)
            shorter = (feature.window or 0) < (longest.get(family, feature).window or 0)
            if feature.meta.get("levels") and not shorter:
                longest[family] = feature
        chosen = sorted(longest.values(), key=lambda feature: not is_age(feature))  # "recent" comes first
    if words := [feature.name for feature in chosen if not is_number(feature)]:
        raise UsageError(f"{', '.join(words)} cannot tell segments apart, for it is no number")
    if not chosen:
        raise UsageError(
            "no feature states levels in its YAML: name what tells segments apart under segments in the "
            "problem file, such as segments: [days_since_last_order, orders_365d, spend_365d]"
        )
    return chosen


def is_number(feature: Feature | OnDemand) -> bool:
    return isinstance(feature, OnDemand) or feature.kind == NUMBER


def is_age(feature: Feature | OnDemand) -> bool:
    """Whether it is days since an event."""
    return isinstance(feature, OnDemand) and feature.formula.strip().startswith(AGE)


def words_of(feature: Feature | OnDemand) -> tuple[str, str]:
    """The words for a low and a high value, from the YAML; else low and high with the name."""
    low, high = feature.meta.get("levels") or (f"low {feature.name}", f"high {feature.name}")
    return low, high


def read_values(build: Path, rows: pa.Table, names: Sequence[str]) -> Floats:
    """The features of customers at instants, shape (rows, names); NaN for a null."""
    table = point_in_time(build, rows.select(["customer_id", "event_timestamp"]), features=list(names))
    columns = [table.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False) for name in names]
    return np.column_stack(columns) if columns else np.empty((len(rows), 0))


def learn_inputs(features: Sequence[Feature | OnDemand], values: Floats) -> tuple[list[Input], list[str]]:
    """The inputs with their scales, and the names of those that are the same for nearly everyone."""
    inputs, alike = [], []
    for feature, column in zip(features, values.T, strict=True):
        known = column[~np.isnan(column)]
        null_value = float(known.max()) if is_age(feature) and len(known) else 0.0
        filled = np.where(np.isnan(column), null_value, column)
        logs = on_log_scale(filled)
        commonest = np.unique(filled, return_counts=True)[1].max() / len(filled)
        if commonest > SHARE_ALIKE_MAX:
            alike.append(feature.name)
        else:
            words = words_of(feature)
            inputs.append(Input(feature.name, words, null_value, float(logs.mean()), float(logs.std())))
    return inputs, alike


def scaled_points(inputs: Sequence[Input], values: Floats) -> Floats:
    """The values of the inputs, on one scale."""
    return np.column_stack([one.scaled(column) for one, column in zip(inputs, values.T, strict=True)])


def rows_at(customer_ids: Sequence[Any], as_of: datetime) -> pa.Table:
    """Rows of customer_id and event_timestamp."""
    stamps = pa.array([as_of] * len(customer_ids), pa.timestamp("us"))
    return pa.table({"customer_id": pa.array(customer_ids, pa.string()), "event_timestamp": stamps})
