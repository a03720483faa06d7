"""Whether a source of raw tables has anything new since it was last taken in, by its files.

``<home>/runs/sources.json`` has, for each source, name, size, time of change and hash of every file when it
was last read. A source whose content no file shows (a database server, SQL files, JSON APIs) is always new.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml.common.durable_files import replace_file, sha256
from ml.common.errors import NotReadyError, UsageError
from ml.common.instants import parse_instant
from ml.home.layout import Home
from ml.ingest.databases import parse_url
from ml.ingest.file_names import format_of
from ml.ingest.manifest import read_load_manifest

FILE = "sources.json"
SHOWS_NOTHING = ("sql", "api")  # what they read lies elsewhere
FILE_URLS = ("duckdb:///", "sqlite:///")


@dataclass(frozen=True)
class FileState:
    """One file of a source: its size, its time of change and the hash of its content."""

    bytes: int
    changed_ns: int
    hash: str


Files = dict[str, FileState]


@dataclass(frozen=True)
class TakenIn:
    """What was last read of a source.

    Parameters
    ----------
    files : dict of str to FileState
        By the path within the source, before the ingest began.
    load_id : str
        The load with them; empty while it is made.
    after : str
        The load that was there before; empty for none.
    """

    files: Files = field(default_factory=dict)
    load_id: str = ""
    after: str = ""


@dataclass(frozen=True)
class SourceFiles:
    """The files of a source.

    Parameters
    ----------
    home : Home
    source : str
        A path or a URL, as for ``churn ingest``.

    Raises
    ------
    UsageError
        There is no such folder or file.
    """

    home: Home
    source: str

    def __post_init__(self) -> None:
        path = self.path
        if path is not None and not path.exists():
            raise UsageError(f"{path} does not exist: give the folder, file or URL of the raw tables")

    @property
    def path(self) -> Path | None:
        """The folder or file of the source; None for a server."""
        if self.source.startswith(FILE_URLS):
            return Path(parse_url(self.source).target)
        return None if "://" in self.source else Path(self.source).expanduser().resolve()

    @property
    def label(self) -> str:
        """Its name in the manifest of a load."""
        return parse_url(self.source).label if self.source.startswith(FILE_URLS) else str(self.path)

    @property
    def key(self) -> str:
        """The name of the source in the file; a URL may hold a password, so it is a hash."""
        return hashlib.sha256(str(self.path or self.source).encode()).hexdigest()[:16]

    def listed(self) -> dict[str, os.stat_result] | None:
        """Every file with its state; None if they do not show what the source has."""
        path = self.path
        if path is None:
            return None
        if path.is_file():
            parts = (path, path.with_name(f"{path.name}-wal"))  # of a database, what was written last
            return {file.name: file.stat() for file in parts if file.exists()}
        files = sorted(file for file in path.rglob("*") if file.is_file())
        if any(format_of(file.name) in SHOWS_NOTHING for file in files):
            return None
        return {file.relative_to(path).as_posix(): file.stat() for file in files}

    def is_new(self) -> bool:
        """Whether it has anything that is in no load yet."""
        listed, before = self.listed(), self.taken_in()
        if listed is None:
            return True
        if not before.load_id:
            return bool(before.files) or not self.was_ingested_by_hand(listed)
        if {name: stat.st_size for name, stat in listed.items()} != {
            name: state.bytes for name, state in before.files.items()
        }:
            return True
        touched = [name for name, stat in listed.items() if stat.st_mtime_ns != before.files[name].changed_ns]
        return any(self.hash_of(name) != before.files[name].hash for name in touched)

    def was_ingested_by_hand(self, listed: Mapping[str, os.stat_result]) -> bool:
        """Whether another command took the source in after the last change of any of its files."""
        times = [
            parse_instant(each["ingested_at"]) for each in self.ingests() if each["source"] == self.label
        ]
        changed = [
            datetime.fromtimestamp(stat.st_ctime, UTC).replace(tzinfo=None) for stat in listed.values()
        ]
        return bool(times and changed) and max(changed) < max(times)

    def ingests(self) -> list[dict[str, Any]]:
        """Every ingest of the current load; none if there is no load."""
        try:
            entries: list[dict[str, Any]] = read_load_manifest(self.home.current_load())["ingests"]
        except NotReadyError:
            return []
        return entries

    def now(self) -> Files:
        """The files as they are."""
        return {
            name: FileState(stat.st_size, stat.st_mtime_ns, self.hash_of(name))
            for name, stat in (self.listed() or {}).items()
        }

    def hash_of(self, name: str) -> str:
        path = self.path
        assert path is not None
        return sha256(path.parent / name if path.is_file() else path / name)

    def taken_in(self) -> TakenIn:
        """What was last read of the source; empty for nothing."""
        entry = read_sources(self.home).get(self.key)
        if entry is None:
            return TakenIn()
        files = {name: FileState(**state) for name, state in entry["files"].items()}
        return TakenIn(files, entry["load_id"], entry["after"])

    def remember(self, taken_in: TakenIn) -> None:
        """Keep what is read of the source now."""
        content = read_sources(self.home) | {self.key: asdict(taken_in)}
        replace_file(self.home.runs / FILE, (json.dumps(content, indent=1) + "\n").encode(), is_locked=True)

    def load_made_meanwhile(self, before: TakenIn) -> str | None:
        """The load of an ingest of these very files that was killed before it was remembered."""
        if before.load_id or not before.files or before.files != self.now():
            return None
        ingests = self.ingests()
        names = [str(ingested["load_id"]) for ingested in ingests]
        later = ingests[names.index(before.after) + 1 :] if before.after in names else ingests
        found = [each["load_id"] for each in later if each["source"] == self.label]
        return str(found[-1]) if found else None


def read_sources(home: Home) -> dict[str, Any]:
    """The content of ``sources.json``; empty if it is missing or damaged: then every source is new."""
    try:
        content = json.loads((home.runs / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
