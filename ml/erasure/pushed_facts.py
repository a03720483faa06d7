"""The journal of pushes and the pages of API pulls: a person's lines, and what was made of them.

A push keeps its key and the hash of its content, so that the same facts sent again still count once.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from ml.common.instants import format_instant
from ml.erasure.person import row_of
from ml.erasure.rows_to_erase import RowsToErase
from ml.erasure.sqlite_rows import vacuum
from ml.home.layout import Home
from ml.journal.pushes import Pushes, has_pushes
from ml.journal.staged_load import staged_home

WORK = ("pushed", "waiting", "pushes-*")  # folders of killed pushes


@contextmanager
def alone_with_pushes(home: Home) -> Iterator[Pushes | None]:
    """The pushes of a home, and nobody adds to them meanwhile; None without any."""
    if not has_pushes(home):
        yield None
        return
    with Pushes(home) as pushes, pushes.alone():
        yield pushes


def erase_from_pushes(pushes: Pushes, rows: RowsToErase) -> int:
    """Erase a person's lines from every push, and the load made of them; return how many lines went."""
    pushes.connection.execute("pragma secure_delete = on")
    count = 0
    with pushes.transaction():
        kept = pushes.connection.execute(
            "select number, key, lines, answer, customers from pushes"
        ).fetchall()
        for number, key, lines, answer, customers in kept:
            new_lines, gone = lines_without(lines, rows)
            values = (
                f"erased-{number}" if any(word in key for word in rows.words) else key,
                new_lines,
                json.dumps(rows.cleaned(json.loads(answer))),
                json.dumps(rows.cleaned(json.loads(customers), "customers")),
            )
            if values != (key, lines, answer, customers):
                update = "update pushes set key = ?, lines = ?, answer = ?, customers = ? where number = ?"
                pushes.connection.execute(update, (*values, number))
            count += gone
        pushes.connection.execute("delete from staged")
    vacuum(pushes.connection)
    # Made anew of what is loaded and pushed by the next who needs it.
    shutil.rmtree(staged_home(pushes).root, ignore_errors=True)
    for folder in (folder for name in WORK for folder in pushes.folder.glob(name)):
        shutil.rmtree(folder, ignore_errors=True)
    return count


def remove_old_pushes(pushes: Pushes, limit: datetime) -> int:
    """Remove the pushes of facts older than a limit that a load has taken in; return how many."""
    pushes.connection.execute("pragma secure_delete = on")
    query = "delete from pushes where load is not null and coalesce(newest_at, received_at) < ?"
    removed = pushes.connection.execute(query, (format_instant(limit),)).rowcount
    if removed:
        vacuum(pushes.connection)
    return removed


def lines_without(lines: str | None, rows: RowsToErase) -> tuple[str | None, int]:
    """The lines of a push without a person's, as the journal keeps them, and how many went."""
    if lines is None:
        return None, 0
    before = json.loads(lines)
    kept = [(table, rows.without_words_in(text)) for table, text in before if not is_mine(text, rows)]
    return json.dumps(kept), len(before) - len(kept)


def is_mine(text: str, rows: RowsToErase) -> bool:
    row = row_of(text)
    return row is not None and rows.is_of_person(row)


def erase_from_pulls(home: Home, rows: RowsToErase) -> int:
    """Remove the pulls that have a person's record; return how many. The next ingest pulls anew."""
    pulls = [folder for folder in sorted(home.pulls.glob("*/*")) if folder.is_dir()]
    mine = [folder for folder in pulls if any(names_person(page, rows) for page in sorted(folder.iterdir()))]
    for folder in mine:
        shutil.rmtree(folder)
    return len(mine)


def names_person(page: Path, rows: RowsToErase) -> bool:
    """Whether a page of a pull, a line about it and the answer as it came, has a record of the person."""
    content = page.read_bytes()
    if any(form in content for form in rows.forms):
        return True
    try:
        value: Any = json.loads(content.partition(b"\n")[2] or content)
    except ValueError:
        return False
    return rows.cleaned(value) != value
