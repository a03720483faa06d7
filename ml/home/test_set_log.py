"""The test-set log: ``<home>/looks.jsonl``, one line per evaluation on the test part, only appended.

A test part gives honest figures once. A model changed after an evaluation was chosen by its figures, and the
second figures are too good. So every evaluation is logged before its figures are shown.

A line is ``{"look": 1, "model_version", "build_id", "data_clock", "first", "last", "cutoffs", "why"}``: the
cut-offs, the model, its build and data clock; ``why`` is ``verdict`` (the end of a training) or ``evidence``
(the deep evidence of that model) or ``origins`` (trainings as of earlier cut-offs).
"""

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ml.common.durable_files import sync_folder
from ml.home.layout import Home

FILE = "looks.jsonl"
VERDICT, EVIDENCE, ORIGINS = "verdict", "evidence", "origins"
MODEL_FACTS = ("model_version", "build_id", "data_clock")


def log_evaluation(home: Home, facts: Mapping[str, Any], why: str) -> dict[str, Any]:
    """Log an evaluation of ``facts["model_version"]`` on its test cut-offs.

    Parameters
    ----------
    facts : mapping
        From ``model.json``: model_version, build_id, data_clock, split.
    why : str
        ``verdict`` or ``evidence``.

    Returns
    -------
    dict
        ``earlier`` (the number of earlier evaluations on any of these cut-offs), ``sentence`` (what they
        mean; empty at the first one), ``all`` (those evaluations and this one).
    """
    home.root.mkdir(parents=True, exist_ok=True)
    with (home.root / FILE).open("a+b") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        log.seek(0)
        text = log.read()
        entries = parse_lines(text)
        entry = log_entry(facts, why, len(entries) + 1)
        torn = b"\n" if text and not text.endswith(b"\n") else b""
        log.write(torn + json.dumps(entry).encode() + b"\n")
        log.flush()
        os.fsync(log.fileno())
    sync_folder(home.root)
    return with_earlier(entries, entry)


def log_entry(facts: Mapping[str, Any], why: str, number: int) -> dict[str, Any]:
    """One line of the log."""
    span = facts["split"]["test"]
    model = {name: facts[name] for name in MODEL_FACTS}
    return (
        {"look": number} | model | {name: span[name] for name in ("first", "last", "cutoffs")} | {"why": why}
    )


def with_earlier(entries: Sequence[dict[str, Any]], entry: dict[str, Any]) -> dict[str, Any]:
    """An evaluation with earlier ones on any of the same cut-offs."""
    earlier = [
        other for other in entries if other["first"] <= entry["last"] and entry["first"] <= other["last"]
    ]
    return {"earlier": len(earlier), "sentence": sentence(earlier, entry), "all": [*earlier, entry]}


def sentence(earlier: Sequence[dict[str, Any]], entry: dict[str, Any]) -> str:
    """What earlier evaluations mean for the figures of this one."""
    if not earlier:
        return ""
    others = list(dict.fromkeys(other["model_version"] for other in earlier))
    others = [name for name in others if name != entry["model_version"]]
    times = "once" if len(earlier) == 1 else f"{len(earlier)} times"
    seen = f"these test cut-offs were looked at {times} before"
    if not others:
        return f"{seen}, by {entry['model_version']} itself; nothing was chosen in between"
    return (
        f"{seen}, also by {model_names(others)}: if anything was changed because of what was seen then, "
        "these figures are too good; new cut-offs come with new data"
    )


def model_names(models: Sequence[str]) -> str:
    """The names of the last few models."""
    names = ", ".join(models[-3:])
    return f"{len(models)} other models (the last are {names})" if len(models) > 3 else names


def parse_lines(text: bytes) -> list[dict[str, Any]]:
    """The whole lines; a line that a killed process cut off is left out."""
    entries = []
    for line in text.splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries
