"""Columns of a change log that mark a row as deleted: they are named, with the column of the contract."""

from collections.abc import Iterable

# op of Debezium and Oracle GoldenGate, __deleted of its unwrapped records, _change_type of Delta's feed
MARKS = frozenset({"op", "_op", "__op", "op_type", "__deleted", "_deleted", "is_deleted", "_change_type"})


def note_on_change_log(name: str, extras: Iterable[str]) -> str | None:
    """What is said of a table that comes with such columns."""
    found = [column for column in extras if column.lower() in MARKS]
    if not found:
        return None
    return (
        f"{name}: not used, though it looks like a change log's: {', '.join(found)}; rows marked as deleted "
        "there count like any other: give deleted_at in the rows that delete, the instant of the deletion"
    )
