"""Who owns what was delivered under a key, at any instant: each merge that is known by then is followed.

Nothing is cut into pieces here: a question at an instant is answered by walking from key to key.
"""

from datetime import datetime
from typing import Any, NamedTuple

import duckdb

Fact = tuple[str, datetime, datetime | None]


class Merge(NamedTuple):
    """Into whom a customer merged, and when the systems recorded it."""

    into: str
    recorded_at: datetime


class Merges:
    """The merges of a world.

    Parameters
    ----------
    connection : duckdb connection
        With the table ``customer_merges``.
    known_by : datetime
        Merges recorded later are not known yet.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, known_by: datetime = datetime.max) -> None:
        rows = connection.execute(
            "select old_customer_id, new_customer_id, recorded_at from customer_merges"
        ).fetchall()
        self.of: dict[str, Merge] = {old: Merge(new, at) for old, new, at in rows if at <= known_by}
        self.joined: dict[str, list[str]] = {}
        for old, merge in self.of.items():
            self.joined.setdefault(merge.into, []).append(old)

    def owner(self, key: str, instant: datetime) -> str:
        """Who owns at ``instant`` what was delivered under ``key``."""
        while key in self.of and self.of[key].recorded_at <= instant:
            key = self.of[key].into
        return key

    def has_merged(self, customer: str, instant: datetime) -> bool:
        return customer in self.of and self.of[customer].recorded_at <= instant

    def keys_of(self, customer: str, instant: datetime) -> list[str]:
        """The keys whose facts the customer owns at ``instant``."""
        if self.has_merged(customer, instant):
            return []
        keys = [customer]
        for key in keys:
            keys += [old for old in self.joined.get(key, ()) if self.of[old].recorded_at <= instant]
        return keys

    def chain(self, key: str) -> list[tuple[str, datetime]]:
        """Every customer to whom a key leads, each with the merge that leads there."""
        found = []
        while key in self.of:
            found.append((self.of[key].into, self.of[key].recorded_at))
            key = self.of[key].into
        return found


def first_known(connection: duckdb.DuckDBPyConnection, merges: Merges) -> dict[str, datetime]:
    """When the first fact that was ever a customer's became known, by customer.

    A fact is its owner's when a version of it becomes known; at a merge, what has come and was not deleted by
    then is the new owner's.
    """
    first: dict[str, datetime] = {}

    def becomes_known(customer: str, at: datetime) -> None:
        first[customer] = min(at, first.get(customer, at))

    about_customers = """
        select customer_id, registered_at from registrations
        union all
        select customer_id, coalesce(updated_at, registered_at) from customers
    """
    for customer, at in connection.execute(about_customers).fetchall():
        if not merges.has_merged(customer, at):
            becomes_known(customer, at)
    for table, key in (("orders", "order_id"), ("support_tickets", "ticket_id"), ("sessions", "session_id")):
        query = f"select {key}, customer_id, known_at, deleted_at from {table}_versions order by version_at"
        versions: dict[tuple[str, str], list[tuple[datetime, datetime | None]]] = {}
        for fact, customer, at, deleted_at in connection.execute(query).fetchall():
            versions.setdefault((fact, customer), []).append((at, deleted_at))
        for (_, customer), known in versions.items():
            for at, _ in known:
                becomes_known(merges.owner(customer, at), at)
            for _, merged_at in merges.chain(customer):
                held = [deleted_at for at, deleted_at in known if at <= merged_at][-1:]
                if held and (held[0] is None or held[0] > merged_at):
                    becomes_known(merges.owner(customer, merged_at), merged_at)
    return first


def create_first_known(connection: duckdb.DuckDBPyConnection, merges: Merges) -> None:
    """Create `first_known`: each customer who ever has a fact, and when the first became known."""
    create(
        connection,
        "first_known (customer_id varchar, first_known_at timestamp)",
        list(first_known(connection, merges).items()),
    )


def create_owned_keys(connection: duckdb.DuckDBPyConnection, merges: Merges) -> None:
    """Create `owned_keys`: for each row of `existing` the keys its customer owns; and `merged`, its rows."""
    rows = connection.execute("select asked_row, customer_id, t from existing").fetchall()
    owned = [(row, key) for row, customer, t in rows for key in merges.keys_of(customer, t)]
    merged = [(row,) for row, customer, t in rows if merges.has_merged(customer, t)]
    create(connection, "owned_keys (asked_row bigint, key varchar)", owned)
    create(connection, "merged (asked_row bigint)", merged)


def create_owners(
    connection: duckdb.DuckDBPyConnection, merges: Merges, cut_offs: list[datetime], clock: datetime
) -> None:
    """Create `owners`: who owns each merged key at each cut-off, and in the end."""
    rows = [
        (key, cut_off, merges.owner(key, cut_off), merges.owner(key, clock))
        for key in merges.of
        for cut_off in cut_offs
    ]
    create(connection, "owners (key varchar, cut_off timestamp, owner varchar, final_owner varchar)", rows)


def create(connection: duckdb.DuckDBPyConnection, table: str, rows: list[tuple[Any, ...]]) -> None:
    """Create a table with the rows."""
    connection.execute(f"create table {table}")
    name, columns = table.split(" ", 1)[0], table.count(",") + 1
    if rows:
        lists = ", ".join(f"unnest($c{number})" for number in range(columns))
        values = {f"c{number}": [row[number] for row in rows] for number in range(columns)}
        connection.execute(f"insert into {name} select {lists}", values)
