"""The nearest lines just outside each edge of what counts at an instant, each with why it is outside."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ml.receipt.receipt_lines import Line, Outside

LEFT, REPLACED, WITHDRAWN = "left the window", "replaced", "withdrawn"
TO_COME, NEVER, OF_ANOTHER_KIND = "to come", "never counted", "of another kind"
DELETED = "deleted"
# Two rows over each edge show on which side the limit lies; more would hide the rows that count.
NEAREST = 2


def outside_of(lines: Iterable[Line], others: Iterable[Line], as_of: datetime, facts: str) -> list[Outside]:
    """The lines nearest to ``as_of`` over each edge.

    Parameters
    ----------
    lines : iterable of Line
        What counts at some instant.
    others : iterable of Line
        Versions of the same kind of subject that count at none.
    facts : str
        What the lines are, such as ``resolved_tickets``.
    """
    lines, outside = list(lines), list[Outside]()
    for line in lines:
        if not line.ever_counts:
            # Its end came no later than its start.
            if line.has_started(as_of):
                why = f"already {line.end} when {line.start}"
                outside.append(Outside(NEVER, why, line.starts_at, line))
        elif line.has_ended(as_of):
            outside.append(Outside(line.edge, line.end, line.ends_at, line))
        elif not line.has_started(as_of):
            outside.append(Outside(TO_COME, f"{line.start} only then", line.starts_at, line))
    why = f"not one of the {facts.replace('_', ' ')}"
    outside += [
        Outside(OF_ANOTHER_KIND, why, line.known_at, line)
        for line in others
        if line.known_at and line.known_at <= as_of
    ]
    counted = {line.name for line in lines if line.counts_at(as_of)}
    return [
        entry
        for edge in (LEFT, REPLACED, WITHDRAWN, NEVER, OF_ANOTHER_KIND, TO_COME)
        for entry in nearest([entry for entry in outside if entry.edge == edge], as_of, counted)
    ]


def nearest(outside: list[Outside], as_of: datetime, counted: set[tuple[Any, ...]]) -> list[Outside]:
    """The nearest of those over one edge, and the version before each that counts."""
    ordered = sorted(outside, key=lambda entry: abs(entry.at - as_of) if entry.at else as_of - datetime.min)
    return [
        entry
        for number, entry in enumerate(ordered)
        if number < NEAREST or (entry.edge == REPLACED and entry.line.next_name in counted)
    ]


def nearest_extremes(lines: Iterable[Line], value: Any, kind: str) -> list[Outside]:
    """The known lines whose amounts come nearest to the extreme ``value``, but are not it."""
    others = sorted(
        (line for line in lines if line.amount != value), key=lambda line: abs(line.amount - value)
    )
    return [Outside(f"not the {kind}", f"not the {kind}", line.known_at, line) for line in others[:NEAREST]]
