"""The contract of the raw tables, as data: names, types, keys and what must hold between them.

``checks`` turns it into SQL, ``sources`` looks for its tables, ``load`` writes its columns in this order.
"""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a raw value is read; the value is what a rejected row is told."""

    TEXT = "is not text"
    INSTANT = "is not an instant"
    DATE = "is not a date"
    AMOUNT = "is not a number"
    WHOLE = "is not a whole number"
    SCORE = "is not a whole number from 1 to 5"
    FLAG = "is not true or false"

    @property
    def sql_type(self) -> str:
        """The type of the column in the raw layer."""
        return SQL_TYPES[self]


SQL_TYPES = {
    Kind.TEXT: "VARCHAR",
    Kind.INSTANT: "TIMESTAMP",
    Kind.DATE: "DATE",
    Kind.AMOUNT: "DECIMAL(18,4)",
    Kind.WHOLE: "BIGINT",
    Kind.SCORE: "BIGINT",
    Kind.FLAG: "BOOLEAN",
}

SCORE_RANGE = (1, 5)
DELETED = "deleted_at"
# before every instant that a row can have
FIRST = "timestamp '1800-01-01'"


@dataclass(frozen=True)
class Column:
    """One column of a raw table; a required one is in the source and never null."""

    name: str
    kind: Kind
    required: bool = False


@dataclass(frozen=True)
class Reference:
    """``column`` names a row that must be known in ``table``, else the row is rejected for ``reason``."""

    column: str
    table: str
    reason: str


@dataclass(frozen=True)
class Table:
    """One raw table.

    Parameters
    ----------
    name : str
    columns : tuple of Column
        In the order of the raw layer.
    key : tuple of str
        What tells one subject from another; a subject may have several versions.
    occurred, version : str, optional
        When the thing happened, and when the company's systems held this version of it.
    fixed : tuple of str
        Columns no version may change.
    ordered : tuple of (str, str)
        Pairs of instants: what happens later to a row, and what it may not come before.
    reference : Reference, optional
    required : bool
        Whether a source without the table is an error.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    occurred: str | None = None
    version: str | None = None
    fixed: tuple[str, ...] = ()
    ordered: tuple[tuple[str, str], ...] = ()
    reference: Reference | None = None
    required: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def instants(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.kind is Kind.INSTANT)

    @property
    def content(self) -> tuple[str, ...]:
        """The columns in which two copies of one version must agree."""
        return tuple(name for name in self.names if name not in (*self.key, self.version))

    @property
    def ends(self) -> tuple[str, ...]:
        """Instants of what happens later to a row; one that is still to come is announced."""
        return (*(later for later, _ in self.ordered), DELETED)

    @property
    def version_order(self) -> str:
        """SQL of the instant that orders the versions of one key; a row without any comes first."""
        return f"coalesce({', '.join([*filter(None, (self.version, self.occurred)), FIRST])})"


OF_A_CUSTOMER = Reference("customer_id", "customers", "unknown customer")
OF_AN_ORDER = Reference("order_id", "orders", "unknown order")

CUSTOMERS = Table(
    name="customers",
    key=("customer_id",),
    occurred="registered_at",
    version="updated_at",
    required=True,
    columns=(
        Column("customer_id", Kind.TEXT, required=True),
        Column("registered_at", Kind.INSTANT, required=True),
        Column("birth_date", Kind.DATE),
        Column("gender", Kind.TEXT),
        Column("city", Kind.TEXT),
        Column("country", Kind.TEXT),
        Column("email", Kind.TEXT),
        Column("acquisition_channel", Kind.TEXT),
        Column("email_verified", Kind.FLAG),
        Column("phone_verified", Kind.FLAG),
        Column("updated_at", Kind.INSTANT),
        Column("deleted_at", Kind.INSTANT),
    ),
)

ORDERS = Table(
    name="orders",
    key=("order_id",),
    occurred="ordered_at",
    version="loaded_at",
    fixed=("customer_id", "ordered_at"),
    ordered=(("cancelled_at", "ordered_at"), ("returned_at", "ordered_at")),
    reference=OF_A_CUSTOMER,
    required=True,
    columns=(
        Column("order_id", Kind.TEXT, required=True),
        Column("customer_id", Kind.TEXT, required=True),
        Column("ordered_at", Kind.INSTANT, required=True),
        Column("total_amount", Kind.AMOUNT, required=True),
        Column("discount_amount", Kind.AMOUNT),
        Column("payment_method", Kind.TEXT),
        Column("channel", Kind.TEXT),
        Column("cancelled_at", Kind.INSTANT),
        Column("returned_at", Kind.INSTANT),
        Column("loaded_at", Kind.INSTANT),
        Column("deleted_at", Kind.INSTANT),
    ),
)

ORDER_ITEMS = Table(
    name="order_items",
    key=("order_id", "line_number"),
    version="loaded_at",
    reference=OF_AN_ORDER,
    columns=(
        Column("order_id", Kind.TEXT, required=True),
        Column("line_number", Kind.WHOLE, required=True),
        Column("product_id", Kind.TEXT, required=True),
        Column("category", Kind.TEXT),
        Column("quantity", Kind.AMOUNT, required=True),
        Column("unit_price", Kind.AMOUNT, required=True),
        Column("loaded_at", Kind.INSTANT),
        Column("deleted_at", Kind.INSTANT),
    ),
)

SUPPORT_TICKETS = Table(
    name="support_tickets",
    key=("ticket_id",),
    occurred="opened_at",
    version="loaded_at",
    fixed=("customer_id", "opened_at"),
    ordered=(("resolved_at", "opened_at"), ("rated_at", "opened_at")),
    reference=OF_A_CUSTOMER,
    columns=(
        Column("ticket_id", Kind.TEXT, required=True),
        Column("customer_id", Kind.TEXT, required=True),
        Column("opened_at", Kind.INSTANT, required=True),
        Column("category", Kind.TEXT),
        Column("channel", Kind.TEXT),
        Column("resolved_at", Kind.INSTANT),
        Column("satisfaction_score", Kind.SCORE),
        Column("rated_at", Kind.INSTANT),
        Column("loaded_at", Kind.INSTANT),
        Column("deleted_at", Kind.INSTANT),
    ),
)

SESSIONS = Table(
    name="sessions",
    key=("session_id",),
    occurred="started_at",
    version="loaded_at",
    fixed=("customer_id", "started_at"),
    reference=OF_A_CUSTOMER,
    columns=(
        Column("session_id", Kind.TEXT, required=True),
        Column("customer_id", Kind.TEXT, required=True),
        Column("started_at", Kind.INSTANT, required=True),
        Column("duration_seconds", Kind.AMOUNT),
        Column("page_views", Kind.WHOLE),
        Column("loaded_at", Kind.INSTANT),
        Column("deleted_at", Kind.INSTANT),
    ),
)

TABLES = (CUSTOMERS, ORDERS, ORDER_ITEMS, SUPPORT_TICKETS, SESSIONS)
