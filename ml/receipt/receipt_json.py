"""A receipt as plain values for JSON: instants and amounts unrounded, every row with its file and number."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from ml.receipt.receipt_lines import Change, Entry, Line, Receipt


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
    findings = entry.findings
    until = findings.until
    return {
        "feature": entry.feature.name,
        "description": entry.feature.description,
        "published": entry.published,
        "recomputed": findings.value,
        "matches": entry.matches,
        "kind": findings.kind,
        **change_as_dict("since", findings.since),
        **change_as_dict("until", until),
        "exact_until": min(until.instant, clock) if until else clock,
        "moves_with_the_instant": findings.moves,
        "formula": entry.formula,
        "rows": [line_as_dict(line) for line in findings.counted],
        "outside": [
            {"edge": outside.edge, "why": outside.why, "at": outside.at, **line_as_dict(outside.line)}
            for outside in findings.outside
        ],
        "parts": [entry_as_dict(part, clock) for part in entry.parts],
    }


def change_as_dict(name: str, change: Change | None) -> dict[str, Any]:
    return {name: change and change.instant, f"{name}_because": change and change.because}


def line_as_dict(line: Line) -> dict[str, Any]:
    """One raw row, its copies, its two clocks and what it adds."""
    origins: list[dict[str, Any]] = [asdict(origin) for origin in line.origins]
    first, *copies = origins or [{"load": None, "file": None, "row": None}]
    return {
        "table": line.table,
        **first,
        "copies": copies,
        "key": line.key,
        "version": line.version,
        "occurred": line.occurred,
        "known_at": line.known_at,
        "counts_from": line.starts_at,
        "counts_until": line.ends_at,
        "until_because": line.end or None,
        "amount": line.amount,
        "raw": line.raw,
        "rows": [line_as_dict(inner) for inner in line.below],
    }
