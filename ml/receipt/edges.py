"""The nearest lines just outside each edge of what counts at an instant, each with why it is outside."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ml.receipt.lines import Line, Outside

LEFT, REPLACED, WITHDRAWN = "left the window", "replaced", "withdrawn"
TO_COME, NEVER, OF_ANOTHER_KIND = "to come", "never counted", "of another kind"
DELETED = "deleted"
NEAREST = 2


def outside_of(lines: Iterable[Line], others: Iterable[Line], asked: datetime, facts: str) -> list[Outside]:
    """The lines nearest to ``asked`` over each edge.

    Parameters
    ----------
    lines : iterable of Line
        What counts at some instant.
    others : iterable of Line
        Versions of the same kind of subject that count at none.
    facts : str
        What the lines are, such as ``resolved_tickets``.
    """
    lines = list(lines)
    counted = {line.name for line in lines if line.counts_at(asked)}
    found = [ended(line) for line in lines if line.ever_counts and line.has_ended(asked)]
    found += [to_come(line) for line in lines if line.ever_counts and not line.has_started(asked)]
    found += [never(line) for line in lines if not line.ever_counts and line.has_started(asked)]
    found += [of_another_kind(line, facts) for line in others if line.known_at and line.known_at <= asked]
    return [
        one
        for edge in (LEFT, REPLACED, WITHDRAWN, NEVER, OF_ANOTHER_KIND, TO_COME)
        for one in nearest([one for one in found if one.edge == edge], asked, counted)
    ]


def nearest(found: list[Outside], asked: datetime, counted: set[tuple[Any, ...]]) -> list[Outside]:
    """The nearest of those over one edge, and the version before each that counts."""
    ordered = sorted(found, key=lambda one: abs(one.at - asked) if one.at else asked - datetime.min)
    return [
        one
        for place, one in enumerate(ordered)
        if place < NEAREST or (one.edge == REPLACED and one.line.next_name in counted)
    ]


def nearest_extremes(lines: Iterable[Line], value: Any, kind: str) -> list[Outside]:
    """The known lines whose amounts come nearest to the extreme ``value``, but are not it."""
    others = sorted(
        (line for line in lines if line.amount != value), key=lambda line: abs(line.amount - value)
    )
    return [Outside(f"not the {kind}", f"not the {kind}", line.known_at, line) for line in others[:NEAREST]]


def ended(line: Line) -> Outside:
    return Outside(line.edge, line.end, line.ends_at, line)


def to_come(line: Line) -> Outside:
    return Outside(TO_COME, f"{line.start} only then", line.starts_at, line)


def never(line: Line) -> Outside:
    """A line whose end came no later than its start."""
    return Outside(NEVER, f"already {line.end} when {line.start}", line.starts_at, line)


def of_another_kind(line: Line, facts: str) -> Outside:
    return Outside(OF_ANOTHER_KIND, f"not one of the {facts.replace('_', ' ')}", line.known_at, line)
