"""Contributions in words, with the customer's values and the typical ones."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from string import Formatter
from typing import Any

import numpy as np
import pandas as pd

from ml.common.array_types import Floats
from ml.config.problem import REGRESSION
from ml.explain.reason_choice import choose_reasons
from ml.explain.subjects import subjects_of
from ml.featurestore.catalog import Catalog
from ml.model.fitted_model import FittedModel
from ml.model.inputs import FLAG, NUMBER, UNKNOWN_TEXT, Input

NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Shown:
    """A value in a sentence: as values are written, or as the sentence says, such as ``{share:.0%}``."""

    value: Any

    def __format__(self, spec: str) -> str:
        text = format_value(self.value)
        return (
            text if not spec or text == NOT_KNOWN or isinstance(self.value, str) else format(self.value, spec)
        )


@dataclass(frozen=True)
class Wording:
    """The wording of one input: its description, or a sentence of its own with values in braces."""

    input: Input
    description: str
    sentence: str | None = None
    subject: str = ""

    @cached_property
    def named(self) -> list[str]:
        """The inputs in the sentence."""
        return sorted(fields_of(self.sentence or ""))

    def reason(self, row: Mapping[str, Any]) -> str:
        """The reason for one customer; ``row`` has the values of this input and of those named."""
        name, kind = self.input.name, self.input.kind
        value = format_value(row[name], kind)
        if self.sentence and value != NOT_KNOWN:
            text = self.sentence.format_map({field: Shown(row[field]) for field in self.named})
        else:
            text = f"{self.description}: {value}, typically {format_value(self.input.typical, kind)}"
        return f"{text} ({name} = {value})"


def fields_of(sentence: str) -> set[str]:
    """The names in braces."""
    return {field for _, field, _, _ in Formatter().parse(sentence) if field}


def wordings(inputs: Sequence[Input], catalog: Catalog) -> list[Wording]:
    """The wording of each input: ``meta.reason`` of its definition, else its description."""
    definitions = {feature.name: feature for feature in catalog.features}
    names, subjects = {feature.name for feature in inputs}, subjects_of(catalog)
    return [wording(feature, definitions[feature.name], names, subjects[feature.name]) for feature in inputs]


def wording(feature: Input, definition: Any, names: set[str], subject: str) -> Wording:
    """The wording of one input; without its sentence if that has features that are no inputs."""
    description = " ".join((definition.description or feature.name).split()).rstrip(".")
    sentence = (definition.meta or {}).get("reason")
    if sentence and not fields_of(sentence) <= names:
        sentence = None
    return Wording(feature, description, sentence, subject)


def reasons(frame: pd.DataFrame, added: Floats, words: Sequence[Wording], most: int) -> list[list[str]]:
    """For each row, up to ``most`` reasons that raise the risk.

    Subjects that raise it as a whole come first, the greatest in front, with their greatest feature, if their
    sum is at least a tenth of the greatest; then other features that raise it. So three reasons are not one
    fact in three wordings. A feature that lowers the risk, or hardly raises it, is no reason; a customer
    without any has an empty list.

    Parameters
    ----------
    frame : DataFrame of shape (rows, inputs)
    added : array of shape (rows, inputs)
        From ``ml.explain.contributions``.
    words : sequence of Wording
        One for each input.
    """
    indices = choose_reasons(added, [wording.subject for wording in words], most)
    rows = Rows(frame)
    return [
        [words[index].reason(rows.values_for(words[index], place)) for index in of_row]
        for place, of_row in enumerate(indices)
    ]


class Rows:
    """The values of a frame by row; a record of all columns for each row would cost more than its reasons."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.columns = {name: frame[name].tolist() for name in frame}

    def values_for(self, word: Wording, place: int) -> dict[str, Any]:
        """The values that one reason of one row needs."""
        return {name: self.columns[name][place] for name in (word.input.name, *word.named)}


def reasons_of(
    model: FittedModel, frame: pd.DataFrame, added: Floats, words: Sequence[Wording]
) -> list[list[str]]:
    """The reasons of each row that go with a score, as sentences; see ``chosen_reasons``."""
    return [[text for _, text in of_row] for of_row in chosen_reasons(model, frame, added, words)]


def chosen_reasons(
    model: FittedModel, frame: pd.DataFrame, added: Floats, words: Sequence[Wording]
) -> list[list[tuple[int, str]]]:
    """Index and sentence of each reason: what raises a risk; of an amount, what moves it most.

    Parameters
    ----------
    frame, added : of shape (rows, inputs)
        From ``model.frame`` and ``ml.explain.contributions``.
    words : sequence of Wording
        One for each input.
    """
    is_amount = model.problem.task == REGRESSION
    indices = choose_reasons(
        np.abs(added) if is_amount else added,
        [wording.subject for wording in words],
        model.problem.constraints.reasons,
    )
    rows = Rows(frame)

    def text(index: int, place: int) -> str:
        sentence = words[index].reason(rows.values_for(words[index], place))
        if not is_amount:
            return sentence
        return f"{'raises' if added[place, index] > 0 else 'lowers'} it: {sentence}"

    return [[(index, text(index, place)) for index in of_row] for place, of_row in enumerate(indices)]


def format_value(value: Any, kind: str = NUMBER) -> str:
    if isinstance(value, str):
        return NOT_KNOWN if value == UNKNOWN_TEXT else value
    if value is None or math.isnan(value):
        return NOT_KNOWN
    if kind == FLAG:
        return "yes" if value >= 0.5 else "no"
    rounded = round(float(value), 2 if abs(value) < 10 else 1)
    return (
        f"{rounded:.0f}"
        if rounded == int(rounded)
        else f"{rounded:g}"
        if abs(rounded) < 1e5
        else f"{rounded:.1f}"
    )
