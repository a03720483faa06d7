"""``build.json``: what a finished build says of itself."""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ml.common.errors import NotReadyError, UsageError
from ml.common.instants import format_instant, parse_instant
from ml.common.json_files import read_json

FILE = "build.json"
NEEDED = ("build_id", "load_id", "data_clock")


def read_build_manifest(build: Path) -> dict[str, Any]:
    """What the build's manifest says.

    Raises
    ------
    DamagedError, NotReadyError
        It cannot be read, or is not there.
    """
    return read_json(build / FILE, "churn build", NEEDED)


def manifest_of(build: Path) -> dict[str, Any]:
    """What the build's manifest says, be it little; nothing when it is damaged."""
    try:
        return read_json(build / FILE, "churn build")
    except (OSError, NotReadyError):
        return {}


def write_build_manifest(build: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest, the last file of a build, in one step: a build without it was never finished."""
    fresh = build / f".{FILE}.new"
    fresh.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    os.replace(fresh, build / FILE)


def data_clock(build: Path) -> datetime:
    """The build's "now", naive UTC."""
    return parse_instant(read_build_manifest(build)["data_clock"])


def score_instant(build: Path) -> tuple[datetime, str]:
    """The instant to score at unless another is wanted, and why it is not the data clock, if so.

    Where orders end a day or more before the data clock it is until when they were delivered, for later
    nobody seems to order.
    """
    manifest = read_build_manifest(build)
    clock = parse_instant(manifest["data_clock"])
    delivered, orders = manifest.get("orders_delivered_until"), (manifest.get("clocks") or {}).get("orders")
    if not delivered or not orders or clock - parse_instant(orders) < timedelta(days=1):
        return clock, ""
    return parse_instant(delivered), (
        f"orders end at {orders}, before the data clock {manifest['data_clock']}: scored as of {delivered}, "
        "until when orders were delivered; --as-of takes another instant"
    )


def asked_instant(build: Path, as_of: datetime | None) -> datetime:
    """``as_of``, never after what the build knows; the build's data clock when not given.

    Raises
    ------
    UsageError
        ``as_of`` is after the data clock.
    """
    clock = data_clock(build)
    if as_of is not None and as_of > clock:
        raise UsageError(
            f"--as-of {format_instant(as_of)} is after the data clock of {build.name}, "
            f"{format_instant(clock)}: ask for an earlier instant, or ingest newer data and build"
        )
    return as_of or clock
