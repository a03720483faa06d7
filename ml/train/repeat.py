"""Repeat: train a model once more as its manifest says, and compare the evidence to the last bit.

The second training uses the same rows, problem and seed, and a search that starts empty; its model is not
stored. The result names each difference, and the libraries and code that changed since.
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
from ml.config.problem import from_values
from ml.features.own_labels import labels_of_model
from ml.home.layout import Home, numbered
from ml.home.read_leases import lease
from ml.model.model_files import TEST, manifest_of, read_manifest
from ml.model.own import REGISTERED
from ml.tracking.code_version import code_version
from ml.train.test_part import test_table
from ml.train.training import run_training

# Time taken depends on the machine, and the test-set log on how often it was read.
NOT_OF_THE_RUN = ("milliseconds", "seconds", "cut_short", "looks")
NOT_COMPARED = ("model_version", "promotion", "code", "versions", "files", "card", "record", "types")


def repeat(
    model: str, *, home: "str | Path | Home | None" = None, progress: Progress = SILENT
) -> dict[str, Any]:
    """Train ``model`` once more from its manifest and compare.

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
        The build it was trained on has been removed.
    """
    home = Home.at(home)
    folder = folder_of(home, model)
    manifest = read_manifest(folder)
    if manifest["kind"] == REGISTERED:
        raise UsageError(f"{model} was registered, not trained here: there is no training to repeat")
    with lease_build(home, manifest) as build, tempfile.TemporaryDirectory() as scratch:
        with progress.bar("reading rows", 3) as bar:
            own = labels_of_model(folder, manifest)
            problem = replace(from_values(manifest["problem"]), seed=manifest["seed"])
            training = run_training(build, problem, Path(scratch), bar, trials_of(manifest), own)
        probabilities = training.test_predictions()
        evidence = training.judge(probabilities)
        facts = manifest_of(training.final()) | {"champion": training.model.kind, "test": evidence}
        again = json.loads(json.dumps(facts))  # lists for tuples, strings for keys, as in the manifest
        rows = test_table(training.parts.test, probabilities)
    recorded = {name: value for name, value in manifest.items() if name not in NOT_COMPARED}
    values = list(differences(recorded, {name: again.get(name) for name in recorded}))
    cells = list(differing_columns(pq.read_table(folder / TEST), rows))
    return {
        "model_version": model,
        "build_id": manifest["build_id"],
        "seed": manifest["seed"],
        "same": not values and not cells,
        "compared": {
            "values": count_values(recorded),
            "probabilities": rows.num_rows
            * (rows.num_columns - 3),  # three columns are the row's key and label
        },
        "differences": cells + values,
        "changed": changed_versions(manifest),
    }


def folder_of(home: Home, model: str) -> Path:
    folders = {folder.name: folder for folder in numbered(home.models, "model")}
    if model not in folders:
        models = ", ".join(folders) or "none has been trained yet"
        raise UsageError(f"there is no model {model} to repeat: {models}")
    return folders[model]


@contextmanager
def lease_build(home: Home, manifest: Mapping[str, Any]) -> Iterator[Path]:
    """The build that the model was trained on, which is not removed until the end."""
    for build in home.published_builds():
        if build.name == manifest["build_id"]:
            with lease(build) as leased:
                if leased:
                    yield build
                    return
    raise NotReadyError(
        f"{manifest['build_id']}, which {manifest['model_version']} was trained on, is no longer kept: "
        "'churn builds' lists those that are; CHURN_KEEP_BUILDS keeps more of them"
    )


def trials_of(manifest: Mapping[str, Any]) -> dict[str, int]:
    """How many settings of each candidate were tried, whatever the time allowed."""
    return {search["candidate"]: search["trials"] for search in manifest.get("tuning", [])}


def differences(recorded: Any, now: Any, where: str = "") -> Iterator[str]:
    if isinstance(recorded, Mapping) and isinstance(now, Mapping):
        for name in [*recorded, *(name for name in now if name not in recorded)]:
            if name not in NOT_OF_THE_RUN:
                yield from differences(recorded.get(name), now.get(name), f"{where}.{name}".lstrip("."))
    elif isinstance(recorded, list) and isinstance(now, list) and len(recorded) == len(now):
        for index, pair in enumerate(zip(recorded, now, strict=True)):
            yield from differences(*pair, f"{where}[{index}]")
    elif recorded != now:
        yield f"{where} was {json.dumps(recorded)}, is {json.dumps(now)}"


def count_values(values: Any) -> int:
    """How many single values ``differences`` compares."""
    if isinstance(values, Mapping):
        return sum(count_values(value) for name, value in values.items() if name not in NOT_OF_THE_RUN)
    return sum(map(count_values, values)) if isinstance(values, list) else 1


def differing_columns(recorded: pa.Table, now: pa.Table) -> Iterator[str]:
    if recorded.column_names != now.column_names or len(recorded) != len(now):
        yield (
            f"the test part has {len(now):,} rows and columns {', '.join(now.column_names)}; it had "
            f"{len(recorded):,} and {', '.join(recorded.column_names)}"
        )
        return
    for name in now.column_names:
        if not recorded.column(name).equals(now.column(name).cast(recorded.column(name).type)):
            yield f"{name}: {column_difference(recorded.column(name), now.column(name))}"


def column_difference(recorded: pa.ChunkedArray, now: pa.ChunkedArray) -> str:
    before, after = recorded.to_numpy(), now.to_numpy()
    sentence = f"{int(np.sum(before != after)):,} of {len(after):,} test rows differ"
    if not np.issubdtype(after.dtype, np.floating):
        return sentence
    return f"{sentence}, by {np.max(np.abs(before - after)):.3g} at most"


def changed_versions(manifest: Mapping[str, Any]) -> dict[str, list[str | None]]:
    """Libraries and code that differ: the version recorded, and the present one."""
    changes: dict[str, list[str | None]] = {}
    for name, old in manifest.get("versions", {}).items():
        try:
            new = version(name) if name != "python" else old
        except PackageNotFoundError:
            new = None
        if new != old:
            changes[name] = [old, new]
    code, now = manifest.get("code") or {}, code_version()
    if code.get("source") not in (None, now["source"]):
        changes["code"] = [f"source {code['source'][:12]}", f"source {str(now['source'])[:12]}"]
    return changes
