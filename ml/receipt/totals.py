"""What the raw rows say of a feature that is a total or an extreme of facts."""

from datetime import datetime
from typing import Any

from ml.receipt.edges import nearest_extremes, outside_of
from ml.receipt.facts import Facts
from ml.receipt.lines import Findings, Line
from ml.receipt.models import Contribution, Model
from ml.receipt.steps import changes_around, steps_of

KINDS = {"total": "total", "min": "earliest", "max": "latest"}


def find_total(facts: Facts, model: Model, parts: list[Contribution], asked: datetime) -> Findings:
    """Add up, at ``asked``, the facts of a feature made of ``parts``: which count, and which just do not."""
    kind, first_known = parts[0].kind, facts.tables.first_known_at()
    start = facts.tables.zero(parts[0].type) if kind == "total" else None
    taken = TAKEN[kind]
    lines, others = facts.behind(model, parts)
    since, until = changes_around(steps_of(lines, first_known, start, taken), asked)
    counted = sorted((line for line in lines if line.counts_at(asked)), key=by_time)
    exists = first_known is not None and first_known <= asked
    value = taken(start, [line.amount for line in counted if line.amount is not None]) if exists else None
    outside = outside_of(lines, others, asked, parts[0].facts)
    if kind != "total":
        outside = nearest_extremes(counted, value, KINDS[kind]) + outside
        counted = [line for line in counted if line.amount == value]
    return Findings(KINDS[kind], value, tuple(counted), tuple(outside), since, until)


def sum_of(value: Any, amounts: list[Any]) -> Any:
    return sum(amounts, value)


def earliest_of(value: Any, amounts: list[Any]) -> Any:
    return min(amounts + ([] if value is None else [value]), default=None)


def latest_of(value: Any, amounts: list[Any]) -> Any:
    return max(amounts + ([] if value is None else [value]), default=None)


TAKEN = {"total": sum_of, "min": earliest_of, "max": latest_of}


def by_time(line: Line) -> tuple[Any, ...]:
    """Lines in the order in which things happened."""
    return (min(line.occurred.values(), default=datetime.min), line.known_at or datetime.min, str(line.name))
