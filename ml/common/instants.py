"""Instants: ISO 8601 text in, naive UTC ``datetime`` out, microseconds kept."""

from datetime import UTC, datetime


def parse_instant(text: str) -> datetime:
    """Read an instant that this product wrote; ``ml.common.instant_grammar`` reads what people write.

    Raises
    ------
    ValueError
        ``text`` is no instant.
    """
    instant = datetime.fromisoformat(text.strip())
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant


def format_instant(instant: datetime) -> str:
    """``instant`` as ISO 8601 with a Z, microseconds only where there are any."""
    return instant.isoformat(timespec="auto") + "Z"


def utc_now() -> datetime:
    """The wall clock, naive UTC; for records of what was done, never for a feature or a label."""
    return datetime.now(UTC).replace(tzinfo=None)
