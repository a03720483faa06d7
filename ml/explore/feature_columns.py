"""Each feature of a table as an array, with its kind: a number, a flag, a text or an instant.

All columns except the keys are features, also those that are not in the catalog.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.explore.exploration_rows import KEYS
from ml.featurestore.catalog import Catalog
from ml.metrics.single_feature_auc import as_numbers
from ml.model.inputs import FLAG, TEXT, UNKNOWN_TEXT, kind_of

INSTANT = "instant"
COMPUTED = "computed when asked"
NOT_IN_CATALOG = "in no feature model"


@dataclass(frozen=True)
class Column:
    """One feature in all rows.

    Parameters
    ----------
    kind : str
        number, flag, text or instant.
    numbers : array of shape (rows,)
        NaN where null; a flag is 0 or 1, an instant its age in days when asked. Empty for a text.
    texts : array of shape (rows,)
        Empty unless a text.
    is_planned : bool
        An instant that is known before it comes.
    """

    name: str
    kind: str
    type: str
    subject: str
    description: str
    numbers: Floats
    texts: NDArray[np.object_]
    is_planned: bool = False

    @property
    def missing(self) -> NDArray[np.bool_]:
        return self.texts == UNKNOWN_TEXT if self.kind == TEXT else np.isnan(self.numbers)

    @property
    def labels(self) -> NDArray[np.object_]:
        """A text's or flag's values as words."""
        if self.kind == TEXT:
            return self.texts
        words = np.where(self.numbers >= 0.5, "yes", "no").astype(object)
        return np.where(np.isnan(self.numbers), UNKNOWN_TEXT, words)

    def take(self, rows: NDArray[np.bool_]) -> "Column":
        numbers = self.numbers[rows] if len(self.numbers) else self.numbers
        texts = self.texts[rows] if len(self.texts) else self.texts
        return replace(self, numbers=numbers, texts=texts)


def columns_of(table: pa.Table, catalog: Catalog) -> Iterator[Column]:
    """Every feature of ``table``, one at a time."""
    types = {feature.name: feature.sql_type.lower() for feature in catalog.features}
    descriptions = {feature.name: feature.description for feature in catalog.features}
    subjects = {feature.name: view.subject for view in catalog.views for feature in view.features}
    subjects |= dict.fromkeys(catalog.formulas, COMPUTED)
    planned = {feature.name for feature in catalog.stored if feature.is_planned}
    empty = np.empty(0)
    for name in table.column_names:
        if name in KEYS:
            continue
        column = table[name]
        kind = kind_of(column.type) or INSTANT
        numbers, texts = empty, empty.astype(object)
        if kind == TEXT:
            texts = np.asarray(column.fill_null(UNKNOWN_TEXT).to_pylist(), dtype=object)
        else:
            numbers = as_numbers(column, table["event_timestamp"])
        yield Column(
            name=name,
            kind=kind,
            type=types.get(name, str(column.type)),
            subject=subjects.get(name, NOT_IN_CATALOG),
            description=descriptions.get(name, ""),
            numbers=numbers,
            texts=texts,
            is_planned=name in planned,
        )


__all__ = ["FLAG", "INSTANT", "TEXT", "Column", "columns_of"]
