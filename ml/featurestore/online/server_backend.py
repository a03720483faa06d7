"""The online store on a server: tables of rows, and one document that points to those that readers see.

A swap, and a rollback, is one change of the document. A reader keeps the document it knows and says its
version with every read, so that a read is one round trip; where the version is another it begins again.
"""

import copy
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from feast import FeatureView

from ml.common.errors import NotOnlineError, StateChangedError
from ml.featurestore.online.backend import Backend
from ml.featurestore.online.rows import Keys, StoredRow, ViewReader
from ml.featurestore.online.server_address import Address
from ml.featurestore.online.server_rows import (
    Column,
    Document,
    ReadPlan,
    Rows,
    State,
    Table,
    loaded_views,
    open_rows,
)
from ml.featurestore.online.sqlite_backend import no_key
from ml.featurestore.online.table_names import check_columns
from ml.featurestore.online.value_kinds import key_kinds, kinds

TRIES = 20  # of one read; each fails only where another state was published within its millisecond


@dataclass
class Work:
    """A transaction that has begun: the state before it, and the document as it will be."""

    before: State
    document: Document


class ServerBackend(Backend):
    """Rows on a server.

    Parameters
    ----------
    address : Address
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.rows: Rows = open_rows(address)
        self._known: State | None = None
        self._local = threading.local()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._work is not None:
            yield
            return
        self.rows.begin()
        try:
            before = self.rows.state()
            self._local.work = work = Work(before, copy.deepcopy(before.document))
            yield
            self.rows.commit(changed(work))
        except BaseException:
            with suppress(Exception):  # the first error tells more than that of a dead connection
                self.rows.rollback()
            raise
        finally:
            self._local.work = None

    @contextmanager
    def snapshot(self) -> Iterator[State]:
        pinned: State | None = getattr(self._local, "pinned", None)
        if pinned is not None:
            yield pinned
            return
        self._local.pinned = self._known or self._look()
        try:
            yield self._local.pinned
        finally:
            self._local.pinned = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        if getattr(self._local, "is_alone", False):
            yield
            return
        with self.rows.alone():
            self._local.is_alone = True
            try:
                yield
            finally:
                self._local.is_alone = False

    def read(self, requests: Sequence[tuple[ViewReader, Keys]]) -> list[list[StoredRow]]:
        pinned: State | None = getattr(self._local, "pinned", None)
        for _ in range(TRIES):
            state = pinned or self._known or self._look()
            rows = self._read(state, requests)
            if rows is not None:
                return rows
            self._known = None
            if pinned is not None:
                break
        raise StateChangedError(f"the online store {self.address} was changed meanwhile: ask again")

    def _read(
        self, state: State, requests: Sequence[tuple[ViewReader, Keys]]
    ) -> list[list[StoredRow]] | None:
        """The rows of all requests, those of one list of keys together; None if there is another state."""
        answers: list[list[StoredRow]] = [[] for _ in requests]
        together: dict[int, list[int]] = {}
        for index, (_, keys) in enumerate(requests):
            together.setdefault(id(keys), []).append(index)
        for indexes in together.values():
            readers, keys = [requests[index][0] for index in indexes], requests[indexes[0]][1]
            plan = self._plan(state, readers)
            if plan is None:
                return None
            plain: list[tuple[Any, ...]] = (
                [(key,) for key in keys] if len(readers[0].keys) == 1 else [key or () for key in keys]
            )
            found = self.rows.read(plan, plain)
            if found is None:
                return None
            for index, rows in zip(indexes, found, strict=True):
                answers[index] = rows
        return answers

    def _plan(self, state: State, readers: Sequence[ViewReader]) -> ReadPlan | None:
        """How to read for some readers, made once for a version; None if there is another state."""
        first = readers[0]
        made: tuple[list[ViewReader], ReadPlan] | None = first.prepared
        if made is not None and made[1].version == state.version and made[0] == readers:
            return made[1]
        try:
            plan = ReadPlan(state.version, [self._table_to_read(state, reader) for reader in readers])
        except NotOnlineError:
            if self._look().version != state.version:
                return None
            raise
        first.prepared = list(readers), plan
        return plan

    def _table_to_read(self, state: State, reader: ViewReader) -> tuple[Table, Sequence[str]]:
        if not state.version:
            raise NotOnlineError(f"nothing is online yet in {self.address}: run 'churn materialize' first")
        table = state.document.views.get(reader.view.name)
        columns = dict(column for column in table["columns"] if column) if table else {}
        for name, kind in zip(reader.features, reader.kinds, strict=True):
            if columns.get(name) != kind.name:
                raise NotOnlineError(
                    f"{reader.view.name} has no column {name} online yet: run 'churn materialize'"
                )
        if table is None:
            raise NotOnlineError(f"{reader.view.name} is not online yet: run 'churn materialize'")
        return table, reader.features

    def _look(self) -> State:
        """The present state, which is remembered."""
        self._known = state = self.rows.state()
        return state

    @property
    def _work(self) -> Work | None:
        return getattr(self._local, "work", None)

    @property
    def _document(self) -> Document:
        """The document: as changed so far in a transaction, else the present one."""
        return self._work.document if self._work is not None else self._look().document

    @contextmanager
    def _changing(self) -> Iterator[Document]:
        with self.transaction():
            yield self._document

    def shape(self, view: FeatureView) -> None:
        check_columns(view)
        keys, columns = key_columns(view), feature_columns(view)
        known = self._document.views.get(view.name)
        if known is not None and is_like(known, view):
            return
        with self._changing() as document:
            table = document.views.get(view.name)
            if table is None or pairs(table["keys"]) != keys:
                if table is not None:
                    self.drop(view.name)
                table = document.views[view.name] = {
                    "name": document.new_name(view.name),
                    "keys": keys,
                    "columns": list(columns),
                }
                self.rows.create(table)
                return
            reshaped = self.rows.reshape(table, columns, document.new_name(view.name))
            if reshaped["name"] != table["name"]:
                document.old.append(table["name"])
            document.views[view.name] = reshaped

    def fits(self, view: FeatureView) -> bool:
        table = self._document.views.get(view.name)
        return table is not None and is_like(table, view)

    def drop(self, name: str) -> None:
        with self._changing() as document:
            table, load = document.views.pop(name, None), document.loading.pop(name, None)
            document.old += [each["name"] for each in (table, load and load["table"]) if each]

    def push(self, view: FeatureView, features: Sequence[str], rows: list[list[Any]]) -> None:
        with self._changing() as document:
            self.rows.upsert(document.views[view.name], features, rows)

    def materialized(self) -> dict[str, tuple[str, str]]:
        return loaded_views(self._document)

    def sources(self) -> dict[str, str]:
        pinned: State | None = getattr(self._local, "pinned", None)
        document = pinned.document if pinned else self._document
        return {view: source for view, (source, _) in loaded_views(document).items()}

    def is_outdated(self) -> bool:
        known = self._known
        return known is not None and self._look().version != known.version

    def remembered(self, source: str) -> str | None:
        return self._document.remembered.get(source)

    def mark(self, view: FeatureView, source: str, until: str) -> None:
        with self._changing() as document:
            self.shape(view)
            document.views[view.name] |= {"source": source, "until": until}
            document.remembered[source] = until

    def files_read(self, view: str) -> dict[str, Any] | None:
        return self._document.views.get(view, {}).get("files")

    def note_files(self, view: str, fingerprint: dict[str, Any]) -> None:
        with self._changing() as document:
            document.views[view]["files"] = json.loads(json.dumps(fingerprint))

    def has_pushed(self, view: FeatureView) -> bool:
        return self.rows.has_pushed(self._document.views[view.name])

    def count(self, view: FeatureView) -> int:
        return self.rows.count(self._document.views[view.name])

    def forget(self, view: FeatureView, keys: Sequence[Sequence[Any]]) -> None:
        with self._changing() as document:
            self.rows.delete(document.views[view.name], keys)

    def write(self, view: FeatureView, rows: Iterator[Sequence[Any]]) -> None:
        with self._changing() as document:
            self.rows.upsert(document.views[view.name], list(kinds(view)), checked(view, rows))

    def resume(self, view: FeatureView, fingerprint: dict[str, Any]) -> dict[str, Any]:
        keys, columns = key_columns(view), feature_columns(view)
        text = json.dumps([fingerprint, keys, columns], sort_keys=True)
        known = self._document.loading.get(view.name)
        if known and known["fingerprint"] == text:
            last = tuple(known["last"]) if known["last"] else None
            return {"last": last, "rows": known["rows"], "whole": known["whole"]}
        with self._changing() as document:
            if known:
                document.old.append(document.loading.pop(view.name)["table"]["name"])
            table: Table = {
                "name": document.new_name(view.name),
                "keys": keys,
                "columns": list(columns),
            }
            self.rows.create(table)
            document.loading[view.name] = {
                "fingerprint": text,
                "table": table,
                "last": None,
                "rows": 0,
                "whole": False,
            }
        return {"last": None, "rows": 0, "whole": False}

    def load(self, view: FeatureView, rows: Iterator[Sequence[Any]]) -> None:
        with self._changing() as document:
            load, some = document.loading[view.name], list(checked(view, rows))
            self.rows.insert(load["table"], some)
            if some:
                last = list(some[-1][: len(view.join_keys)])
                # a key that JSON has no form for is not gone on after: the load begins again
                load["last"] = last if all(isinstance(key, str | int | float) for key in last) else None
            load["rows"] += len(some)
            if load["last"] is None:
                load["fingerprint"] = ""

    def finish_load(self, view: FeatureView, rows: int) -> int:
        present = self.rows.count(self._document.loading[view.name]["table"])
        with self._changing() as document:
            if present == rows:
                document.loading[view.name]["whole"] = True
            else:
                document.old.append(document.loading.pop(view.name)["table"]["name"])
        return present

    def swap(self, view: FeatureView, with_pushed: bool) -> None:
        with self._changing() as document:
            self.shape(view)
            old, new = document.views[view.name], document.loading.pop(view.name)["table"]
            if with_pushed:
                self.rows.copy_pushed(old, new)
            document.old.append(old["name"])
            records = {name: old[name] for name in ("source", "until", "files") if name in old}  # type: ignore[literal-required]
            document.views[view.name] = new | records  # type: ignore[assignment]

    def tidy(self) -> None:
        if self._work is not None or not (self._document.old or self._document.loading):
            return
        with self._changing() as document:
            for name in [*document.old, *(load["table"]["name"] for load in document.loading.values())]:
                self.rows.drop(name)
            document.old, document.loading = [], {}


def changed(work: Work) -> State | None:
    """The state after a transaction; None if it is that before it."""
    before, document = work.before, work.document
    if before.version and document == before.document:
        return None
    is_seen = not before.version or document.views != before.document.views
    return State(before.version + is_seen, document)


def key_columns(view: FeatureView) -> list[Column]:
    return [(name, kind.name) for name, kind in key_kinds(view).items()]


def feature_columns(view: FeatureView) -> list[Column]:
    return [(name, kind.name) for name, kind in kinds(view).items()]


def is_like(table: Table, view: FeatureView) -> bool:
    """Whether a table has the keys and columns of ``view``, in any order."""
    columns = [column for column in table["columns"] if column]
    return pairs(table["keys"]) == key_columns(view) and dict(columns) == dict(feature_columns(view))


def pairs(columns: Sequence[Column]) -> list[Column]:
    """Columns as tuples, for JSON makes lists of them."""
    return [(name, type_) for name, type_ in columns]


def checked(view: FeatureView, rows: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """Rows, each with a key.

    Raises
    ------
    FeatureError
        A key is NaN, which equals nothing.
    """
    width = len(view.join_keys)
    for row in rows:
        if any(key is None or key != key for key in row[:width]):
            raise no_key(view.name)
        yield row
