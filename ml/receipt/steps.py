"""How one feature's value went over time: each instant at which it changed, and what changed it."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from ml.receipt.lines import Change, Line

NAMED = 2
FIRST_KNOWN = "first known fact of the customer"
Step = tuple[Change, Any]


def steps_of(
    lines: Iterable[Line],
    first_known: datetime | None,
    start: Any,
    taken: Callable[[Any, list[Any]], Any],
) -> list[Step]:
    """Every change of a value, in order of time, each with the value from then on.

    Parameters
    ----------
    first_known : datetime, optional
        When the first fact about the customer became known, and the value became ``start`` instead of null;
        None if none ever did.
    taken : callable
        The value after amounts have come to a value.
    """
    counting = [line for line in lines if line.ever_counts and line.amount is not None]
    changes: dict[datetime, list[tuple[str, Line]]] = {first_known: []} if first_known else {}
    for line in counting:
        if line.starts_at:
            changes.setdefault(line.starts_at, []).append((f"{line.subject}: {line.start}", line))
        if line.ends_at:
            changes.setdefault(line.ends_at, []).append((f"{line.subject}: {line.end}", line))
    steps: list[Step] = []
    value = start
    for instant in sorted(changes):
        if any(line.ends_at == instant for _, line in changes[instant]):
            value = taken(start, [line.amount for line in counting if line.counts_at(instant)])
        else:
            value = taken(value, [line.amount for _, line in changes[instant]])
        reasons = [reason for reason, _ in changes[instant]]
        if not steps or steps[-1][1] != value:
            steps.append((Change(instant, because(reasons)), value))
    return steps


def because(reasons: list[str]) -> str:
    """What changed a value at one instant, in words."""
    more = f" and {len(reasons) - NAMED} more" if len(reasons) > NAMED else ""
    return "; ".join(reasons[:NAMED]) + more if reasons else FIRST_KNOWN


def changes_around(steps: list[Step], asked: datetime) -> tuple[Change | None, Change | None]:
    """The last change at or before ``asked``, and the first after it."""
    before = [change for change, _ in steps if change.instant <= asked]
    after = [change for change, _ in steps if change.instant > asked]
    return (before[-1] if before else None), (after[0] if after else None)
