"""Take the pushes that are in no load yet into the raw rows of the home, as an ingest with ``--append``."""

from pathlib import Path

from ml.common.number_words import counted
from ml.common.progress import SILENT, Progress
from ml.home.layout import Home
from ml.ingest.manifest import read_load_manifest
from ml.journal.pushes import Pushes, has_pushes
from ml.journal.staged_load import append_lines


def take_in(home: Home, progress: Progress = SILENT) -> int:
    """Append the waiting pushes to the current load; return how many rows they were.

    Rows that were accepted when they were pushed may be rejected now, where an ingest since then contradicts
    them; like all rejected rows they are kept with their reason.

    Raises
    ------
    NotReadyError
        There are no raw data yet.
    BusyError
        Another command is writing to the home.
    """
    if not has_pushes(home):
        return 0
    with Pushes(home) as pushes, pushes.alone():
        waiting = pushes.waiting()
        if not waiting:
            return 0
        numbers = [number for number, _ in waiting]
        folder = pushes.folder / f"pushes-{numbers[0]}-{numbers[-1]}"
        load = load_with(home.current_load(), folder)
        lines = [line for _, lines in waiting for line in lines]
        if load is None:
            load = append_lines(home, folder, lines)["load_id"] if lines else home.current_load().name
        pushes.mark_taken_in(numbers, load)
    progress.say(f"{counted(len(lines), 'row')} that were pushed are taken in by {load}")
    return len(lines)


def load_with(load: Path, folder: Path) -> str | None:
    """The ingest of a load that read a folder: of a process that was killed before it could say so."""
    for ingested in read_load_manifest(load)["ingests"]:
        if ingested["source"] == str(folder):
            return str(ingested["load_id"])
    return None
