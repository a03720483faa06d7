"""Forget a customer: every trace in a home goes, nothing else changes, and a search proves it.

The order matters. First it is written down who goes, and that no later load takes them in; then raw rows,
builds, journal, log and models; then any other file that the search finds. Each file is replaced in one step,
so that a killed run is finished by the next.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml.common.errors import NotReadyError, TidemarkError
from ml.common.number_words import counted
from ml.common.progress import SILENT, Progress
from ml.erasure.builds import correct_manifest as correct_build
from ml.erasure.builds import customers_without, erase_from_builds
from ml.erasure.file_kinds import FileKind, kind_of_file
from ml.erasure.learned import models_that_learned
from ml.erasure.models import erase_from_models
from ml.erasure.online_server import count_online, erase_online
from ml.erasure.other_files import Changed, erase_from_others, remove_unfinished
from ml.erasure.outside_the_home import notes_on_places_outside
from ml.erasure.person import Person, find_person
from ml.erasure.pushed_facts import alone_with_pushes, erase_from_pulls, erase_from_pushes
from ml.erasure.raw_loads import clocks_without, erase_from_loads
from ml.erasure.raw_loads import correct_manifest as correct_load
from ml.erasure.rows_to_erase import RowsToErase, rows_to_erase
from ml.erasure.search import as_result, files_in, search_home
from ml.erasure.search_terms import Terms, search_terms
from ml.erasure.swapped_files import Lost
from ml.erasure.unfinished_erasure import FILE as UNFINISHED
from ml.erasure.unfinished_erasure import (
    Unfinished,
    read_unfinished,
    remove_unfinished_erasure,
    write_unfinished,
)
from ml.home.build_manifest import manifest_of
from ml.home.erased_keys import read_erased_keys, write_erased_keys
from ml.home.layout import Home, numbered
from ml.ingest.manifest import FILE as LOAD
from ml.journal.pushes import Pushes
from ml.predictions.erased_entries import count_of, erase_customers
from ml.predictions.log import logs_of

ROUNDS = 2  # of the search and what it finds: a database may have the key in its rows and beside it


def forget(
    customer: str, *, home: Home | str | Path | None = None, progress: Progress = SILENT
) -> dict[str, Any]:
    """Erase a customer from a home, with all keys that merged with it, and search every file afterwards.

    A run that was killed is finished by the next, for the same customer or another.

    Returns
    -------
    dict
        ``customers`` (how many keys the person had), ``erased`` (rows by place), ``files`` (rows that went or
        changed, of each other file), ``removed`` (pages and pulls to be made again), ``models`` (those that
        learned from the customer: model, build_id, trained_at, first and last cut-off, rows), ``search``
        (files, bytes, kind, hits, unread), ``is_gone`` (whether the search found nothing), ``notes`` (places
        outside the home that were not searched).

    Raises
    ------
    NotReadyError
        There is no such home.
    TidemarkError
        Nobody in the home has this key; it was searched.
    BusyError
        Another process writes to the home, or has dbt's database open.
    """
    home = Home.at(home)
    if not home.root.is_dir():
        raise NotReadyError(f"there is no home {home.root}: nothing can be forgotten")
    with alone_with_pushes(home) as pushes, home.writing("forget"):
        earlier = read_unfinished(home)
        person = find_person(home, customer)
        if not (person.is_known or earlier):
            check_any_trace(home, customer, search_terms(home, person), progress)
        person = person | earlier.person if earlier else person
        terms = search_terms(home, person)
        rows = rows_to_erase(person, terms)
        begun = before_anything_goes(home, person, rows).or_earlier(earlier)
        write_unfinished(home, begun)
        keys = read_erased_keys(home.root).with_erased(person.customers, person.rows)
        write_erased_keys(home.root, keys)
        erased = erase(home, begun, rows, pushes, progress, is_resumed=earlier is not None)
        others = erase_rest(home, terms, rows, progress)
        remove_unfinished_erasure(home)
        last, logged = search_home(home, terms, progress), count_logged(home, person)
        logged += count_online(home, person.customers)
        # A server that loaded its state meanwhile loads it once more.
        write_erased_keys(home.root, keys)
    return {
        "customers": len(person.customers),
        "erased": erased,
        "files": others.rows,
        "removed": others.removed,
        "models": begun.models,
        "search": as_result(last, terms),
        "is_gone": not (last.hits or last.unread or logged),
        "notes": notes_on_places_outside(),
    }


def check_any_trace(home: Home, customer: str, terms: Terms, progress: Progress) -> None:
    """Raise a TidemarkError where neither raw rows nor any file nor the log know a customer."""
    found = search_home(home, terms, progress)
    if found.hits or any(count_of(log, terms.customers) for log in logs_of(home)):
        return
    before = ", for the customer was erased before" if read_erased_keys(home.root).has(customer) else ""
    raise TidemarkError(
        f"nobody in {home.root} has the key {customer!r}: a search of {counted(found.files, 'file')} found "
        f"nothing{before}"
    )


def before_anything_goes(home: Home, person: Person, rows: RowsToErase) -> Unfinished:
    """What can only be read while the person's rows are there."""
    loads = [load for load in numbered(home.raw, "load") if (load / LOAD).exists()]
    return Unfinished(
        person,
        {load.name: clocks_without(load, person) for load in loads},
        {build.name: customers_without(build, rows) for build in home.published_builds()},
        models_that_learned(home, rows),
    )


def erase(
    home: Home,
    begun: Unfinished,
    rows: RowsToErase,
    pushes: Pushes | None,
    progress: Progress,
    *,
    is_resumed: bool,
) -> dict[str, int]:
    """Erase from the places that have counts, hashes or locks of their own; rows or files by place."""
    remove_unfinished(home)
    progress.say("forgetting: raw rows")
    erased = {"raw": total(erase_from_loads(home, rows))}
    for load in numbered(home.raw, "load"):
        if (load / LOAD).exists():
            correct_load(load, begun.clocks.get(load.name))
    progress.say("forgetting: builds and models")
    erased["builds"] = total(erase_from_builds(home, rows))
    for build in home.published_builds():
        clocks = begun.clocks.get(str(manifest_of(build).get("load_id")))
        has_an_end = bool(clocks and clocks.has_an_end)
        correct_build(home, build, begun.customers.get(build.name), has_an_end)
    erased["models"] = total(erase_from_models(home, rows, is_resumed=is_resumed))
    erased["online"] = erase_online(home, begun.person.customers)
    progress.say("forgetting: pushed facts and logged scores")
    erased["pushes"] = erase_from_pushes(pushes, rows) if pushes else 0
    erased["pulls"] = erase_from_pulls(home, rows)
    erased["log"] = sum(erase_customers(log, begun.person.customers) for log in logs_of(home))
    return erased


def total(lost: Lost) -> int:
    """The rows that went: those of a file that several loads or builds share count once."""
    return sum({file.stat().st_ino: count for file, count in lost.items()}.values())


def erase_rest(home: Home, terms: Terms, rows: RowsToErase, progress: Progress) -> Changed:
    """Erase from every other file in which a search finds the person."""
    changed = Changed()
    progress.say("forgetting: all other files")
    for _ in range(ROUNDS):
        found = search_home(home, terms, progress)
        hits = {hit.file for hit in found.hits if hit.file != UNFINISHED}
        names = sorted(hits | set(databases(home, terms)))
        if not names:
            break
        once = erase_from_others(home, names, rows)
        changed.rows |= once.rows
        changed.removed += once.removed
    return changed


def databases(home: Home, terms: Terms) -> Iterator[str]:
    """The databases of a home, where a key that is not searched for by bytes may stand in free pages."""
    for path in files_in(home.root) if terms.by_value else ():
        if kind_of_file(path) in (FileKind.SQLITE, FileKind.DUCKDB):
            yield path.relative_to(home.root).as_posix()


def count_logged(home: Home, person: Person) -> int:
    """How many entries of the person the prediction logs still have, those in PostgreSQL too."""
    return sum(count_of(log, person.customers) for log in logs_of(home))


def allow_again(customer: str, *, home: Home | str | Path | None = None) -> bool:
    """Let loads take a forgotten customer in again; whether the customer had been forgotten."""
    home = Home.at(home)
    if not home.root.is_dir():
        raise NotReadyError(f"there is no home {home.root}: nobody was forgotten in it")
    with home.writing("forget --allow-again"):
        keys = read_erased_keys(home.root)
        if not keys.has(customer):
            return False
        write_erased_keys(home.root, keys.without(customer))
    return True
