"""What the raw rows say of a profile feature: the customer's version that gives it, and those beside it.

Attributes come from the version known at the asked instant; what does not change comes from the earliest
version, from registration on. Which is which follows from the model that has the column.
"""

from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from ml.ingest.contract import CUSTOMERS
from ml.receipt.edges import NEAREST, REPLACED, outside_of
from ml.receipt.facts import Facts
from ml.receipt.lines import Change, Findings, Line, Outside
from ml.receipt.models import Model
from ml.receipt.steps import FIRST_KNOWN, Step, changes_around

OF_VERSIONS = "int_customer_versions"
NOT_THE_EARLIEST = "not the earliest version"


def find_profile(facts: Facts, model: Model, column: str, asked: datetime) -> Findings:
    """Which version says ``column`` at ``asked``."""
    if column in facts.tables.columns(OF_VERSIONS):
        lines, others = attribute_lines(facts, column), []
    else:
        first, *later = version_lines(facts)
        lines, others = [constant_line(first, column)], later
    counted = tuple(line for line in lines if line.counts_at(asked))
    outside = outside_of(lines, [], asked, "")
    outside += [Outside(NOT_THE_EARLIEST, NOT_THE_EARLIEST, line.known_at, line) for line in others[:NEAREST]]
    since, until = changes_around(steps_of_column(facts, model, column, lines), asked)
    value = counted[-1].amount if counted else None
    return Findings("version", value, counted, tuple(outside), since, until)


def version_lines(facts: Facts) -> list[Line]:
    """Every version of the customer, the earliest first."""
    versions = facts.versions(CUSTOMERS)
    return [versions[name].line() for name in sorted(versions)]


def attribute_lines(facts: Facts, column: str) -> list[Line]:
    """Every version known by the data clock, each holding until the next is known."""
    said = facts.tables.rows(
        f"select version_number, {column} from {facts.tables.model(OF_VERSIONS)} order by version_number"
    )
    values = {row["version_number"]: row[column] for row in said}
    lines = [
        replace(line, amount=values[line.version], starts_at=line.known_at, start="known")
        for line in version_lines(facts)
        if line.version in values
    ]
    return [
        replace(line, ends_at=after.known_at, end=f"replaced by version {after.version}", edge=REPLACED)
        for line, after in pairwise(lines)
    ] + lines[-1:]


def constant_line(first: Line, column: str) -> Line:
    """The earliest version, which gives what does not change, from registration on."""
    return replace(first, amount=first.raw[column], starts_at=first.raw["registered_at"], start="registered")


def steps_of_column(facts: Facts, model: Model, column: str, lines: list[Line]) -> list[Step]:
    """Every change of ``column`` in the feature table, made from this customer's rows alone."""
    sql = f"select event_timestamp, {column} from {facts.tables.make(model)} order by event_timestamp"
    reasons = {line.starts_at: f"{line.subject}: {line.start}" for line in lines}
    steps: list[Step] = []
    for row in facts.tables.rows(sql):
        if not steps or steps[-1][1] != row[column]:
            instant = row["event_timestamp"]
            steps.append((Change(instant, reasons.get(instant, FIRST_KNOWN)), row[column]))
    return steps
