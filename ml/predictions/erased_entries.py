"""Erased entries: emptied, with their links of the chain kept, and listed by a later entry of the chain.

The content of an erased entry can no longer be compared with its hash. So the hash must be the one that the
next entry follows, the entry must be empty, and an entry of kind ``erasure``, chained like any other, must
list it: an entry emptied or changed by any other hand is found.
"""

import json
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING

from ml.common.instants import format_instant, utc_now
from ml.common.sql import quoted
from ml.predictions.entries import ERASURE, NAMES, TOMBSTONE, Entry

if TYPE_CHECKING:
    from ml.predictions.log import PredictionLog

# What erasing writes in an entry's place.
EMPTIED = dict(zip(NAMES, astuple(TOMBSTONE), strict=True))
SOURCE = "forget"


@dataclass
class ErasedEntries:
    """The erased entries of a log, as a walk along the chain finds them.

    Parameters
    ----------
    found, listed : set of int
        Numbers of emptied entries, and of those that erasures list.
    """

    found: set[int] = field(default_factory=set)
    listed: set[int] = field(default_factory=set)

    def add(self, sequence: int, entry: Entry) -> str | None:
        """Note an emptied entry; the fault if it is not empty."""
        self.found.add(sequence)
        return None if entry == TOMBSTONE else f"entry {sequence} was erased, and written to afterwards"

    def expect(self, entry: Entry) -> None:
        """Note what an erasure lists."""
        if entry.kind == ERASURE:
            self.listed.update(json.loads(entry.features))

    def fault(self, since: int) -> str | None:
        """The first emptied entry that no erasure lists, or listed entry that is not empty.

        Parameters
        ----------
        since : int
            The number of the last pruned entry: erasures list some from before it.
        """
        if unlisted := self.found - self.listed:
            return f"entry {min(unlisted)} was emptied, and no erasure says so"
        if refilled := {sequence for sequence in self.listed - self.found if sequence > since}:
            return f"entry {min(refilled)} has content, though it was erased"
        return None


def erase_customers(log: "PredictionLog", customers: Iterable[str]) -> int:
    """Empty every entry of some customers, in one transaction; return how many they were.

    The file is rewritten afterwards, so that nothing of them stays in its free pages or its log.
    """
    keys = sorted(set(customers))
    marks = ", ".join("?" * len(keys))
    if not log.is_postgres:
        log.connection.execute("pragma secure_delete = on")
    with log.transaction(writes=True) as cursor:
        where = f"customer_id in ({marks})"
        cursor.execute(log.sql(f"select sequence from predictions where {where} order by sequence"), keys)
        sequences = [row[0] for row in cursor.fetchall()]
        if sequences:
            values = ", ".join(f"{quoted(name)} = ?" for name in EMPTIED)
            cursor.execute(
                log.sql(f"update predictions set {values} where {where}"), [*EMPTIED.values(), *keys]
            )
            now = format_instant(utc_now())
            listed = json.dumps(sequences, separators=(",", ":"))
            log.append_within(cursor, [Entry(ERASURE, now, SOURCE, features=listed, count=len(sequences))])
    rewrite(log)
    return len(sequences)


def rewrite(log: "PredictionLog") -> None:
    """Write the table anew, without the space of what was removed."""
    if log.is_postgres:
        log.connection.execute("vacuum full predictions")
        return
    log.connection.execute("vacuum")
    log.connection.execute("pragma wal_checkpoint(truncate)")


def count_of(log: "PredictionLog", customers: Iterable[str]) -> int:
    """How many entries of some customers a log has."""
    keys = sorted(set(customers))
    with log.transaction() as cursor:
        marks = ", ".join("?" * len(keys))
        cursor.execute(log.sql(f"select count(*) from predictions where customer_id in ({marks})"), keys)
        return int(cursor.fetchone()[0])
