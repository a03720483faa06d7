"""What a database must do to be the online store: the one interface of SQLite, PostgreSQL and Redis.

``store.py`` is Feast's plug-in over it; whoever wants rows, counts or a swap comes through that plug-in or
through ``status.py``, never to a database beside it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from feast import FeatureView

from ml.featurestore.online.rows import Keys, StoredRow, ViewReader


class Backend(ABC):
    """Rows of feature views in one database, by whole states.

    Every row has the join keys of its view, an event timestamp, when it was created if the source says so,
    and whether it was pushed. An older row never replaces a newer one: later means a later event timestamp,
    or the same and created later; of equal rows the last written stays.
    """

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Any]:
        """All changes within it, of any views, become visible together at its end, or never.

        A nested one is part of the outer one. What was changed in it can be read in it.
        """

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[Any]:
        """All reads within it are of one state.

        Raises
        ------
        StateChangedError
            By a read within it: the state has been replaced since it began; begin another.
        """

    @abstractmethod
    def alone(self) -> AbstractContextManager[None]:
        """A lock against other loads, of any process, which wait."""

    @abstractmethod
    def read(self, requests: Sequence[tuple[ViewReader, Keys]]) -> list[list[StoredRow]]:
        """For each request the row of each key: event timestamp and features; all None for an unknown key.

        All are of one state.
        """

    @abstractmethod
    def shape(self, view: FeatureView) -> None:
        """Make room for the rows of ``view``, or add and drop columns; it then counts as not materialized.

        Columns that stay keep their values.
        """

    @abstractmethod
    def fits(self, view: FeatureView) -> bool:
        """Whether the columns are as ``shape`` would leave them."""

    @abstractmethod
    def drop(self, name: str) -> None:
        """Remove all rows of a view, and its unfinished load."""

    @abstractmethod
    def push(self, view: FeatureView, features: Sequence[str], rows: list[list[Any]]) -> None:
        """Write pushed rows of some features; the other features keep their values.

        Parameters
        ----------
        rows : list of list
            Keys, event timestamp, created timestamp, the push mark, then ``features``.
        """

    @abstractmethod
    def materialized(self) -> dict[str, tuple[str, str]]:
        """View -> the source it was loaded from, and up to which instant."""

    @abstractmethod
    def sources(self) -> dict[str, str]:
        """View -> the source it was loaded from, for a reader; within a snapshot, of its state."""

    def is_outdated(self) -> bool:
        """Whether the state that the next snapshot would be of has been replaced; then it is the new one."""
        return False

    @abstractmethod
    def remembered(self, source: str) -> str | None:
        """Up to which instant a source was loaded last, even if another is loaded now."""

    @abstractmethod
    def mark(self, view: FeatureView, source: str, until: str) -> None:
        """Record that ``view`` was loaded from ``source`` up to an instant."""

    @abstractmethod
    def files_read(self, view: str) -> dict[str, Any] | None:
        """The fingerprint of the files that were read for a view outside a build."""

    @abstractmethod
    def note_files(self, view: str, fingerprint: dict[str, Any]) -> None:
        """Record what was read."""

    @abstractmethod
    def has_pushed(self, view: FeatureView) -> bool:
        """Whether ``view`` has pushed rows."""

    @abstractmethod
    def count(self, view: FeatureView) -> int:
        """The number of keys of ``view``."""

    @abstractmethod
    def forget(self, view: FeatureView, keys: Sequence[Sequence[Any]]) -> None:
        """Delete the rows of some keys that were not pushed, because the new rows may be older."""

    @abstractmethod
    def write(self, view: FeatureView, rows: Iterator[Sequence[Any]]) -> None:
        """Write rows of the compute engine: as ``push``, every feature."""

    @abstractmethod
    def resume(self, view: FeatureView, fingerprint: dict[str, Any]) -> dict[str, Any]:
        """Begin a load aside, or go on with an unfinished one of the same fingerprint.

        Returns
        -------
        dict
            ``last`` key (None at the beginning), number of ``rows``, ``whole`` or not.
        """

    @abstractmethod
    def load(self, view: FeatureView, rows: Iterator[Sequence[Any]]) -> None:
        """Write rows aside, where no reader sees them."""

    @abstractmethod
    def finish_load(self, view: FeatureView, rows: int) -> int:
        """Count the rows aside; record that they are whole if the count is ``rows``, else drop the load."""

    @abstractmethod
    def swap(self, view: FeatureView, with_pushed: bool) -> None:
        """Replace the rows of ``view`` by those aside, optionally with the pushed rows."""

    @abstractmethod
    def tidy(self) -> None:
        """Drop replaced rows and those of abandoned loads; called with the lock of ``alone``."""
