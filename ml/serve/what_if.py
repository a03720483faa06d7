"""What a score becomes if the customer orders now, or if open tickets are resolved now.

The supposed rows are added to the customer's raw rows in memory, and the build's own SQL counts them from the
instant that is served on; nothing is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from ml.ingest.contract import Table
from ml.ingest.declaration import raw_tables
from ml.score.customer_build import build_of_customers
from ml.serve.scored_file import Scored, scored_of
from ml.serve.served_state import Served
from ml.warehouse.compiled_models import read_models
from ml.warehouse.customer_tables import CustomerTables, Row

ORDERS, TICKETS = "orders", "support_tickets"
ORDER_KEY = "supposed order"
OPEN_TICKETS = """
select ticket_id, opened_at, category
from {tickets}
where known_at <= $at and (superseded_at is null or superseded_at > $at) and opened_at <= $at
    and (resolved_at is null or resolved_at > $at)
order by opened_at desc, ticket_id
"""
# The version that holds is the one recorded last; the supposed one is recorded at the instant, after it.
LAST_VERSION = """
select {columns} from {tickets}
where ticket_id = $ticket and {known_at} <= $at order by {version} desc limit 1
"""


@dataclass(frozen=True)
class Ticket:
    """A ticket that is open at the instant."""

    ticket_id: str
    opened_at: datetime
    category: str | None


@dataclass(frozen=True)
class Supposed:
    """What is supposed to happen at the instant that is served.

    Parameters
    ----------
    amount : Decimal, optional
        Of an order.
    resolved : sequence of str
        Keys of open tickets.
    """

    amount: Decimal | None = None
    resolved: Sequence[str] = ()

    @property
    def is_nothing(self) -> bool:
        return self.amount is None and not self.resolved


@dataclass(frozen=True)
class Outcome:
    """A customer's score before and after; ``after`` is None where nothing is supposed."""

    at: datetime
    before: Scored
    after: Scored | None
    tickets: list[Ticket]


def outcome_of(served: Served, row: Scored, supposed: Supposed) -> Outcome:
    """The score of a customer if what is supposed happens.

    Parameters
    ----------
    row : Scored
        The customer's score now.

    Raises
    ------
    NotReadyError, SourceError, BuildError
        The raw rows are gone or damaged, or the build's SQL does not run over them.
    """
    at, customer = served.instant_of(row), row.customer_id
    with served.live.raw_rows() as load:
        with CustomerTables(read_models(served.build), load, [customer]) as tables:
            tickets = open_tickets(tables, at)
            open_now = {ticket.ticket_id for ticket in tickets}
            resolved = [ticket for ticket in supposed.resolved if ticket in open_now]
            supposed = Supposed(supposed.amount, resolved)
            if supposed.is_nothing:
                return Outcome(at, row, None, tickets)
            more = {
                TICKETS: [resolved_ticket(tables, ticket, at) for ticket in resolved],
                ORDERS: [] if supposed.amount is None else [order_of(customer, supposed.amount, at)],
            }
        with build_of_customers(served.build, load, [customer], at, more=more) as made:
            (values,) = served.live.scored_at(made, at, {customer})
    return Outcome(at, row, scored_of(values), tickets)


def open_tickets(tables: CustomerTables, at: datetime) -> list[Ticket]:
    """The tickets that are open at an instant, the newest first."""
    if not can_resolve():
        return []
    sql = OPEN_TICKETS.format(tickets=tables.model(f"stg_{TICKETS}"))
    return [Ticket(**row) for row in tables.rows(sql, at=at)]


def resolved_ticket(tables: CustomerTables, ticket: str, at: datetime) -> Row:
    """A version of a ticket that is resolved at an instant."""
    table = declared(TICKETS)
    assert table is not None
    sql = LAST_VERSION.format(
        columns=", ".join(table.names),
        tickets=tables.raw(TICKETS),
        known_at=table.known_at,
        version=table.version_order,
    )
    (row,) = tables.rows(sql, ticket=ticket, at=at)
    return row | {"resolved_at": at, table.version: at}


def order_of(customer: str, amount: Decimal, at: datetime) -> dict[str, Any]:
    """An order placed at an instant."""
    return {"order_id": ORDER_KEY, "customer_id": customer, "ordered_at": at, "total_amount": amount}


def can_order() -> bool:
    """Whether the declared orders need no more than a key, a customer, an instant and an amount."""
    table = declared(ORDERS)
    known = order_of("", Decimal(0), datetime.min)
    return table is not None and all(column.name in known for column in table.columns if column.required)


def can_resolve() -> bool:
    """Whether tickets are declared, with the instant of their resolution."""
    table = declared(TICKETS)
    return table is not None and "resolved_at" in table.names


def declared(name: str) -> Table | None:
    """The declared raw table of a name, if there is one."""
    return next((table for table in raw_tables() if table.name == name), None)
