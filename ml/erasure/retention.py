"""Retention: what is older than a limit leaves the raw rows, and everything is made anew without it.

The limit is the data clock less some days. Features over all time then count what is retained; there is no
history before, for it cannot be made again. A run that was killed is finished by the next.
"""

import json
import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ml.common.durable_files import replace_file
from ml.common.errors import UsageError
from ml.common.instants import format_instant, parse_instant
from ml.common.paths import online_file
from ml.common.progress import SILENT, Progress
from ml.erasure.old_rows import OldRows, find_old_rows
from ml.erasure.pushed_facts import alone_with_pushes, remove_old_pushes
from ml.erasure.raw_loads import Clocks, clocks_of, correct_manifest
from ml.erasure.sqlite_rows import opened, vacuum
from ml.erasure.swapped_files import rewrite_shared
from ml.featurestore.online.server_address import online_address
from ml.featurestore.online.status import online_views
from ml.home.layout import Home, numbered
from ml.home.read_leases import remove
from ml.ingest.manifest import read_load_manifest
from ml.journal.take_in import take_in
from ml.predictions.erased_entries import rewrite
from ml.predictions.log import logs_of
from ml.warehouse import build

FILE = ".retention.json"


def retention(
    older_than_days: int,
    *,
    home: Home | str | Path | None = None,
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Erase facts older than a limit from raw rows, then build anew and remove older builds and loads.

    Customers without any fact since the limit go with theirs. Entries of the prediction log older by the wall
    clock go as well. Models stay as they were trained.

    Parameters
    ----------
    older_than_days : int
        Before the data clock.
    dry_run : bool
        Count only.

    Returns
    -------
    dict
        ``limit`` (the instant), ``dry_run``, ``tables`` (rows ``erased`` and ``kept`` of each), ``customers``
        (how many go), ``rejected`` (rejected and waiting rows that go); unless it is a dry run also
        ``build_id`` (None where nothing was older), ``builds_left`` (older ones that are being read),
        ``log`` (entries removed), ``pushes`` (removed).

    Raises
    ------
    UsageError
        The number of days is not from 1 on.
    NotReadyError
        There are no raw data yet.
    """
    if older_than_days < 1:
        raise UsageError(f"--older-than is a number of days from 1 on, not {older_than_days}")
    home = Home.at(home)
    home.current_load()
    if not dry_run:
        take_in(home, progress)
    with home.writing("retention"), tempfile.TemporaryDirectory(prefix="tidemark-") as scratch:
        load = home.current_load()
        limit = limit_of(home, load, older_than_days)
        old = find_old_rows(load, limit, Path(scratch))
        result = counted_rows(old, limit) | {"dry_run": dry_run}
        if dry_run:
            return result
        is_due = old.is_any or (home.root / FILE).exists()
        if is_due:
            replace_file(
                home.root / FILE, json.dumps({"limit": format_instant(limit)}).encode(), is_locked=True
            )
            erase_old_rows(load, old)
            (home.dbt / "warehouse.duckdb").unlink(missing_ok=True)
    made = build_anew(home, progress) if is_due else None
    with alone_with_pushes(home) as pushes, home.writing("retention"):
        removed = remove_old_pushes(pushes, limit) if pushes else 0
        logged = prune_logs(home, older_than_days)
        left = remove_older_state(home) if is_due else []
        (home.root / FILE).unlink(missing_ok=True)
    return result | {"build_id": made, "builds_left": left, "log": logged, "pushes": removed}


def limit_of(home: Home, load: Path, days: int) -> datetime:
    """The limit; that of a run that was killed, if it is later, for its rows are gone already."""
    limit = parse_instant(read_load_manifest(load)["data_clock"]) - timedelta(days=days)
    if (home.root / FILE).exists():
        begun = json.loads((home.root / FILE).read_text(encoding="utf-8"))
        limit = max(limit, parse_instant(begun["limit"]))
    return limit


def counted_rows(old: OldRows, limit: datetime) -> dict[str, Any]:
    """What goes, in numbers."""
    return {
        "limit": format_instant(limit),
        "tables": {table: {"erased": gone, "kept": kept} for table, (gone, kept) in old.counts.items()},
        "customers": old.customers,
        "rejected": old.rejected,
    }


def erase_old_rows(load: Path, old: OldRows) -> None:
    """Write the files of a load anew without the old rows, then its counts and clocks."""
    for condition, files in old.files:
        rewrite_shared(files, lambda path, fresh, gone=condition: old.erase(path, fresh, gone))  # type: ignore[misc]
    correct_manifest(load, Clocks(clocks_of(load), is_first=False))


def build_anew(home: Home, progress: Progress) -> str:
    """Build everything from what is left, and put it online where a build was online."""
    from ml.warehouse.materialize import materialize

    was_online = bool(online_views(home.root))
    manifest = build(home=home, full_refresh=True, keep=1, progress=progress)
    if was_online:
        materialize(home=home, progress=progress)
        # on a server the tables before are dropped, and their bytes with them
        if online_address(home.root) is None:
            with opened(online_file(home.root)) as connection:
                vacuum(connection)
    return str(manifest["build_id"])


def prune_logs(home: Home, days: int) -> int:
    """Remove old entries from every prediction log; return how many."""
    removed = 0
    for log in logs_of(home):
        if count := log.prune(days)["removed"]:
            rewrite(log)
            removed += count
    return removed


def remove_older_state(home: Home) -> list[str]:
    """Remove loads and scores of builds that are gone; return older builds that stay, for they are read."""
    current = home.current_build()
    left = [path for path in home.published_builds() if path != current]
    if not left:
        for load in numbered(home.raw, "load"):
            if load != home.current_load():
                remove(load)
    names = {path.name for path in (current, *left)}
    for file in (home.root / "serve" / "scored").glob("build-*"):
        if file.name.split(".")[0] not in names:
            file.unlink(missing_ok=True)
    shutil.rmtree(home.journal / "staged", ignore_errors=True)
    return [path.name for path in left]
