"""What the raw rows come to for a profile feature: the customer's version that gives it, and those beside it.

Attributes come from the version known at the as-of instant; what does not change comes from the earliest
version, from registration on. Which is which follows from the model that has the column.
"""

from dataclasses import replace
from datetime import datetime

from ml.ingest.declaration import customers_table
from ml.receipt.facts import Facts, merged_into
from ml.receipt.nearest_rows import DELETED, NEAREST, REPLACED, WITHDRAWN, outside_of
from ml.receipt.receipt_lines import Change, Findings, Line, Outside
from ml.receipt.totals import FIRST_KNOWN, Step, changes_around
from ml.warehouse.compiled_models import Model
from ml.warehouse.customer_tables import Row

OF_VERSIONS = "int_customer_versions"
NOT_THE_EARLIEST = "not the earliest version"


def find_profile(facts: Facts, model: Model, column: str, as_of: datetime) -> Findings:
    """Which version gives ``column`` at ``as_of``."""
    versions = facts.versions(customers_table())
    versions_in_order = [versions[name].line() for name in sorted(versions)]
    if column in facts.tables.columns(OF_VERSIONS):
        lines, others = (
            attribute_lines(versions_in_order, known_versions(facts, column), column),
            list[Line](),
        )
    else:
        lines, others = (
            constant_lines(versions_in_order[0], known_versions(facts), column),
            versions_in_order[1:],
        )
    if merged := facts.merged:
        lines = [
            replace(line, end=merged_into(merged)) if line.ends_at == merged.at else line for line in lines
        ]
    counted = tuple(line for line in lines if line.counts_at(as_of))
    outside = outside_of(lines, [], as_of, "")
    outside += [Outside(NOT_THE_EARLIEST, NOT_THE_EARLIEST, line.known_at, line) for line in others[:NEAREST]]
    since, until = changes_around(steps_of_column(facts, model, column, lines), as_of)
    value = counted[-1].amount if counted else None
    return Findings("version", value, counted, tuple(outside), since, until)


def known_versions(facts: Facts, *columns: str) -> dict[int | None, Row]:
    """Versions known by the data clock, by number: ``columns``, and when each was withdrawn and restored."""
    names = ", ".join(["version_number", "withdrawn_at", "restored_at", *columns])
    sql = f"""
        select {names} from {facts.tables.model(OF_VERSIONS)} where {facts.tables.is_own()}
        order by version_number
    """
    rows = facts.tables.rows(sql)
    return {row["version_number"]: row for row in rows}


def attribute_lines(versions: list[Line], known: dict[int | None, Row], column: str) -> list[Line]:
    """Every version known by the data clock; it holds until it is withdrawn or the next is known."""
    lines = [
        replace(line, amount=known[line.version][column], starts_at=line.known_at, start="known")
        for line in versions
        if line.version in known
    ]
    for number, line in enumerate(lines):
        if withdrawn_at := known[line.version]["withdrawn_at"]:
            lines[number] = replace(line, ends_at=withdrawn_at, end=DELETED, edge=WITHDRAWN)
        elif number + 1 < len(lines):
            next_line = lines[number + 1]
            end = f"replaced by version {next_line.version}"
            lines[number] = replace(line, ends_at=next_line.known_at, end=end, edge=REPLACED)
    return lines


def constant_lines(first: Line, known: dict[int | None, Row], column: str) -> list[Line]:
    """The earliest version, which gives what does not change, from registration on.

    While the customer is withdrawn it gives nothing: one line for each stretch of time between withdrawals.
    """
    line = replace(first, amount=first.raw[column], starts_at=first.raw["registered_at"], start="registered")
    lines = []
    for version in known.values():
        if version["withdrawn_at"]:
            lines.append(replace(line, ends_at=version["withdrawn_at"], end=DELETED, edge=WITHDRAWN))
            line = replace(line, starts_at=version["restored_at"], start="known again")
    return [*lines, line] if line.starts_at else lines


def steps_of_column(facts: Facts, model: Model, column: str, lines: list[Line]) -> list[Step]:
    """Every change of ``column`` in the feature table, made from this customer's rows alone."""
    sql = f"""
        select event_timestamp, {column} from {facts.tables.make(model)} where customer_id = $customer
        order by event_timestamp
    """
    reasons = {line.ends_at: f"{line.subject}: {line.end}" for line in lines}
    reasons |= {line.starts_at: f"{line.subject}: {line.start}" for line in lines}
    steps: list[Step] = []
    for row in facts.tables.rows(sql, customer=facts.tables.customer):
        if not steps or steps[-1][1] != row[column]:
            instant = row["event_timestamp"]
            steps.append((Change(instant, reasons.get(instant, FIRST_KNOWN)), row[column]))
    return steps
