"""What a receipt is made of: lines, each a raw row with its two clocks, and what is reported about them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ml.featurestore.catalog import Feature, OnDemand


@dataclass(frozen=True)
class Origin:
    """Where a raw row came from: the ingest, its file, as the ingest named it, and its row there, from 1."""

    load: str
    file: str
    row: int


@dataclass(frozen=True)
class Line:
    """One version of one subject, as one fact behind a feature.

    Parameters
    ----------
    table : str
        The raw table.
    key : dict
        What names the subject in it, such as ``order_id``.
    version : int, optional
        1 for the earliest version; None in a table without versions.
    origins : tuple of Origin
        The raw row, then exact copies of it, which count for nothing.
    occurred : dict
        Its own instants, by column: when it was ordered, cancelled, resolved, ...
    known_at : datetime, optional
        From when the company knew this version.
    amount : Any
        What it adds; for an extreme or a version, its value.
    looked_up : Any
        Where the feature is a column of the fact with the largest amount: the value of that column.
    starts_at, ends_at : datetime, optional
        From when and until when it counts; it never counts where the end is not after the start.
    start, end : str
        What makes it count from then ("known"), and no longer than that ("30 days since ordered").
    edge : str
        Over which edge it goes when it ends.
    label : str
        What the line is about, where the key does not tell.
    raw : dict
        The columns of the raw row.
    below : tuple of Line
        Rows of another table that belong to it: the items of an order, the order of an item.
    """

    table: str
    key: dict[str, Any]
    version: int | None = None
    origins: tuple[Origin, ...] = ()
    occurred: dict[str, datetime] = field(default_factory=dict)
    known_at: datetime | None = None
    amount: Any = None
    looked_up: Any = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    start: str = ""
    end: str = ""
    edge: str = ""
    label: str = ""
    raw: dict[str, Any] = field(default_factory=dict)
    below: tuple["Line", ...] = ()

    @property
    def subject(self) -> str:
        """What the line is about, in words: "order O1", "order O1 version 2"."""
        if self.label:
            return self.label
        kinds = {"support_tickets": "ticket", "order_items": "item"}
        kind = kinds.get(self.table, self.table.removesuffix("s"))
        version = f" version {self.version}" if (self.version or 1) > 1 else ""
        between = " line " if self.table == "order_items" else " "
        return f"{kind} {between.join(map(str, self.key.values()))}{version}"

    @property
    def name(self) -> tuple[Any, ...]:
        """What tells it from all other lines."""
        return (self.table, *self.key.values(), self.version)

    @property
    def next_name(self) -> tuple[Any, ...]:
        """The name of the subject's next version."""
        return (*self.name[:-1], (self.version or 0) + 1)

    @property
    def ever_counts(self) -> bool:
        """Whether there is any instant at which it counts."""
        return self.starts_at is not None and (self.ends_at is None or self.starts_at < self.ends_at)

    def counts_at(self, instant: datetime) -> bool:
        return self.ever_counts and self.has_started(instant) and not self.has_ended(instant)

    def has_started(self, instant: datetime) -> bool:
        return self.starts_at is not None and self.starts_at <= instant

    def has_ended(self, instant: datetime) -> bool:
        return self.ends_at is not None and self.ends_at <= instant

    def event_at(self, instant: datetime) -> str:
        """What happened to the subject at ``instant``, in a word; empty if nothing did."""
        names = [name for name, when in self.occurred.items() if when == instant]
        return names[0].removesuffix("_at") if names else ""


@dataclass(frozen=True)
class Outside:
    """A line that does not count at the as-of instant: over which edge it lies, why, and until when."""

    edge: str
    why: str
    at: datetime | None
    line: Line


@dataclass(frozen=True)
class Change:
    """An instant at which a value changed or will change, and what does it."""

    instant: datetime
    because: str


@dataclass(frozen=True)
class Findings:
    """What the raw rows come to for one feature at one instant.

    Parameters
    ----------
    kind : str
        total, earliest, latest, version (of the customer) or formula.
    value : Any
        What the rows come to; None is null.
    counted, outside : tuple
        The rows that make it, and the nearest that do not.
    since, until : Change, optional
        When the value, or what a formula uses, last changed and will next change, by all that is known.
    moves : bool
        Whether the value changes from instant to instant by itself, as days since an order do.
    """

    kind: str
    value: Any
    counted: tuple[Line, ...] = ()
    outside: tuple[Outside, ...] = ()
    since: Change | None = None
    until: Change | None = None
    moves: bool = False


@dataclass(frozen=True)
class Entry:
    """One value, with what makes it.

    Parameters
    ----------
    feature : Feature or OnDemand
    findings : Findings
        What the raw rows come to.
    published : Any
        The value in the build.
    parts : tuple of Entry
        What a formula uses.
    """

    feature: Feature | OnDemand
    findings: Findings
    published: Any
    parts: tuple["Entry", ...] = ()

    @property
    def formula(self) -> str | None:
        return self.feature.formula if isinstance(self.feature, OnDemand) else None

    @property
    def matches(self) -> bool:
        """Whether the raw rows come to the published value, here and in every part."""
        return is_equal(self.findings.value, self.published) and all(part.matches for part in self.parts)

    def first_mismatch(self) -> "Entry":
        """The entry, this or a part's, in which the two values first differ."""
        return next((part.first_mismatch() for part in self.parts if not part.matches), self)


@dataclass(frozen=True)
class Receipt:
    """One value of one customer at one instant, and what it was read from.

    Parameters
    ----------
    as_of : datetime
    build_id, load_id, data_clock
        The build that has the value, the raw load that it was made from, and its "now".
    first_known_at : datetime, optional
        When the first fact about the customer became known; None if none had by the data clock.
    is_appended : bool
        Whether several ingests brought the rows of the load.
    """

    customer_id: str
    as_of: datetime
    build_id: str
    load_id: str
    data_clock: datetime
    first_known_at: datetime | None
    entry: Entry
    is_appended: bool = False

    @property
    def matches(self) -> bool:
        return self.entry.matches

    @property
    def exists(self) -> bool:
        """Whether anything about the customer was known at the as-of instant."""
        return self.first_known_at is not None and self.first_known_at <= self.as_of

    def breach(self) -> str:
        """What is wrong where the two values differ, in a sentence."""
        entry = self.entry.first_mismatch()
        return (
            f"{self.build_id} says {entry.published} for {entry.feature.name} of {self.customer_id}, but the "
            f"raw rows of {self.load_id} come to {entry.findings.value}: a file of one of them was changed; "
            "run 'churn build --full-refresh', then 'churn audit'"
        )


def by_time(line: Line) -> tuple[Any, ...]:
    """The sort key of lines: when the fact occurred, was known and starts to count, then its key."""
    instants = (min(line.occurred.values(), default=None), line.known_at, line.starts_at, line.ends_at)
    return (*(instant or datetime.min for instant in instants), str(line.name))


def is_equal(value: Any, published: Any) -> bool:
    """Equal; fractions of on-demand features up to rounding."""
    # numpy and DuckDB may add in another order: 1e-12 is a thousand times the rounding of a double.
    if isinstance(value, float) and isinstance(published, float):
        return abs(value - published) <= 1e-12 * abs(published)
    return bool(value == published) and (value is None) == (published is None)
