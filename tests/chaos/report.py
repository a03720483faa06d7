"""What came of all trials: a table, the page ``docs/chaos.md``, and a JSON file with every trial."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.chaos.faults import Trial

GIB = 1024**3
HEAD = ("command", "fault", "instants", "states lost", "leftovers", "unclear messages", "next run failed")


def lines(trials: Iterable[Trial]) -> list[tuple[str, ...]]:
    """One line for each command and fault, then their sum; faults that came too late do not count."""
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.story, trial.fault), []).append(trial)
    rows = [(story, fault, *figures(group)) for (story, fault), group in groups.items()]
    everything = [trial for group in groups.values() for trial in group]
    return [*rows, ("**all**", "", *figures(everything))]


def figures(trials: list[Trial]) -> tuple[str, ...]:
    """The figures of one line."""
    failed = [trial for trial in trials if trial.next_run not in ("as expected", "")]
    counts = (
        sum(trial.hit for trial in trials),
        sum(trial.lost for trial in trials),
        sum(bool(trial.leftovers) for trial in trials),
        sum(bool(trial.unclear) for trial in trials),
        len(failed),
    )
    return tuple(map(str, counts))


def table(trials: Iterable[Trial]) -> str:
    """The figures as a Markdown table."""
    rule = ("---", "---", *["---:"] * (len(HEAD) - 2))
    return "\n".join(f"| {' | '.join(row)} |" for row in [HEAD, rule, *lines(trials)])


def machine() -> str:
    """Cores and memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{os.cpu_count()} cores, {memory / GIB:.0f} GiB of memory"


def page(trials: list[Trial], facts: dict[str, Any]) -> str:
    """The page as Markdown."""
    sections = [
        INTRODUCTION.format(**{name: facts[name] for name in ("machine", "commit", "customers", "seed")}),
        table(trials),
        summary(trials, facts),
        METHOD.format(disk=facts["disk"]),
        LIMITS,
    ]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def summary(trials: list[Trial], facts: dict[str, Any]) -> str:
    """How many instants, what was lost, and what else went wrong, trial by trial."""
    hit, lost = sum(trial.hit for trial in trials), sum(trial.lost for trial in trials)
    bad = [trial for trial in trials if not trial.good]
    late = f" ({len(trials) - hit} more came too late to meet anything)"
    text = f"{hit} instants tried{late}, **{lost} states lost**."
    left_out = facts["left_out"]
    text += f" Not tried, for this version lacks it: {', '.join(left_out)}." if left_out else ""
    return "\n".join([text, *(["", "What was not as it should be:", ""] if bad else []), *map(told, bad)])


def told(trial: Trial) -> str:
    """One trial in one line."""
    said = [*trial.leftovers, *trial.unclear]
    if trial.lost:
        said.insert(0, trial.found)
    if trial.next_run not in ("as expected", ""):
        said.append(f"next run: {trial.next_run}")
    return f"- {trial.story}, {trial.fault}, {trial.instant}: {'; '.join(said)}"


def write(trials: list[Trial], facts: dict[str, Any], page_file: Path, json_file: Path) -> None:
    """Write the page and the JSON file."""
    page_file.write_text(page(trials, facts))
    everything = facts | {"trials": [trial.as_dict() for trial in trials]}
    json_file.write_text(json.dumps(everything, indent=1) + "\n")


INTRODUCTION = """
# Faults

Written by `make chaos` (`python -m tests.chaos`) on {machine}, at commit
{commit}; every single trial is in `docs/chaos.json`.

A shop of {customers} customers goes the whole way, again and again, and each time something breaks: a
process is killed (SIGKILL), dbt alone is killed, the disk is full, two commands run at once, everything is
replaced under readers. Instants are drawn with the seed {seed}, one in each of as many equal parts of the
command's own duration.
"""

METHOD = """
## What is checked after every fault

- *Nothing is lost.* `raw/current`, `builds/current`, every other kept build, the model, Feast's registry
  and the online store are read in full. Rows are as many as `load.json` and `build.json` say; the model's
  files have their hashes and it scores everyone; a sample of customers has online the values that the
  materialized build has. And all of it is the state before the command or the state after it, row by row
  (digests); a `rollback` may also be half way: build and model are back already, the online store is not
  yet.
- *The next run needs no hand.* The same command, run again at once, ends well and in the right state.
- *Nothing is left about.* After that run the home has no file that an unharmed run does not leave; the
  temporary folder is empty; five seconds after a kill no process of the command lives.
- *Every failure is one sentence.* A command that fails by itself says one line, `churn: ...`, with status
  1; no traceback. On a full disk the sentence says that there is no room.

"Killed at an instant" is by the clock, alternately the process and its whole process group. "Killed at a
change" is exact: the process ends itself just before its n-th change of the home (rename, link, new folder,
removal, a folder synced), or just after it has opened a file for writing, while the file is still empty;
for builds dbt's own work comes from a recording there. {disk} "Read while replaced": readers in processes
of their own ask without end while two shops take turns, with one build kept; only rows are asked for which
each view differs between the shops, and every answer must be one shop's, whole.
"""

LIMITS = """
## What this does not show

Power cuts (files are synced before they are published, but no machine was switched off), other file systems
than those of this machine, network file systems, full disks during reading, and faults inside dbt's or
SQLite's own writes other than those the clock happened to meet.
"""
