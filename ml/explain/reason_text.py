"""Contributions in words, with the customer's own values and what is typical beside them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.common.arrays import Floats
from ml.explain.subjects import by_subject, subjects_of
from ml.featurestore.catalog import Catalog
from ml.model.inputs import FLAG, NUMBER, UNKNOWN_TEXT, Input

NEGLIGIBLE = 1e-9
WORTH_A_REASON, WORTH_TELLING = 0.1, 0.05
NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Wording:
    """How one input is told: its description, or a sentence of its own with values in braces."""

    input: Input
    description: str
    sentence: str | None = None
    subject: str = ""

    def tell(self, row: Mapping[str, Any]) -> str:
        """The reason for one customer: ``row`` holds every input's value."""
        value = told(row[self.input.name], self.input.kind)
        return f"{self.said(row, value)} ({self.input.name} = {value})"

    def said(self, row: Mapping[str, Any], value: str) -> str:
        if self.sentence and value != NOT_KNOWN:
            known = {name: told(each) for name, each in row.items()}
            return self.sentence.format_map(known)
        return f"{self.description}: {value}, typically {told(self.input.typical, self.input.kind)}"


def wordings(inputs: Sequence[Input], catalog: Catalog) -> list[Wording]:
    """The wording of each input: ``meta.reason`` of its definition, else its description."""
    definitions = {feature.name: feature for feature in catalog.features}
    names, subjects = {each.name for each in inputs}, subjects_of(catalog)
    return [wording(each, definitions[each.name], names, subjects[each.name]) for each in inputs]


def wording(each: Input, definition: Any, names: set[str], subject: str) -> Wording:
    """The wording of one input; the description, where a sentence needs more than inputs."""
    description = " ".join((definition.description or each.name).split()).rstrip(".")
    sentence = (definition.meta or {}).get("reason")
    if sentence and not {field for _, field, _, _ in Formatter().parse(sentence) if field} <= names:
        sentence = None
    return Wording(each, description, sentence, subject)


def reasons(frame: pd.DataFrame, added: Floats, words: Sequence[Wording], most: int) -> list[list[str]]:
    """For each row, up to ``most`` reasons that raise the risk.

    The subjects that raise it as a whole come first, the weightiest in front, each with its weightiest
    feature, if they add a tenth of what the most does; then whatever else raises it. So three reasons are not
    one fact told three times. What lowers the risk, or hardly raises it, is no reason; a customer whom
    nothing makes riskier than usual has an empty list.

    Parameters
    ----------
    frame : DataFrame of shape (rows, inputs)
    added : array of shape (rows, inputs)
        From ``ml.explain.contributions``.
    words : sequence of Wording
        One an input.
    """
    records: list[dict[Any, Any]] = frame.to_dict("records")
    places = chosen(added, [each.subject for each in words], most)
    return [
        [words[place].tell(record) for place in told_of]
        for record, told_of in zip(records, places, strict=True)
    ]


def chosen(added: Floats, subjects: Sequence[str], most: int) -> list[list[int]]:
    """Places of the inputs that are told, for each row, in the order in which they are told."""
    totals = by_subject(added, subjects)
    names = list(totals)
    weights = np.column_stack(list(totals.values())) if names else np.zeros((len(added), 0))
    codes = np.array([names.index(subject) for subject in subjects], dtype=np.intp)
    return [pick(row, total, codes, most) for row, total in zip(added, weights, strict=True)]


def pick(row: Floats, totals: Floats, codes: NDArray[np.intp], most: int) -> list[int]:
    """The inputs told of one row."""
    greatest = max(row, default=0.0)
    raising = [
        int(place)
        for place in np.argsort(-row, kind="stable")
        if row[place] > max(NEGLIGIBLE, WORTH_TELLING * greatest)
    ]
    leading: dict[int, int] = {}
    for place in raising:
        leading.setdefault(int(codes[place]), place)
    least = WORTH_A_REASON * max([greatest, *totals])
    weighty = [place for place in leading.values() if totals[codes[place]] >= least]
    first = sorted(weighty, key=lambda place: -totals[codes[place]])
    return [*first, *(place for place in raising if place not in first)][:most]


def told(value: Any, kind: str = NUMBER) -> str:
    """A value as one says it."""
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
