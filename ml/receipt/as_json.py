"""A receipt as plain values for JSON: instants and amounts unrounded, every row with its file and number."""

from datetime import datetime
from typing import Any

from ml.receipt.lines import Change, Entry, Line, Outside, Receipt


def as_dict(receipt: Receipt) -> dict[str, Any]:
    """The whole receipt."""
    return {
        "customer_id": receipt.customer_id,
        "as_of": receipt.as_of,
        "build_id": receipt.build_id,
        "load_id": receipt.load_id,
        "data_clock": receipt.data_clock,
        "first_known_at": receipt.first_known_at,
        "exists": receipt.exists,
        **entry_as_dict(receipt.entry, receipt.data_clock),
    }


def entry_as_dict(entry: Entry, clock: datetime) -> dict[str, Any]:
    """One value and what makes it."""
    found = entry.findings
    return {
        "feature": entry.feature.name,
        "description": entry.feature.description,
        "published": entry.published,
        "recomputed": found.value,
        "matches": entry.matches,
        "kind": found.kind,
        **change_as_dict("since", found.since),
        **change_as_dict("until", found.until),
        "exact_until": min(found.until.instant, clock) if found.until else clock,
        "moves_with_the_instant": found.moves,
        "formula": entry.formula,
        "rows": [line_as_dict(line) for line in found.counted],
        "outside": [outside_as_dict(one) for one in found.outside],
        "parts": [entry_as_dict(part, clock) for part in entry.parts],
    }


def change_as_dict(name: str, change: Change | None) -> dict[str, Any]:
    """An instant of change and its cause; null where there is none."""
    return {name: change and change.instant, f"{name}_because": change and change.because}


def outside_as_dict(one: Outside) -> dict[str, Any]:
    """A row that does not count, and why."""
    return {"edge": one.edge, "why": one.why, "at": one.at, **line_as_dict(one.line)}


def line_as_dict(line: Line) -> dict[str, Any]:
    """One raw row, its copies, its two clocks and what it adds."""
    first, *copies = line.places or (None,)
    return {
        "table": line.table,
        "load": first and first.load,
        "file": first and first.file,
        "row": first and first.row,
        "copies": [{"load": copy.load, "file": copy.file, "row": copy.row} for copy in copies if copy],
        "key": line.key,
        "version": line.version,
        "occurred": line.occurred,
        "known_at": line.known_at,
        "counts_from": line.starts_at,
        "counts_until": line.ends_at,
        "until_because": line.end or None,
        "amount": line.amount,
        "raw": line.raw,
        "rows": [line_as_dict(one) for one in line.below],
    }
