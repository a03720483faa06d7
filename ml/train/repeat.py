"""Repeat: a model trained once more as its manifest says, and compared with its evidence to the last bit.

Nothing is kept of the second training: same rows, same problem, same seed, and no search that remembers the
first one. What differs is named, with the libraries and the code that changed since.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml.common.errors import NotReadyError, UsageError
from ml.common.progress import SILENT, Progress
from ml.config.problem import Problem, from_values
from ml.features.own_labels import kept_labels
from ml.home.layout import Home, numbered
from ml.home.leases import lease
from ml.model.own import REGISTERED
from ml.model.store import TEST, manifest_of, read_manifest
from ml.tracking.code import code_version
from ml.train.test_part import test_table
from ml.train.training import learn

NOT_OF_THE_RUN = ("milliseconds", "seconds", "cut_short", "looks")
NOT_COMPARED = ("model_version", "promotion", "code", "versions", "files", "card", "record", "types")


def repeat(
    model: str, *, home: "str | Path | Home | None" = None, progress: Progress = SILENT
) -> dict[str, Any]:
    """Train ``model`` once more from its record and compare.

    Parameters
    ----------
    model : str
        Such as ``model-000001``.

    Returns
    -------
    dict
        ``model_version``, ``build_id``, ``seed``, ``same`` (bool), ``compared`` (how many ``values`` of its
        manifest and ``probabilities``), ``differences`` (sentences) and ``changed`` (library or code to what
        it was and what it is).

    Raises
    ------
    UsageError
        There is no such model.
    ModelError
        Its files were changed.
    NotReadyError
        The build it was trained on is no longer kept.
    """
    house = Home.at(home)
    folder = folder_of(house, model)
    manifest = read_manifest(folder)
    if manifest["kind"] == REGISTERED:
        raise UsageError(f"{model} was registered, not trained here: there is no training to repeat")
    with kept_build(house, manifest) as build, tempfile.TemporaryDirectory() as scratch:
        with progress.bar("reading rows", 3) as bar:
            own = kept_labels(folder, manifest)
            learned = learn(build, problem_of(manifest), Path(scratch), bar, trials_of(manifest), own)
        probabilities = learned.test_probabilities()
        verdict = learned.verdict(probabilities)
        again = plain(manifest_of(learned.model) | {"champion": learned.model.kind, "test": verdict})
        rows = test_table(learned.parts.test, probabilities)
    known = {name: value for name, value in manifest.items() if name not in NOT_COMPARED}
    values = list(differences(known, {name: again.get(name) for name in known}))
    cells = list(differing_cells(pq.read_table(folder / TEST), rows))
    return {
        "model_version": model,
        "build_id": manifest["build_id"],
        "seed": manifest["seed"],
        "same": not values and not cells,
        "compared": {"values": leaves(known), "probabilities": rows.num_rows * (rows.num_columns - 3)},
        "differences": cells + values,
        "changed": changed(manifest),
    }


def folder_of(home: Home, model: str) -> Path:
    """The folder of a model that is kept."""
    kept = {folder.name: folder for folder in numbered(home.models, "model")}
    if model not in kept:
        there = ", ".join(kept) or "none has been trained yet"
        raise UsageError(f"there is no model {model} to repeat: {there}")
    return kept[model]


@contextmanager
def kept_build(home: Home, manifest: Mapping[str, Any]) -> Iterator[Path]:
    """The build that the model was trained on, which nobody removes meanwhile."""
    for build in home.kept_builds():
        if build.name == manifest["build_id"]:
            with lease(build) as held:
                if held:
                    yield build
                    return
    raise NotReadyError(
        f"{manifest['build_id']}, which {manifest['model_version']} was trained on, is no longer kept: "
        "'churn builds' lists those that are; CHURN_KEEP_BUILDS keeps more of them"
    )


def problem_of(manifest: Mapping[str, Any]) -> Problem:
    """The problem as it was stated then."""
    return replace(from_values(manifest["problem"]), seed=manifest["seed"])


def trials_of(manifest: Mapping[str, Any]) -> dict[str, int]:
    """How many settings of each candidate had been tried when the time was over."""
    return {each["candidate"]: each["trials"] for each in manifest.get("tuning", [])}


def plain(values: Any) -> Any:
    """As JSON gives it back."""
    return json.loads(json.dumps(values))


def differences(recorded: Any, now: Any, where: str = "") -> Iterator[str]:
    """One sentence for each value that is not what it was."""
    if isinstance(recorded, Mapping) and isinstance(now, Mapping):
        for name in [*recorded, *(name for name in now if name not in recorded)]:
            if name not in NOT_OF_THE_RUN:
                yield from differences(recorded.get(name), now.get(name), f"{where}.{name}".lstrip("."))
    elif isinstance(recorded, list) and isinstance(now, list) and len(recorded) == len(now):
        for place, pair in enumerate(zip(recorded, now, strict=True)):
            yield from differences(*pair, f"{where}[{place}]")
    elif recorded != now:
        yield f"{where} was {json.dumps(recorded)}, is {json.dumps(now)}"


def leaves(values: Any) -> int:
    """How many values there are to compare."""
    if isinstance(values, Mapping):
        return sum(leaves(value) for name, value in values.items() if name not in NOT_OF_THE_RUN)
    return sum(map(leaves, values)) if isinstance(values, list) else 1


def differing_cells(recorded: pa.Table, now: pa.Table) -> Iterator[str]:
    """One sentence for each column of the test rows that is not what it was."""
    if recorded.column_names != now.column_names or len(recorded) != len(now):
        yield (
            f"the test part has {len(now):,} rows and columns {', '.join(now.column_names)}; it had "
            f"{len(recorded):,} and {', '.join(recorded.column_names)}"
        )
        return
    for name in now.column_names:
        if not recorded.column(name).equals(now.column(name).cast(recorded.column(name).type)):
            yield f"{name}: {how_far(recorded.column(name), now.column(name))}"


def how_far(recorded: pa.ChunkedArray, now: pa.ChunkedArray) -> str:
    """How many values differ, and by how much at most where they are numbers."""
    before, after = recorded.to_numpy(), now.to_numpy()
    number = int(np.sum(before != after))
    said = f"{number:,} of {len(after):,} test rows differ"
    if not np.issubdtype(after.dtype, np.floating):
        return said
    return f"{said}, by {np.max(np.abs(before - after)):.3g} at most"


def changed(manifest: Mapping[str, Any]) -> dict[str, list[str | None]]:
    """What is not as it was then: libraries, and the code."""
    before = dict(manifest.get("versions", {}))
    before.pop("python", None)
    found = {name: [old, installed(name)] for name, old in before.items() if installed(name) != old}
    code, now = manifest.get("code") or {}, code_version()
    if code.get("source") not in (None, now["source"]):
        found["code"] = [f"source {code['source'][:12]}", f"source {str(now['source'])[:12]}"]
    return found


def installed(name: str) -> str | None:
    """The version that is there now."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
