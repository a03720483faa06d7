"""The home's models in MLflow: each is a finished run and a registered version, two have an alias.

The home decides. Models that the server lacks are sent, others are left alone; so the next training completes
what a server that was away or a killed process missed.
"""

import json
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.common.errors import ModelError, NotReadyError
from ml.common.progress import SILENT, Progress
from ml.config.problem import DEFAULT_NAME
from ml.home.layout import Home, challenger_of, model_of, numbered, problems_with_model
from ml.model.model_files import MANIFEST, read_manifest
from ml.tracking.database import is_damaged, make_database
from ml.tracking.flavor import FILE as MLMODEL
from ml.tracking.flavor import mlmodel
from ml.tracking.manifest_entries import MANIFEST_TAG, metrics, parameters, tags
from ml.tracking.server import TrackingServer, open_client, quiet_mlflow, tracking_server

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"
AT_ONCE = 90  # parameters and metrics of one request; MLflow accepts 100 parameters
PAGE = 200  # versions of one request
FILES = "model"


def track_models(home: Home, *, tracking: str | None = None, progress: Progress = SILENT) -> dict[str, Any]:
    """Send the home's models to the tracking server; a server that cannot be written is a note, no error.

    Parameters
    ----------
    home : Home
        With its write lock held.
    tracking : str, optional
        Address of a tracking server; else ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in the home.

    Returns
    -------
    dict
        ``tracking`` (the address, without a password), ``name`` (of experiment and registered model),
        ``sent`` (models sent now), ``versions`` (model to registered version), ``aliases`` (champion and
        challenger, of another problem champion-NAME and challenger-NAME, to model, None for none) and
        ``error`` (None, or why nothing more could be written).
    """
    server = tracking_server(home, tracking)
    result: dict[str, Any] = {"tracking": server.display_url, "name": server.name, "sent": [], "versions": {}}
    result |= {"aliases": present_models(home), "error": None}
    with quiet_mlflow():
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            prepare_database(server)
            with open_client(server) as client:
                result |= send_missing(client, server, home, progress)
        except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ValueError) as error:
            result["error"] = reason(error)
            progress.say(
                f"note: the record at {server.display_url} could not be written ({result['error']}); nothing "
                "else is lost, and the next 'churn train' makes up for it"
            )
    return result


def prepare_database(server: TrackingServer) -> None:
    """Make the database where the address is that of a file."""
    if server.file is None:
        return
    if is_damaged(server.file):
        raise ValueError(f"{server.file} is no database: move it away")
    make_database(server.file)


def send_missing(
    client: "MlflowClient", server: TrackingServer, home: Home, progress: Progress
) -> dict[str, Any]:
    """Send the models that the server lacks, then set the aliases."""
    experiment = experiment_of(client, server)
    registered = registered_versions(client, server)
    versions, sent = {}, []
    for folder in numbered(home.models, "model"):
        try:
            if (manifest_hash := hash_of(folder)) not in registered:
                registered[manifest_hash] = send(client, server, experiment, folder, read_manifest(folder))
                sent.append(folder.name)
        except ModelError as error:
            progress.say(f"note: {folder.name} is not recorded: {error}")
            continue
        versions[folder.name] = registered[manifest_hash]
    return {"sent": sent, "versions": versions, "aliases": set_aliases(client, server, home, versions)}


def experiment_of(client: "MlflowClient", server: TrackingServer) -> str:
    """The experiment, made if it is missing."""
    experiment = client.get_experiment_by_name(server.name)
    return experiment.experiment_id if experiment else client.create_experiment(server.name, server.artifacts)


def registered_versions(client: "MlflowClient", server: TrackingServer) -> dict[str, str]:
    """Manifest hash to registered version, of every model that was sent completely."""
    if not client.search_registered_models(f"name = '{server.name}'"):
        client.create_registered_model(server.name)
        return {}
    versions: dict[str, str] = {}
    token = None
    while True:
        page = client.search_model_versions(f"name = '{server.name}'", max_results=PAGE, page_token=token)
        versions |= {
            version.tags[MANIFEST_TAG]: str(version.version)
            for version in page
            if MANIFEST_TAG in version.tags  # others were not sent by a home
        }
        if not (token := page.token):
            return versions


def hash_of(folder: Path) -> str:
    """The hash in a model's manifest; it is checked only when the model is sent."""
    try:
        return str(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["card"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / MANIFEST} cannot be read") from error


def send(
    client: "MlflowClient", server: TrackingServer, experiment: str, folder: Path, manifest: Mapping[str, Any]
) -> str:
    """One model as a run with its files, then as a registered version, with which all is sent."""
    model_tags = tags(manifest, folder.name)
    run = unfinished_run(client, experiment, manifest) or client.create_run(
        experiment, start_time=saved_at(folder), run_name=folder.name, tags=model_tags
    )
    log_numbers(client, run, manifest)
    log_dataset(client, run, manifest)
    client.log_artifacts(run.info.run_id, str(folder), FILES)
    client.log_text(run.info.run_id, mlmodel(run.info.run_id), f"{FILES}/{MLMODEL}")
    client.set_terminated(run.info.run_id, end_time=saved_at(folder))
    source = f"{run.info.artifact_uri}/{FILES}"
    version = client.create_model_version(
        server.name,
        source,
        run.info.run_id,
        tags=model_tags,
        description=description(manifest),
        await_creation_for=0,
    )
    return str(version.version)


def saved_at(folder: Path) -> int:
    """When training ended, in milliseconds."""
    return int((folder / MANIFEST).stat().st_mtime * 1000)


def description(manifest: Mapping[str, Any]) -> str:
    why = (manifest.get("promotion") or {}).get("why")
    return f"{manifest['kind']} on {manifest.get('build_id')}" + (f"; {why}" if why else "")


def unfinished_run(client: "MlflowClient", experiment: str, manifest: Mapping[str, Any]) -> "Run | None":
    """The run of this model that an interrupted training left, to be completed."""
    runs = client.search_runs([experiment], f"tags.`{MANIFEST_TAG}` = '{manifest['card']}'", max_results=1)
    return runs[0] if runs else None


def log_numbers(client: "MlflowClient", run: "Run", manifest: Mapping[str, Any]) -> None:
    """Parameters and metrics, a bounded number in each request; sent again they change nothing."""
    from mlflow.entities import Metric, Param

    params = [Param(name, value) for name, value in parameters(manifest).items()]
    start_time = run.info.start_time
    values = [Metric(name, value, start_time, 0) for name, value in metrics(manifest).items()]
    for start in range(0, max(len(params), len(values)), AT_ONCE):
        batch = slice(start, start + AT_ONCE)
        client.log_batch(run.info.run_id, metrics=values[batch], params=params[batch])


def log_dataset(client: "MlflowClient", run: "Run", manifest: Mapping[str, Any]) -> None:
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
    client: "MlflowClient", server: TrackingServer, home: Home, versions: Mapping[str, str]
) -> dict[str, str | None]:
    """Set the aliases to the models of the current build."""
    models = present_models(home)
    aliases = client.get_registered_model(server.name).aliases
    for alias, model in models.items():
        version = versions.get(model or "")
        if version and str(aliases.get(alias)) != version:
            client.set_registered_model_alias(server.name, alias, version)
        if not version and alias in aliases:
            client.delete_registered_model_alias(server.name, alias)
    return models


def present_models(home: Home) -> dict[str, str | None]:
    """The champion and the challenger of the current build; those of another problem end in its name."""
    models: dict[str, str | None] = {CHAMPION: None, CHALLENGER: None}
    try:
        build = home.current_build()
    except NotReadyError:
        return models
    for problem in problems_with_model(build):
        ending = "" if problem == DEFAULT_NAME else f"-{problem}"
        challenger = challenger_of(build, problem)
        models[CHAMPION + ending] = model_of(build, problem).name
        models[CHALLENGER + ending] = challenger.name if challenger else None
    return models


def reason(error: Exception) -> str:
    """The error in a few words."""
    text = str(error)
    if match := re.search(r"\[Errno -?\d+\] ([^'\")\]]+)", text):
        return match[1].strip()
    if "timed out" in text:
        return "no answer in time"
    return next(iter(text.splitlines()), type(error).__name__)[:200]
