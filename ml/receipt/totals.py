"""What the raw rows come to for a feature that is a total or an extreme of facts, then and over time."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from ml.receipt.facts import Facts
from ml.receipt.nearest_rows import nearest_extremes, outside_of
from ml.receipt.receipt_lines import Change, Findings, Line
from ml.warehouse.compiled_models import Contribution, Model

# A change is explained by its first two reasons; more would not fit into a line of the receipt.
REASONS_MAX = 2
FIRST_KNOWN = "first known fact of the customer"
KINDS = {"total": "total", "min": "earliest", "max": "latest"}
# Each change of a value, and the value from then on.
Step = tuple[Change, Any]
# The value after amounts have come to a value.
Combine = Callable[[Any, list[Any]], Any]


def find_total(facts: Facts, model: Model, parts: list[Contribution], as_of: datetime) -> Findings:
    """Add up, at ``as_of``, the facts of a feature made of ``parts``: which count, and which just do not."""
    kind, first_known = parts[0].kind, facts.tables.first_known_at()
    start = facts.tables.zero(parts[0].type) if kind == "total" else None
    combine = COMBINE[kind]
    lines, others = facts.behind(model, parts)
    steps = steps_of(lines, first_known, start, combine)
    values = {line.amount: line.looked_up for line in lines} if parts[0].looked_up else None
    since, until = changes_around(steps if values is None else looked_up(steps, values), as_of)
    counted = [line for line in lines if line.counts_at(as_of)]
    exists = first_known is not None and first_known <= as_of
    amounts = [line.amount for line in counted if line.amount is not None]
    value = combine(start, amounts) if exists else None
    outside = outside_of(lines, others, as_of, parts[0].facts)
    if kind != "total":
        outside = nearest_extremes(counted, value, KINDS[kind]) + outside
        counted = [line for line in counted if line.amount == value]
    if values is not None:
        value = values.get(value)
        counted = [replace(line, amount=line.looked_up) for line in counted]
        outside = [replace(entry, line=replace(entry.line, amount=entry.line.looked_up)) for entry in outside]
    return Findings(KINDS[kind], value, tuple(counted), tuple(outside), since, until)


def looked_up(steps: list[Step], values: dict[Any, Any]) -> list[Step]:
    """The steps at which the value that is looked up changes, of those at which its row does."""
    changes: list[Step] = []
    for change, row in steps:
        value = values.get(row)
        if not changes or changes[-1][1] != value:
            changes.append((change, value))
    return changes


def sum_of(value: Any, amounts: list[Any]) -> Any:
    return sum(amounts, value)


def earliest_of(value: Any, amounts: list[Any]) -> Any:
    return min(amounts + ([] if value is None else [value]), default=None)


def latest_of(value: Any, amounts: list[Any]) -> Any:
    return max(amounts + ([] if value is None else [value]), default=None)


COMBINE: dict[str, Combine] = {"total": sum_of, "min": earliest_of, "max": latest_of}


def steps_of(lines: Iterable[Line], first_known: datetime | None, start: Any, combine: Combine) -> list[Step]:
    """Every change of a value, in order of time.

    Parameters
    ----------
    first_known : datetime, optional
        When the first fact about the customer became known, and the value became ``start`` instead of null;
        None if none ever did.
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
        # What ends cannot be taken off an extreme: the lines that count are combined anew.
        if any(line.ends_at == instant for _, line in changes[instant]):
            value = combine(start, [line.amount for line in counting if line.counts_at(instant)])
        else:
            value = combine(value, [line.amount for _, line in changes[instant]])
        if not steps or steps[-1][1] != value:
            reasons = [reason for reason, _ in changes[instant]] or [FIRST_KNOWN]
            more = f" and {len(reasons) - REASONS_MAX} more" if len(reasons) > REASONS_MAX else ""
            steps.append((Change(instant, "; ".join(reasons[:REASONS_MAX]) + more), value))
    return steps


def changes_around(steps: list[Step], as_of: datetime) -> tuple[Change | None, Change | None]:
    """The last change at or before ``as_of``, and the first after it."""
    before = [change for change, _ in steps if change.instant <= as_of]
    after = [change for change, _ in steps if change.instant > as_of]
    return (before[-1] if before else None), (after[0] if after else None)
