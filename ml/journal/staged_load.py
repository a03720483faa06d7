"""The journal's own load: the home's current load, and the pushes that are in none yet.

``<home>/journal/staged`` is a home of its own, whose raw rows the ingest makes from links to the files of the
home's load. It is made anew whenever it is not the one that the pushes were last added to.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ml.common.durable_files import link_or_copy
from ml.home.erased_keys import FILE as ERASED
from ml.home.layout import Home
from ml.home.publication import publish
from ml.ingest import ingest
from ml.journal.pushes import Pushes


def staged_load(home: Home, pushes: Pushes) -> Path:
    """The load with all pushes that are in none yet; the caller is alone."""
    base, newest = home.current_load(), pushes.newest_waiting()
    own = staged_home(pushes)
    share_erased_keys(home, own)
    current = own.raw / "current"
    if pushes.staged() == (base.name, current.resolve().name, newest) and current.exists():
        return current.resolve()
    shutil.rmtree(own.raw, ignore_errors=True)
    own.raw.mkdir(parents=True)
    shutil.copytree(base, own.raw / base.name, copy_function=link_or_copy)
    publish(own.raw / base.name)
    load = base.name
    if newest:
        lines = [line for _, lines in pushes.waiting() for line in lines]
        load = append_lines(own, pushes.folder / "waiting", lines)["load_id"]
    pushes.set_staged(base.name, load, newest)
    return own.raw / load


def share_erased_keys(home: Home, own: Home) -> None:
    """What is pushed is refused of the customers whom the home has erased."""
    file = home.root / ERASED
    if file.exists():
        own.root.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, own.root / ERASED)
    else:
        (own.root / ERASED).unlink(missing_ok=True)


def staged_home(pushes: Pushes) -> Home:
    """The home of the journal's own loads."""
    return Home(pushes.folder / "staged")


def append_lines(home: Home, folder: Path, lines: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Append rows to the raw data of a home, whatever share of them is rejected.

    Parameters
    ----------
    folder : Path
        Where their files are while they are read; the load's manifest names it as the source.
    lines : iterable of (str, str)
        Table and JSON object of each row.

    Returns
    -------
    dict
        As of ``ingest``.
    """
    by_table: dict[str, list[str]] = {}
    for table, text in lines:
        by_table.setdefault(table, []).append(text)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        for table, texts in by_table.items():
            content = "".join(f"{text}\n" for text in texts)
            (folder / f"{table}.jsonl").write_text(content, encoding="utf-8")
        return ingest(folder, home=home, append=True, max_rejected=None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
