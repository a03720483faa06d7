"""The ledger of looks at the test part: ``<home>/looks.jsonl``, one line a look, appended and never changed.

A test part is honest once. Whoever sees its figures, changes the model and looks again has chosen by them,
and the second figures are too good. So every look is written down before its figures are told.

A LOOK is ``{"look": 1, "model_version", "build_id", "data_clock", "first", "last", "cutoffs", "why"}``: the
cut-offs looked at, by which model, on which build and data clock; ``why`` is ``verdict`` (the end of a
training) or ``evidence`` (the deep evidence of that model).
"""

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ml.common.disk import sync_folder
from ml.home.layout import Home

LEDGER = "looks.jsonl"
VERDICT, EVIDENCE = "verdict", "evidence"
KEPT = ("model_version", "build_id", "data_clock")


def record_look(home: Home, facts: Mapping[str, Any], why: str) -> dict[str, Any]:
    """Write down that ``facts["model_version"]`` looks at its test cut-offs.

    Parameters
    ----------
    facts : mapping
        What ``model.json`` says: model_version, build_id, data_clock, split.
    why : str
        ``verdict`` or ``evidence``.

    Returns
    -------
    dict
        ``earlier`` (looks at any of these cut-offs before this one), ``sentence`` (what they mean, empty at
        the first look), ``all`` (those looks and this one).
    """
    home.root.mkdir(parents=True, exist_ok=True)
    with (home.root / LEDGER).open("a+b") as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)
        ledger.seek(0)
        text = ledger.read()
        before = parsed(text)
        look = look_of(facts, why, len(before) + 1)
        torn = b"\n" if text and not text.endswith(b"\n") else b""
        ledger.write(torn + json.dumps(look).encode() + b"\n")
        ledger.flush()
        os.fsync(ledger.fileno())
    sync_folder(home.root)
    return told(before, look)


def look_of(facts: Mapping[str, Any], why: str, number: int) -> dict[str, Any]:
    """One line of the ledger."""
    span = facts["split"]["test"]
    kept = {name: facts[name] for name in KEPT}
    return (
        {"look": number} | kept | {name: span[name] for name in ("first", "last", "cutoffs")} | {"why": why}
    )


def told(before: Sequence[dict[str, Any]], look: dict[str, Any]) -> dict[str, Any]:
    """A look with those before it at any of the same cut-offs."""
    earlier = [each for each in before if each["first"] <= look["last"] and look["first"] <= each["last"]]
    return {"earlier": len(earlier), "sentence": sentence(earlier, look), "all": [*earlier, look]}


def sentence(earlier: Sequence[dict[str, Any]], look: dict[str, Any]) -> str:
    """What earlier looks mean for the figures of this one."""
    if not earlier:
        return ""
    others = list(dict.fromkeys(each["model_version"] for each in earlier))
    others = [name for name in others if name != look["model_version"]]
    times = "once" if len(earlier) == 1 else f"{len(earlier)} times"
    seen = f"these test cut-offs were looked at {times} before"
    if not others:
        return f"{seen}, by {look['model_version']} itself; nothing was chosen in between"
    return (
        f"{seen}, also by {named(others)}: if anything was changed because of what was seen then, these "
        "figures are too good; new cut-offs come with new data"
    )


def named(models: Sequence[str]) -> str:
    """The last few models, by name."""
    shown = ", ".join(models[-3:])
    return f"{len(models)} other models (the last are {shown})" if len(models) > 3 else shown


def read_looks(home: Home) -> list[dict[str, Any]]:
    """Every look so far, the first one first."""
    path = home.root / LEDGER
    return parsed(path.read_bytes()) if path.is_file() else []


def parsed(text: bytes) -> list[dict[str, Any]]:
    """The lines that are whole; one that a killed process tore says nothing that can be read."""
    looks = []
    for line in text.splitlines():
        try:
            looks.append(json.loads(line))
        except ValueError:
            continue
    return looks
