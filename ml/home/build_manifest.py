"""``build.json``, the manifest of a finished build."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ml.common.durable_files import replace_file
from ml.common.errors import NotReadyError, UsageError
from ml.common.instants import format_instant, parse_instant
from ml.common.json_files import read_json
from ml.config.problem import LabelTerms

FILE = "build.json"
REQUIRED = ("build_id", "load_id", "data_clock")
# Whether an erased customer had the first or the last instant of the build: then its clocks hold no longer.
AN_END_ERASED = "an_end_was_erased"


def read_build_manifest(build: Path) -> dict[str, Any]:
    """Read the build's manifest.

    Raises
    ------
    DamagedError, NotReadyError
        It cannot be read, or is not there.
    """
    return read_json(build / FILE, "churn build", REQUIRED)


def manifest_of(build: Path) -> dict[str, Any]:
    """The build's manifest with whatever keys it has; empty if it is damaged or missing."""
    try:
        return read_json(build / FILE, "churn build")
    except (OSError, NotReadyError):
        return {}


def write_build_manifest(build: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest in one step, as the last file of a build: a build without it is unfinished."""
    replace_file(build / FILE, (json.dumps(manifest, indent=2) + "\n").encode(), is_locked=True)


def label_terms_of(manifest: dict[str, Any]) -> LabelTerms:
    """What the labels of a build depend on, by its manifest."""
    return LabelTerms(manifest["problem"], manifest.get("label_terms") or {})


def data_clock(build: Path) -> datetime:
    """The build's "now", naive UTC."""
    return parse_instant(read_build_manifest(build)["data_clock"])


def score_instant(build: Path) -> tuple[datetime, str]:
    """The default instant of scoring, and why it is not the data clock, if so.

    If orders end a day or more before the data clock, it is the instant until which they were delivered,
    because later no customer seems to order.
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


def checked_as_of(build: Path, as_of: datetime | None) -> datetime:
    """``as_of``, if it is not after the data clock of the build; by default that clock.

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
