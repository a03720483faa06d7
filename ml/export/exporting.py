"""``churn export``: the champion as files, compared with the product's own scores before they are written."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml.common.errors import ModelError, NotReadyError, UsageError
from ml.common.progress import SILENT, Progress
from ml.common.sampling import evenly_spaced
from ml.config.problem import REGRESSION, Problem
from ml.features.label_models import every_label
from ml.featurestore.catalog import TEXT, Catalog, read_catalog
from ml.featurestore.formulas import AS_OF, INSTANT
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.model.fitted_model import FittedModel
from ml.model.inputs import FLAG, NUMBER, UNKNOWN_TEXT, column_values
from ml.warehouse.current_model import champion_of, check_same_features

if TYPE_CHECKING:
    from ml.export.forms import Form

ONNX, TREELITE = "onnx", "treelite"
FORMATS = (ONNX, TREELITE)
MANIFEST = "manifest.json"
ROWS = 10_000  # labelled rows whose scores are compared
LARGEST_DIFFERENCE = (
    1e-6  # of probabilities, or of the largest amount; XGBoost's own scores are single precision
)


@dataclass(frozen=True)
class Exported:
    """What was written: files by name, and how far its scores are from the product's."""

    folder: Path
    files: list[str]
    model_version: str
    rows: int
    largest_difference: float


def export(
    format: str,
    out: str | Path,
    *,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
    progress: Progress = SILENT,
) -> Exported:
    """Write the champion with its on-demand formulas and a manifest, for programs without this package.

    Parameters
    ----------
    format : str
        ``onnx``: ``model.onnx``, from stored features to the score. ``treelite``: ``trees.treelite``, and
        ``prepare.onnx`` from stored features to the columns that the trees read.
    out : path
        A folder that does not exist yet, or is empty.

    Raises
    ------
    UsageError
        The folder has files already, or the format is unknown.
    NotReadyError
        The packages of the extra ``export`` are not installed, or there is no model yet.
    ModelError
        The kind of model has no such form, or the scores of the files differ from the product's.
    """
    if format not in FORMATS:
        raise UsageError(f"there is no format {format}: take {' or '.join(FORMATS)}")
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already: name a folder that is new or empty")
    try:
        from ml.export import forms
    except ModuleNotFoundError as error:
        raise NotReadyError(
            f"{error.name} is not installed: pip install 'tidemark[export]' and run 'churn export' again"
        ) from error
    home = Home.at(home)
    problem = problem_for(home, problem, progress)
    with home.reading() as build, TemporaryDirectory(prefix="tidemark-") as temporary:
        scratch = Path(temporary) / "files"
        scratch.mkdir()
        model, catalog = champion_of(build, problem, progress), read_catalog(build)
        check_same_features(model, catalog, build)
        if model.background is not None:
            raise ModelError(f"{model.kind} is an estimator of your own: only shipped kinds can be exported")
        form = forms.write(format, model, catalog, scratch)
        rows = compared_rows(build, problem)
        difference = largest_difference(model, form, build, rows)
        if not difference <= LARGEST_DIFFERENCE:
            raise ModelError(
                f"the exported files give other scores than {model.version}, by up to {difference:.2g}: "
                "nothing was written; please report it with the kind of model"
            )
        facts = manifest(format, model, catalog, form, build.name, len(rows), difference)
        for name in form.files:
            facts["files"][name] = hashlib.sha256((scratch / name).read_bytes()).hexdigest()
        (scratch / MANIFEST).write_text(
            json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        publish(scratch, folder)
    return Exported(folder, [*form.files, MANIFEST], model.version, len(rows), difference)


def publish(scratch: Path, folder: Path) -> None:
    """The whole folder, or nothing."""
    beside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(scratch, beside)
    if folder.exists():
        folder.rmdir()
    beside.rename(folder)


def compared_rows(build: Path, problem: Problem) -> pa.Table:
    """At most 10,000 labelled rows, spread over all cut-offs."""
    rows = every_label(build, problem).select(["customer_id", "event_timestamp"])
    return rows.take(pa.array(evenly_spaced(len(rows), ROWS)))


def largest_difference(model: FittedModel, form: "Form", build: Path, rows: pa.Table) -> float:
    """The largest distance of the files' scores from the model's, as a share of amounts above 1."""
    names = {*form.inputs, *(each.name for each in model.inputs)} - {AS_OF}
    features = point_in_time(build, rows, features=sorted(names))
    exported = form.scores(feeds(features, read_catalog(build), form.inputs))
    expected = model.prediction(model.frame(features))
    return float(np.abs(expected - exported).max() / max(1.0, float(np.abs(expected).max())))


def feeds(table: pa.Table, catalog: Catalog, inputs: list[str]) -> dict[str, Any]:
    """The inputs of the exported graph, shape (rows, 1) each, from a table of stored features."""
    kinds = {feature.name: feature.kind for feature in catalog.stored} | {AS_OF: INSTANT}
    columns = {}
    for name in inputs:
        column = table.column("event_timestamp" if name == AS_OF else name)
        if kinds[name] == INSTANT:
            micros = column.cast(pa.timestamp("us")).cast(pa.int64())
            columns[name] = micros.fill_null(np.iinfo(np.int64).min).to_numpy()[:, None]
        elif kinds[name] == TEXT:
            columns[name] = np.asarray(column.fill_null(UNKNOWN_TEXT).to_pylist(), dtype=object)[:, None]
        else:
            kind = FLAG if pa.types.is_boolean(column.type) else NUMBER
            columns[name] = column_values(column, name, kind)[:, None]
    return columns


def manifest(
    format: str,
    model: FittedModel,
    catalog: Catalog,
    form: "Form",
    build_id: str,
    rows: int,
    difference: float,
) -> dict[str, Any]:
    """What a program must know to use the files."""
    stored = {feature.name: feature for feature in catalog.stored}
    nulls = {INSTANT: "-9223372036854775808", TEXT: UNKNOWN_TEXT}
    types = {INSTANT: "int64, microseconds since 1970-01-01 UTC", TEXT: "string"}

    def described(name: str) -> Mapping[str, Any]:
        kind = INSTANT if name == AS_OF else stored[name].kind
        of_name = "the instant of the score" if name == AS_OF else " ".join(stored[name].description.split())
        return {
            "name": name,
            "type": types.get(kind, "double"),
            "null": nulls.get(kind, "NaN"),
            "meaning": of_name,
        }

    facts: dict[str, Any] = {
        "format": format,
        "model_version": model.version,
        "build_id": build_id,
        "kind": model.kind,
        "label": {
            name: getattr(model.problem, name) for name in ("label", "horizon_days", "active_within_days")
        },
        "inputs": [described(name) for name in form.inputs],
        "on_demand": {name: text for name, text in catalog.formulas.items() if name in form.computed},
        "outputs": form.outputs,
        "compared": {"rows": rows, "largest_difference": difference},
        "files": {},
    }
    if model.problem.task != REGRESSION:
        facts["threshold"] = model.own_facts()["threshold"]
        facts["bands"] = {"medium": model.problem.bands.medium, "high": model.problem.bands.high}
    return facts | form.facts
