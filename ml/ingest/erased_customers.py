"""Rows of erased customers: which keys of a batch are theirs, so that the rows are rejected without content.

A query of a batch's typed rows comes in; the SQL condition of an erased row goes out.
"""

from pathlib import Path

import duckdb

from ml.home.erased_keys import ErasedKeys
from ml.ingest.batch import relation_of
from ml.ingest.contract import Table
from ml.ingest.declaration import parent_of

REASON = "customer was erased"


def erased_condition(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    typed: str,
    names: list[str],
    erased: ErasedKeys,
    folder: Path,
) -> str | None:
    """The SQL condition that a row belongs to an erased customer; None if there can be none.

    Parameters
    ----------
    typed : str
        A query of the batch's typed rows.
    names : list of str
        Its columns.
    folder : Path
        The folder of the tables already accepted.
    """
    if not erased.customer_hashes:
        return None
    hashes = {name: keys for name, keys in hashes_of(table, erased).items() if name in names}
    connection.execute(f"create or replace temp table erased_{table.name} (name varchar, key varchar)")
    for name, known in hashes.items():
        rows = connection.execute(f"select distinct {name} from ({typed}) where {name} is not null")
        found = erased.erased_among([key for (key,) in rows.fetchall()], known)
        connection.execute(f"insert into erased_{table.name} select ?, unnest(?::varchar[])", [name, found])
    if parent := parent_of(table):
        # Rows of a customer erased before that came with new keys in this ingest, which nobody else has.
        key, accepted = parent.key[0], relation_of(folder / parent.name)
        connection.execute(
            f"insert into erased_{table.name} select ?, {key} from read_{parent.name} "
            f"where _fault = '{REASON}' and {key} not in (select {key} from {accepted})",
            [table.referring[0]],
        )
    return " or ".join(
        f"coalesce({name} in (select key from erased_{table.name} where name = '{name}'), false)"
        for name in hashes
    )


def hashes_of(table: Table, erased: ErasedKeys) -> dict[str, frozenset[str]]:
    """The columns that tell an erased customer's row, and the hashes of the keys that do."""
    if table.merges:
        return dict.fromkeys(table.referring, erased.customer_hashes)
    if parent := parent_of(table):
        return {table.referring[0]: erased.row_hashes(parent.name)}
    own = erased.row_hashes(table.name)
    # A row that deletes another need not repeat whose it is.
    return {str(table.customer): erased.customer_hashes} | ({table.key[0]: own} if own else {})


__all__ = ["REASON", "erased_condition"]
