"""The contract of a declared raw table: names, types, keys, clocks, and rules between its rows.

``declaration`` reads it from the dbt project's ``sources.yml``; ``checks`` turns it into SQL, ``sources``
looks for its tables, ``load`` writes its columns in this order.
"""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """The type of a raw column; the value is the reason of a rejected row."""

    TEXT = "is not text"
    INSTANT = "is not an instant"
    DATE = "is not a date"
    AMOUNT = "is not a number"
    WHOLE = "is not a whole number"
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
    Kind.FLAG: "BOOLEAN",
}

DELETED = "deleted_at"
# Before every instant that a row can have.
FIRST = "timestamp '1800-01-01'"


@dataclass(frozen=True)
class Column:
    """One column of a raw table.

    Parameters
    ----------
    name : str
    kind : Kind
    required : bool
        Whether the source must have it, and no row may leave it empty.
    range : (float, float), optional
        The smallest and the largest number it may be.
    personal : bool
        Whether it is personal data, which no receipt shows.
    counts_from : tuple of str
        Instants of the row: the value is known from the first of them that is there, else with the row.
    """

    name: str
    kind: Kind
    required: bool = False
    range: tuple[float, float] | None = None
    personal: bool = False
    counts_from: tuple[str, ...] = ()

    @property
    def complaint(self) -> str:
        """The reason to reject a row whose value cannot be cast."""
        if self.range is None:
            return f"{self.name} {self.kind.value}"
        low, high = self.range
        return f"{self.name} {self.kind.value} from {low:.15g} to {high:.15g}"


@dataclass(frozen=True)
class Reference:
    """A reference: ``column`` is the key of a row that ``table`` must have."""

    column: str
    table: str

    @property
    def subject(self) -> str:
        """The referenced subject in words: ``order`` for ``order_id``."""
        return self.column.removesuffix("_id").replace("_", " ")

    @property
    def reason(self) -> str:
        """The reason to reject a row that names an unknown one."""
        return f"unknown {self.subject}"


@dataclass(frozen=True)
class Merges:
    """The columns of a table of merges: the customer who is no more, and who has everything from then on."""

    old: str
    new: str


@dataclass(frozen=True)
class Table:
    """One raw table.

    Parameters
    ----------
    name : str
    columns : tuple of Column
        In the order of the raw layer.
    key : tuple of str
        The key of a subject, which may have several versions.
    version : str
        The instant at which the company's systems recorded this version.
    customer : str, optional
        The column that names the customer; None if the referenced table does.
    occurred : str, optional
        The instant at which the event happened.
    fixed : tuple of str
        Columns no version may change.
    ordered : tuple of (str, str)
        Pairs of instants: what happens later to a row, and what it may not come before.
    ends_at : str, optional
        Of a state, which holds from ``occurred`` on: the instant at which it ends.
    end_announced_at : str, optional
        The instant from which an end to come is known; without it, an end is known when it comes.
    period : str, optional
        ``day`` for measurements of a day: a row without ``version`` is known at the end of its day.
    reference : Reference, optional
    merges : Merges, optional
        Of a table of merges, whose rows belong to two customers; its reference says that both must be known.
    required : bool
        Whether a source without the table is an error.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    version: str
    customer: str | None = None
    occurred: str | None = None
    fixed: tuple[str, ...] = ()
    ordered: tuple[tuple[str, str], ...] = ()
    ends_at: str | None = None
    end_announced_at: str | None = None
    period: str | None = None
    reference: Reference | None = None
    merges: Merges | None = None
    required: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def is_of_customers(self) -> bool:
        """Whether a row describes a customer, from ``version`` on; else it is a fact, or a merge of two."""
        return self.reference is None and self.merges is None

    @property
    def referring(self) -> tuple[str, ...]:
        """The columns that hold the key of a row of the referenced table."""
        if self.merges:
            return (self.merges.old, self.merges.new)
        return (self.reference.column,) if self.reference else ()

    @property
    def instants(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.kind is Kind.INSTANT)

    @property
    def clocks(self) -> tuple[str, ...]:
        """The instants at which a row occurred and was recorded."""
        return tuple(filter(None, (self.occurred, self.version)))

    @property
    def personal(self) -> frozenset[str]:
        """The columns of personal data."""
        return frozenset(column.name for column in self.columns if column.personal)

    @property
    def event_instants(self) -> tuple[str, ...]:
        """SQL of the instant of every event; a value with ``counts_from`` has the first of these."""
        values = {column.counts_from[0]: column for column in self.columns if column.counts_from}
        # A change of a state, of its price for one, happens when its version is known.
        changes = (self.known_at,) if self.ends_at else ()
        return changes + tuple(
            f"case when {values[name].name} is not null "
            f"then coalesce({', '.join(values[name].counts_from)}, {self.known_at}) end"
            if name in values
            else name
            for name in (self.occurred, *(later for later, _ in self.ordered))
            if name
        )

    @property
    def content(self) -> tuple[str, ...]:
        """The columns in which two duplicates of one version must agree."""
        return tuple(name for name in self.names if name not in (*self.key, self.version))

    @property
    def ends(self) -> tuple[str, ...]:
        """Instants of later events of a row; a future one is an announced end."""
        return (*(later for later, _ in self.ordered), DELETED)

    @property
    def end_instants(self) -> tuple[str, ...]:
        """SQL of the instants from which later events are known: of an announced end, the announcement."""
        known_end = f"least({self.ends_at}, {self.end_announced_at})" if self.end_announced_at else ""
        return tuple(known_end if known_end and name == self.ends_at else name for name in self.ends)

    @property
    def version_order(self) -> str:
        """SQL of the instant that orders the versions of one key; a row without one comes first."""
        return f"coalesce({', '.join([*filter(None, (self.version, self.occurred)), FIRST])})"

    @property
    def known_at(self) -> str:
        """SQL of the instant from which a row is known, apart from the row it refers to."""
        if self.is_of_customers or not self.occurred:
            return self.version_order
        return f"greatest({self.occurred}, {self.version_order})"
