"""Rows in Redis: a hash for each load of a view, a field for each key; a row is one text.

One writer at a time: it collects its changes, and one MULTI makes them. A read is one script, which compares
the version of the state first.
"""

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import redis

from ml.common.errors import StateChangedError, UsageError
from ml.featurestore.online.redis_lock import LOCK_SECONDS, Lock
from ml.featurestore.online.redis_texts import (
    LINE,
    VALUES,
    arranged,
    decoded,
    field_of,
    is_later,
    is_pushed,
    json_of,
    key_of_field,
    places_of,
    text_of,
)
from ml.featurestore.online.server_address import TIMEOUT_SECONDS, Address
from ml.featurestore.online.server_rows import Column, Document, ReadPlan, Rows, State, Table, document_of

# Rows of any number of hashes for the same fields, or nothing if the state has another version. The limit of
# what Lua passes at a time is 8,000.
READ = """
if redis.call('hget', KEYS[1], 'version') ~= ARGV[1] then return nil end
local found = {}
for table = 2, #KEYS do
    for first = 2, #ARGV, 5000 do
        local some = redis.call('hmget', KEYS[table], unpack(ARGV, first, math.min(first + 4999, #ARGV)))
        for index = 1, #some do found[#found + 1] = some[index] end
    end
end
return found
"""
ROWS_AT_ONCE = 5_000  # of one pipeline
SOCKET_SECONDS = 60  # a MULTI of a large increment takes a second


@dataclass
class Changes:
    """What one transaction will do: per table field -> row (None deletes it); and tables to drop."""

    token: str
    rows: dict[str, dict[str, str | None]] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)


class RedisRows(Rows):
    """Rows under one prefix.

    Parameters
    ----------
    address : Address

    Raises
    ------
    UsageError
        The URL cannot be read.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        try:
            self.client = redis.Redis.from_url(
                address.url,
                decode_responses=True,
                socket_connect_timeout=TIMEOUT_SECONDS,
                socket_timeout=SOCKET_SECONDS,
                # a connection that the server ended is opened again, once
                retry_on_error=[redis.ConnectionError],
            )
        except ValueError as error:
            raise UsageError(f"the URL of the online store {address} cannot be read") from error
        # in braces, so that a cluster keeps a home in one place
        self._prefix = f"{{{address.namespace}}}"
        self._state = f"{self._prefix}:state"
        self._read = self.client.register_script(READ)
        self._local = threading.local()

    def close(self) -> None:
        self.client.close()
        self.client.connection_pool.disconnect()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Say what a failing server says in one sentence."""
        try:
            yield
        except redis.RedisError as error:
            raise self.address.unavailable(error) from error

    def state(self) -> State:
        with self._failures():
            version, document = self.client.hmget(self._state, "version", "document")
        return State(int(version), document_of(document, self.address)) if version else State(0, Document())

    @property
    def _changes(self) -> Changes | None:
        return getattr(self._local, "changes", None)

    def _changing(self) -> Changes:
        if self._changes is None:
            raise RuntimeError("rows are written within a transaction")
        return self._changes

    def begin(self) -> None:
        self._local.lock = lock = Lock(self.client, self._key("lock:writer"), self.address)
        with self._failures():
            lock.take()
        self._local.changes = Changes(lock.token)

    def commit(self, state: State | None) -> None:
        changes = self._changing()
        self._local.lock.stop()
        with self._failures(), self.client.pipeline() as pipeline:
            # The lock is watched, so that a writer whose lock ran out changes nothing.
            pipeline.watch(self._key("lock:writer"))
            if pipeline.get(self._key("lock:writer")) != changes.token:
                raise self._overtaken()
            pipeline.multi()
            for name, rows in changes.rows.items():
                self._write(pipeline, name, rows)
            if state is not None:
                document = json.dumps(asdict(state.document), ensure_ascii=False)
                pipeline.hset(self._state, mapping={"version": state.version, "document": document})
            for name in changes.dropped:
                pipeline.unlink(self._rows(name), self._pushed(name))
            pipeline.delete(self._key("lock:writer"))
            try:
                pipeline.execute()
            except redis.WatchError as error:
                raise self._overtaken() from error
        self._local.changes = None

    def _overtaken(self) -> StateChangedError:
        return StateChangedError(
            f"another process wrote to the online store {self.address}, for this one did not answer for "
            f"{LOCK_SECONDS} seconds; nothing was changed: run it again"
        )

    def rollback(self) -> None:
        self._local.changes = None
        self._local.lock.stop()
        self._local.lock.release()

    @contextmanager
    def alone(self) -> Iterator[None]:
        lock = Lock(self.client, self._key("lock:load"), self.address)
        with self._failures():
            lock.take(wait_seconds=float("inf"))
        try:
            yield
        finally:
            lock.stop()
            lock.release()

    def create(self, table: Table) -> None:
        """Nothing: a hash begins with its first field."""

    def reshape(self, table: Table, columns: list[Column], new_name: str) -> Table:
        """The same hash: columns that go leave their place, new ones come at the end of the row."""
        wanted = dict(columns)
        places: list[Column | None] = [
            (column[0], column[1]) if column and wanted.get(column[0]) == column[1] else None
            for column in table["columns"]
        ]
        places += [column for column in columns if column not in places]
        return {"name": table["name"], "keys": table["keys"], "columns": places}

    def drop(self, name: str) -> None:
        changes = self._changing()
        changes.dropped.append(name)
        changes.rows.pop(name, None)

    def insert(self, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        """Write aside at once: no reader knows the table, and a load that is not recorded begins again."""
        width, lines = len(table["keys"]), {}
        for row in rows:
            lines[field_of(row[:width])] = text_of(row[width:][:3], map(json_of, row[width + 3 :]))
        with self._failures():
            items = list(lines.items())
            for first in range(0, len(items), ROWS_AT_ONCE):
                self.client.hset(self._rows(table["name"]), mapping=dict(items[first : first + ROWS_AT_ONCE]))

    def upsert(
        self, table: Table, features: Sequence[str], rows: Iterable[Sequence[Any]], wins_ties: bool = True
    ) -> None:
        width, names = len(table["keys"]), [column[0] if column else None for column in table["columns"]]
        places = [names.index(name) for name in features]
        written = list(rows)
        stored = self._stored(table["name"], [field_of(row[:width]) for row in written])
        changed = self._changing().rows.setdefault(table["name"], {})
        for row in written:
            name = field_of(row[:width])
            before = changed.get(name, stored[name])
            lines = before[VALUES:].split(LINE) if before else []
            lines += ["null"] * (len(names) - len(lines))
            for place, value in zip(places, row[width + 3 :], strict=True):
                lines[place] = json_of(value)
            text = text_of(row[width:][:3], lines)
            if before is None or is_later(text, before, wins_ties):
                changed[name] = text

    def copy_pushed(self, old: Table, new: Table) -> None:
        names = {column[0]: place for place, column in enumerate(old["columns"]) if column}
        places = [names.get(column[0]) if column else None for column in new["columns"]]
        pushed = {name: row for name, row in self._pushed_rows(old["name"]).items() if row}
        stored = self._stored(new["name"], list(pushed))
        changed = self._changing().rows.setdefault(new["name"], {})
        for name, row in pushed.items():
            lines = row[VALUES:].split(LINE)
            kept = [lines[place] if place is not None and place < len(lines) else "null" for place in places]
            text = row[:VALUES] + LINE.join(kept)
            before = changed.get(name, stored[name])
            if before is None or is_later(text, before, wins_ties=False):
                changed[name] = text

    def delete(self, table: Table, keys: Iterable[Sequence[Any]]) -> None:
        names = [field_of(key) for key in keys]
        stored = self._stored(table["name"], names)
        changed = self._changing().rows.setdefault(table["name"], {})
        for name in names:
            row = changed.get(name, stored[name])
            if row is not None and not is_pushed(row):
                changed[name] = None

    def count(self, table: Table) -> int:
        with self._failures():
            count: int = self.client.hlen(self._rows(table["name"]))
        changed = self._changes.rows.get(table["name"], {}) if self._changes else {}
        before = self._present(table["name"], list(changed))
        return count + sum((row is not None) - before[name] for name, row in changed.items())

    def has_pushed(self, table: Table) -> bool:
        return any(self._pushed_rows(table["name"]).values())

    def _pushed_rows(self, name: str) -> dict[str, str | None]:
        """The pushed rows of a table, as this transaction has changed them."""
        with self._failures():
            fields = list(self.client.smembers(self._pushed(name)))
        changed = self._changes.rows.get(name, {}) if self._changes else {}
        rows = self._stored(name, fields) | changed
        return {each: row for each, row in rows.items() if row and is_pushed(row)}

    def _stored(self, name: str, fields: list[str]) -> dict[str, str | None]:
        rows: dict[str, str | None] = {}
        with self._failures():
            for first in range(0, len(fields), ROWS_AT_ONCE):
                some = fields[first : first + ROWS_AT_ONCE]
                rows |= zip(some, self.client.hmget(self._rows(name), some), strict=True)
        return rows

    def _present(self, name: str, fields: list[str]) -> dict[str, bool]:
        return {each: row is not None for each, row in self._stored(name, fields).items()}

    def _write(self, pipeline: Any, name: str, rows: dict[str, str | None]) -> None:
        """Queue the changed rows of a table, and the set of its pushed ones."""
        present = {each: row for each, row in rows.items() if row is not None}
        gone = [each for each, row in rows.items() if row is None]
        pushed = [each for each, row in present.items() if is_pushed(row)]
        others = [*gone, *(each for each, row in present.items() if not is_pushed(row))]
        for command, key, some in (
            (pipeline.hdel, self._rows(name), gone),
            (pipeline.sadd, self._pushed(name), pushed),
            (pipeline.srem, self._pushed(name), others),
        ):
            for first in range(0, len(some), ROWS_AT_ONCE):
                command(key, *some[first : first + ROWS_AT_ONCE])
        items = list(present.items())
        for first in range(0, len(items), ROWS_AT_ONCE):
            pipeline.hset(self._rows(name), mapping=dict(items[first : first + ROWS_AT_ONCE]))

    def read(self, plan: ReadPlan, keys: Sequence[tuple[Any, ...]]) -> list[list[Sequence[Any]]] | None:
        if not keys:
            return [[] for _ in plan.tables]
        names = plan.prepared.get("names")
        if names is None:
            names = [self._state, *(self._rows(table["name"]) for table, _ in plan.tables)]
            plan.prepared["names"] = names
            plan.prepared["places"] = [places_of(table, features) for table, features in plan.tables]
        fields = list(map(field_of, keys))
        with self._failures():
            texts = self._run_read(names, [plan.version, *fields])
        if texts is None:
            return None
        rows, size = decoded(texts), len(fields)
        return [
            arranged(rows[number * size : (number + 1) * size], places)
            for number, places in enumerate(plan.prepared["places"])
        ]

    def _run_read(self, names: list[str], arguments: list[Any]) -> list[str | None] | None:
        try:
            return self.client.evalsha(self._read.sha, len(names), *names, *arguments)
        except redis.exceptions.NoScriptError:  # the server was started since
            return self._read(names, arguments)

    def all_rows(self, table: Table, features: Sequence[str]) -> Iterator[Sequence[Any]]:
        seen: set[str] = set()
        cursor = 0
        while True:
            with self._failures():
                cursor, some = self.client.hscan(self._rows(table["name"]), cursor, count=ROWS_AT_ONCE)
            # a scan may give a row twice
            fresh = {name: text for name, text in some.items() if name not in seen}
            seen |= fresh.keys()
            rows = arranged(decoded(list(fresh.values())), places_of(table, features))
            for name, row in zip(fresh, rows, strict=True):
                yield (*key_of_field(name), *row)
            if not cursor:
                return

    def count_keys(self, table: Table, keys: Sequence[Sequence[Any]]) -> int:
        return sum(self._present(table["name"], list(map(field_of, keys))).values())

    def erase(self, tables: Sequence[Table], key: str, values: Sequence[str]) -> int:
        erased = 0
        for table in tables:
            names = [name for name, _ in table["keys"]]
            if names == [key]:
                fields = [field_of([value]) for value in values]
            else:
                place, gone = names.index(key), set(values)
                with self._failures():
                    every = self.client.hscan_iter(self._rows(table["name"]), count=ROWS_AT_ONCE)
                    fields = [each for each, _ in every if key_of_field(each)[place] in gone]
            if fields:
                with self._failures():
                    erased += self.client.hdel(self._rows(table["name"]), *fields)
                    self.client.srem(self._pushed(table["name"]), *fields)
        return erased

    def bytes_used(self) -> int:
        with self._failures():
            keys = list(self.client.scan_iter(f"{self._prefix.replace('[', '?')}:*", count=1000))
            return sum(self.client.memory_usage(key) or 0 for key in keys)

    def _key(self, name: str) -> str:
        return f"{self._prefix}:{name}"

    def _rows(self, name: str) -> str:
        return f"{self._prefix}:rows:{name}"

    def _pushed(self, name: str) -> str:
        return f"{self._prefix}:pushed:{name}"
