"""What the online store has materialized, read without Feast: the build and the instant of each view."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ml.common.paths import online_file
from ml.featurestore.online.server_address import online_address
from ml.featurestore.online.server_rows import rows_at
from ml.featurestore.online.whole_state import damage_as_error, whole_state


@dataclass(frozen=True)
class OnlineView:
    """A view in the store: the build it was loaded from, and its as-of instant, naive UTC."""

    view: str
    build: str
    until: datetime


def online_builds(home: Path) -> dict[str, datetime]:
    """Build -> the latest as-of instant of its views, naive UTC.

    Empty if nothing is online. There is more than one build only if single views were materialized by hand.
    """
    views = online_views(home)
    return {view.build: max(other.until for other in views if other.build == view.build) for view in views}


def online_views(home: Path) -> list[OnlineView]:
    """Every view that is online; empty if there is none.

    Raises
    ------
    OnlineDamagedError
        The file is no database, or a damaged one.
    OnlineUnavailableError
        The server does not answer.
    """
    with whole_state(home) as state:
        loaded = state.loaded() if state else []
    return [
        # a source is <build>/features/<model>
        OnlineView(view, Path(source).parents[1].name, datetime.fromisoformat(until))
        for view, source, until in loaded
    ]


def online_size(home: Path) -> str:
    """How much room the store takes, and where it is if that is a server."""
    address = online_address(home)
    size = rows_at(address).bytes_used() if address else online_file(home).stat().st_size
    return f"{size / 1024**2:.1f} MiB" + (f" in {address}" if address else "")


__all__ = ["OnlineView", "damage_as_error", "online_builds", "online_size", "online_views"]
