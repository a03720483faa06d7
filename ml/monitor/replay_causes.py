"""Why a logged value is not what it is now: the cause, from what the value was and is in between.

Values are as the prediction log has them: what JSON text says, decimals and instants as text.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from ml.common.instants import parse_instant

LATE, CORRECTION, ERASED = "late row", "correction", "erased"
DEFINITION, MODEL = "definition changed", "model changed"
CAST, NULL_ZERO, EXPIRED = "cast", "null vs zero", "time-to-live"
STORE, UNKNOWN = "store", "unknown"
CAUSES = (LATE, CORRECTION, ERASED, DEFINITION, MODEL, CAST, NULL_ZERO, EXPIRED, STORE, UNKNOWN)
ALARMING = (STORE, UNKNOWN)
OF_FACTS = (LATE, CORRECTION, ERASED)
NOT_KNOWN = object()  # no value can be told; null is one


@dataclass(frozen=True)
class Evidence:
    """What is known of one differing value.

    Parameters
    ----------
    logged, now : JSON value
        What was served, and what the published build says of the same instant.
    own : JSON value
        What the build that served it says; ``NOT_KNOWN`` if that cannot be told.
    then : JSON value
        What today's definitions say of the facts of then; ``NOT_KNOWN`` if these cannot be told.
    reverted : mapping of str to JSON value
        For a kind of changed facts, what today's definitions say where that kind alone is undone.
    is_redefined : bool
        Whether the feature's type, formula or SQL is known to be another than then.
    is_expired : bool
        Whether the whole row was missing and was older than the online store keeps rows.
    """

    logged: Any
    now: Any
    own: Any = NOT_KNOWN
    then: Any = NOT_KNOWN
    reverted: Mapping[str, Any] | None = None
    is_redefined: bool = False
    is_expired: bool = False


def causes_of(evidence: Evidence) -> tuple[str, ...]:
    """Every cause of a difference, the one that explains most of it first."""
    logged, now, own = evidence.logged, evidence.now, evidence.own
    if is_cast(logged, now):
        return (CAST,)
    served: tuple[str, ...] = ()
    if own is not NOT_KNOWN and not is_same(logged, own):
        served = (fault_of_serving(evidence),)
    moved, redefined = causes_of_facts(evidence), cause_of_definition(evidence)
    # facts that explain all of it leave nothing to a definition
    explained = (*moved, *redefined) if moved and is_same(evidence.then, logged) else (*redefined, *moved)
    return tuple(dict.fromkeys((*served, *explained))) or (UNKNOWN,)


def fault_of_serving(evidence: Evidence) -> str:
    """Why a value was served that its own build does not have."""
    if is_cast(evidence.logged, evidence.own):
        return CAST
    if evidence.is_expired:
        return EXPIRED
    return NULL_ZERO if is_null_and_zero(evidence.logged, evidence.own) else STORE


def causes_of_facts(evidence: Evidence) -> tuple[str, ...]:
    """The kinds of changed facts that move the value by today's definitions, the strongest first."""
    if evidence.then is NOT_KNOWN or is_same(evidence.then, evidence.now):
        return ()
    reverted = evidence.reverted or {}
    moving = [cause for cause, value in reverted.items() if not is_same(value, evidence.now)]
    return tuple(sorted(moving or reverted, key=lambda cause: distance(reverted[cause], evidence.logged)))


def distance(one: Any, other: Any) -> float:
    """How far two values are from one another; of what are no numbers, whether they differ."""
    if is_same(one, other):
        return 0.0
    numbers = number_of(one), number_of(other)
    if numbers[0] is None or numbers[1] is None:
        return math.inf
    return abs(float(numbers[0] - numbers[1]))


def cause_of_definition(evidence: Evidence) -> tuple[str, ...]:
    """What another definition does, if there is one."""
    before = evidence.own if evidence.own is not NOT_KNOWN else evidence.logged
    if evidence.own is NOT_KNOWN and not evidence.is_redefined:
        return ()
    after = evidence.then if evidence.then is not NOT_KNOWN else evidence.now
    if is_same(before, after):
        return ()
    if is_cast(before, after):
        return (CAST,)
    return (NULL_ZERO,) if is_null_and_zero(before, after) else (DEFINITION,)


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same text of JSON."""
    return type(one) is type(other) and bool(one == other)


def is_null_and_zero(one: Any, other: Any) -> bool:
    """Whether one is null, and the other zero."""
    values = [value for value in (one, other) if value is not None]
    return len(values) == 1 and number_of(values[0]) == 0


def is_cast(one: Any, other: Any) -> bool:
    """Whether two values differ in type alone, or one is the other in single precision."""
    if is_same(one, other) or one is None or other is None:
        return False
    numbers = number_of(one), number_of(other)
    if numbers[0] is None or numbers[1] is None:
        return is_same_instant(one, other)
    if numbers[0] == numbers[1] or float(numbers[0]) == float(numbers[1]):
        return True
    singles = [float(np.float32(float(number))) for number in numbers if number is not None]
    halved = [
        single == float(number) for single, number in zip(singles, numbers, strict=True) if number is not None
    ]
    return singles[0] == singles[1] and any(halved)


def number_of(value: Any) -> Decimal | None:
    """A number, a flag, or the text of either as a number; None for anything else."""
    text = str(int(value)) if isinstance(value, bool) else str(value)
    try:
        return Decimal({"true": "1", "false": "0"}.get(text, text))
    except InvalidOperation:
        return None


def is_same_instant(one: Any, other: Any) -> bool:
    """Whether two texts are one instant in other forms, such as a date and its midnight."""
    try:
        return parse_instant(str(one)) == parse_instant(str(other))
    except ValueError:
        return False
