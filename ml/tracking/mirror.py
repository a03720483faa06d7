"""The home's models, mirrored to MLflow: each a finished run and a registered version, two with an alias.

The home is the truth; the record follows it. Whatever is missing there is sent, whatever is there is left
alone, so that a server that was away gets the rest next time and a killed process is made up for.
"""

import json
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.common.errors import ModelError, NotReadyError
from ml.common.progress import SILENT, Progress
from ml.home.layout import Home, challenger_of, model_of, numbered
from ml.model.store import MANIFEST, read_manifest
from ml.tracking.database import damaged, make_database
from ml.tracking.entries import MANIFEST_TAG, metrics, parameters, tags
from ml.tracking.flavor import FILE as MLMODEL
from ml.tracking.flavor import mlmodel
from ml.tracking.server import RecordPlace, hushed, record_place, speaking

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"
AT_ONCE = 90
PAGE = 200
FILES = "model"


def record(home: Home, *, tracking: str | None = None, progress: Progress = SILENT) -> dict[str, Any]:
    """Bring the record in line with the home; a record that cannot be written is a note, never an error.

    Parameters
    ----------
    home : Home
        Held for writing.
    tracking : str, optional
        Address of a tracking server; else ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in the home.

    Returns
    -------
    dict
        ``tracking`` (the address, without a password), ``name`` (of experiment and registered model),
        ``sent`` (models sent now), ``versions`` (model to registered version), ``aliases`` (champion and
        challenger to model, None for none) and ``error`` (None, or why nothing more could be written).
    """
    place = record_place(home, tracking)
    said: dict[str, Any] = {"tracking": place.shown, "name": place.name, "sent": [], "versions": {}}
    said |= {"aliases": present_models(home), "error": None}
    with hushed():
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            make_ready(place)
            with speaking(place) as client:
                said |= mirror(client, place, home, progress)
        except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ValueError) as error:
            said["error"] = reason(error)
            progress.say(
                f"note: the record at {place.shown} could not be written ({said['error']}); nothing else is "
                "lost, and the next 'churn train' makes up for it"
            )
    return said


def make_ready(place: RecordPlace) -> None:
    """The database, whole, where the address is that of a file."""
    if place.file is None:
        return
    if damaged(place.file):
        raise ValueError(f"{place.file} is no database: move it away")
    make_database(place.file)


def mirror(client: "MlflowClient", place: RecordPlace, home: Home, progress: Progress) -> dict[str, Any]:
    """Send what the record lacks, then set the aliases."""
    experiment = experiment_of(client, place)
    recorded = recorded_versions(client, place)
    versions, sent = {}, []
    for folder in numbered(home.models, "model"):
        try:
            if (manifest_hash := hash_of(folder)) not in recorded:
                recorded[manifest_hash] = send(client, place, experiment, folder, read_manifest(folder))
                sent.append(folder.name)
        except ModelError as error:
            progress.say(f"note: {folder.name} is not recorded: {error}")
            continue
        versions[folder.name] = recorded[manifest_hash]
    return {"sent": sent, "versions": versions, "aliases": set_aliases(client, place, home, versions)}


def experiment_of(client: "MlflowClient", place: RecordPlace) -> str:
    """The experiment, made when it is not there."""
    found = client.get_experiment_by_name(place.name)
    return found.experiment_id if found else client.create_experiment(place.name, place.artifacts)


def recorded_versions(client: "MlflowClient", place: RecordPlace) -> dict[str, str]:
    """Card hash to registered version, of every model that was recorded whole."""
    if not client.search_registered_models(f"name = '{place.name}'"):
        client.create_registered_model(place.name)
        return {}
    return {each.tags[MANIFEST_TAG]: str(each.version) for each in all_versions(client, place)}


def all_versions(client: "MlflowClient", place: RecordPlace) -> "list[ModelVersion]":
    """Every registered version that a home sent."""
    found: list[ModelVersion] = []
    token = None
    while True:
        page = client.search_model_versions(f"name = '{place.name}'", max_results=PAGE, page_token=token)
        found += [each for each in page if MANIFEST_TAG in each.tags]
        if not (token := page.token):
            return found


def hash_of(folder: Path) -> str:
    """What a model's manifest says its own hash is; checked only when the model is sent."""
    try:
        return str(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["card"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / MANIFEST} cannot be read") from error


def send(
    client: "MlflowClient", place: RecordPlace, experiment: str, folder: Path, manifest: Mapping[str, Any]
) -> str:
    """One model as a run with its files, and as a version, which comes last: then it is whole."""
    found = tags(manifest, folder.name)
    run = unfinished_run(client, experiment, manifest) or client.create_run(
        experiment, start_time=saved_at(folder), run_name=folder.name, tags=found
    )
    log_numbers(client, run, manifest)
    log_dataset(client, run, manifest)
    client.log_artifacts(run.info.run_id, str(folder), FILES)
    client.log_text(run.info.run_id, mlmodel(run.info.run_id), f"{FILES}/{MLMODEL}")
    client.set_terminated(run.info.run_id, end_time=saved_at(folder))
    source = f"{run.info.artifact_uri}/{FILES}"
    made = client.create_model_version(
        place.name,
        source,
        run.info.run_id,
        tags=found,
        description=description(manifest),
        await_creation_for=0,
    )
    return str(made.version)


def saved_at(folder: Path) -> int:
    """When training ended, in milliseconds."""
    return int((folder / MANIFEST).stat().st_mtime * 1000)


def description(manifest: Mapping[str, Any]) -> str:
    """One line for people who browse the registry."""
    why = (manifest.get("promotion") or {}).get("why")
    return f"{manifest['kind']} on {manifest.get('build_id')}" + (f"; {why}" if why else "")


def unfinished_run(client: "MlflowClient", experiment: str, manifest: Mapping[str, Any]) -> "Run | None":
    """The run of this model that an interrupted training left, to be filled up."""
    found = client.search_runs([experiment], f"tags.`{MANIFEST_TAG}` = '{manifest['card']}'", max_results=1)
    return found[0] if found else None


def log_numbers(client: "MlflowClient", run: "Run", manifest: Mapping[str, Any]) -> None:
    """Parameters and metrics, a bounded number in each request; again they change nothing."""
    from mlflow.entities import Metric, Param

    asked = [Param(name, value) for name, value in parameters(manifest).items()]
    when = run.info.start_time
    measured = [Metric(name, value, when, 0) for name, value in metrics(manifest).items()]
    for start in range(0, max(len(asked), len(measured)), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        client.log_batch(run.info.run_id, metrics=measured[part], params=asked[part])


def log_dataset(client: "MlflowClient", run: "Run", manifest: Mapping[str, Any]) -> None:
    """Which rows it learned from and was judged on."""
    from mlflow.entities import Dataset, DatasetInput

    if "dataset" not in manifest:
        return
    source = json.dumps({"build": manifest["build_id"], "data_clock": manifest["data_clock"]})
    profile = json.dumps({name: facts["rows"] for name, facts in manifest["parts"].items()})
    dataset = Dataset(
        str(manifest["build_id"]), manifest["dataset"][:32], "tidemark", source, profile=profile
    )
    client.log_inputs(run.info.run_id, [DatasetInput(dataset)])


def set_aliases(
    client: "MlflowClient", place: RecordPlace, home: Home, versions: Mapping[str, str]
) -> dict[str, str | None]:
    """Let the aliases say which models go with the current build."""
    wanted = present_models(home)
    present = client.get_registered_model(place.name).aliases
    for alias, model in wanted.items():
        version = versions.get(model or "")
        if version and str(present.get(alias)) != version:
            client.set_registered_model_alias(place.name, alias, version)
        if not version and alias in present:
            client.delete_registered_model_alias(place.name, alias)
    return wanted


def present_models(home: Home) -> dict[str, str | None]:
    """The champion and the challenger of the current build."""
    try:
        build = home.current_build()
        champion = model_of(build).name
    except NotReadyError:
        return {CHAMPION: None, CHALLENGER: None}
    challenger = challenger_of(build)
    return {CHAMPION: champion, CHALLENGER: challenger.name if challenger else None}


def reason(error: Exception) -> str:
    """Why it failed, in a few words."""
    text = str(error)
    if found := re.search(r"\[Errno -?\d+\] ([^'\")\]]+)", text):
        return found[1].strip()
    if "timed out" in text:
        return "no answer in time"
    return next(iter(text.splitlines()), type(error).__name__)[:200]
