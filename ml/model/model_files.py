"""The files of a model: no pickle anywhere, every file's hash in ``model.json``, checked on load.

models/model-000001/model.json        the manifest: kind, inputs, evidence, hashes of the files
                    pipeline.skops    the scikit-learn steps (without a booster of another library)
                    booster.json      XGBoost's own format, for its champion
                    booster.txt       LightGBM's own format, for its champion
                    background.parquet  rows that the reasons of the user's own estimator are measured against
                    test.parquet      every candidate's probabilities on the test part
                    judged/           the same recipe as it was judged, before it learned from the test part
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import skops.io
from lightgbm.basic import LightGBMError
from sklearn.pipeline import Pipeline
from skops.io.exceptions import UntrustedTypesFoundException

from ml.common.durable_files import sha256
from ml.common.errors import ModelError
from ml.config.problem import REGRESSION, from_values
from ml.model.boosters import BOOSTERS
from ml.model.calibration import Calibration
from ml.model.churn_model import ChurnModel
from ml.model.fitted_model import FittedModel
from ml.model.inputs import Input
from ml.model.own import find_modules_in, own_types
from ml.model.value_model import PredictionIntervals, ValueModel

MANIFEST, PIPELINE, TEST = "model.json", "pipeline.skops", "test.parquet"
BACKGROUND, JUDGED = "background.parquet", "judged"
TRUSTED_TYPES = (
    "ml.model.activity.Activity",
    "ml.model.estimators.RecencyRule",
    "ml.model.estimators.RowwiseLogistic",
    "ml.model.estimators.TameSkew",
    "ml.model.own.TrainingFrame",
    "ml.model.pace.Pace",
    "ml.model.preparation.SinglePrecision",
    "ml.model.repeat_purchase.RepeatPurchase",
    "ml.model.value_estimators.ExpectedSpend",
    "ml.model.value_estimators.RowwiseRidge",
    "ml.model.value_estimators.RowwiseTweedie",
    "numpy.dtype",
    # The splitter of a TargetEncoder: three plain values, no code. An integer would shuffle without a seed.
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
)
# Raised by the libraries on a file that they did not write.
READ_ERRORS = (BadZipFile, LookupError, ValueError, TypeError, AttributeError, ImportError, LightGBMError)
TREE = "sklearn.tree._tree.Tree"
TYPES_OF_KIND = {
    "decision_tree": (TREE,),
    "random_forest": (TREE,),
    "hist_gradient_boosting": ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",),
}


def write_model(model: FittedModel, folder: Path) -> None:
    """Write ``model`` into ``folder``; its manifest has the hashes of all files there."""
    steps = model.pipeline.steps
    if booster := BOOSTERS.get(model.kind):
        booster.write(model.pipeline.named_steps["model"], folder / booster.file)
        steps = steps[:-1]
    skops.io.dump(Pipeline(steps), folder / PIPELINE)
    own = {}
    if model.background is not None:
        model.background.to_parquet(folder / BACKGROUND, index=False)
        untrusted = set(skops.io.get_untrusted_types(file=folder / PIPELINE)) - set(TRUSTED_TYPES)
        own = {"types": own_types(sorted(untrusted))}
    manifest = (
        manifest_of(model) | own | {"files": {name: sha256(folder / name) for name in files_in(folder)}}
    )
    manifest["card"] = manifest_hash(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def files_in(folder: Path) -> list[str]:
    """The names of all files, those of the judged model with their folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def manifest_of(model: FittedModel) -> dict[str, Any]:
    """``model.json`` without the hashes."""
    return model.facts | {
        "kind": model.kind,
        "inputs": [asdict(feature) for feature in model.inputs],
        **model.own_facts(),
        "problem": model.problem.as_dict(),
        "prepared_means": model.prepared_means.tolist(),
    }


def read_manifest(folder: Path) -> dict[str, Any]:
    """``model.json``, if every file it names is unchanged.

    Raises
    ------
    ModelError
        A file is missing or is not the one that was written.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        hashes, own = manifest["files"], manifest["card"]
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise damaged(folder, MANIFEST) from error
    booster = BOOSTERS.get(manifest.get("kind", ""))
    if own != manifest_hash(manifest) or not {PIPELINE, *([booster.file] if booster else [])} <= set(hashes):
        raise damaged(folder, MANIFEST)
    for name, expected in hashes.items():
        path = folder / name
        if not path.is_file() or sha256(path) != expected:
            raise damaged(folder, name)
    return manifest


def read_model(folder: Path) -> FittedModel:
    """The model in ``folder``.

    Raises
    ------
    ModelError
        A file is missing or was changed, or has a type that no model may contain.
    """
    manifest = read_manifest(folder)
    try:
        problem = from_values(manifest["problem"])
        find_modules_in(problem.folder)
        is_regression = problem.task == REGRESSION
        common: dict[str, Any] = {
            "kind": manifest["kind"],
            "pipeline": read_pipeline(folder, manifest["kind"], manifest.get("types", ()), is_regression),
            "inputs": tuple(Input(**values) for values in manifest["inputs"]),
            "problem": problem,
            "prepared_means": np.array(manifest["prepared_means"]),
            "facts": manifest | {"model_version": folder.name},
            "background": pd.read_parquet(folder / BACKGROUND) if "types" in manifest else None,
        }
        if is_regression:
            intervals = PredictionIntervals(**manifest["intervals"])
            return ValueModel(intervals=intervals, lowest=manifest["lowest"], **common)
        calibration = Calibration(**manifest["calibration"])
        return ChurnModel(calibration=calibration, threshold=manifest["threshold"], **common)
    except (KeyError, TypeError) as error:
        raise damaged(folder, MANIFEST) from error


def read_judged(folder: Path) -> FittedModel:
    """The model in ``folder`` as it was judged, with the facts of the folder's ``model.json``.

    That is the model itself where it learned no more afterwards.

    Raises
    ------
    ModelError
        As of ``read_model``.
    """
    if not (folder / JUDGED).is_dir():
        return read_model(folder)
    facts = read_manifest(folder) | {"model_version": folder.name}
    return replace(read_model(folder / JUDGED), facts=facts)


def read_pipeline(
    folder: Path, kind: str, types: Sequence[str] = (), is_regression: bool = False
) -> Pipeline:
    """The pipeline, if it has trusted types and the user's own ``types`` only."""
    trusted = [*TRUSTED_TYPES, *TYPES_OF_KIND.get(kind, ()), *own_types(types)]
    try:
        pipeline = skops.io.load(folder / PIPELINE, trusted=trusted)
    except UntrustedTypesFoundException as error:
        untrusted = set(skops.io.get_untrusted_types(file=folder / PIPELINE)) - set(trusted)
        raise ModelError(
            f"{folder / PIPELINE} holds {', '.join(sorted(untrusted))}, which no model of ours does: "
            "run 'churn train' again"
        ) from error
    except READ_ERRORS as error:
        raise damaged(folder, PIPELINE) from error
    if not isinstance(pipeline, Pipeline):
        raise damaged(folder, PIPELINE)
    booster = BOOSTERS.get(kind)
    if booster is None:
        return pipeline
    try:
        return Pipeline([*pipeline.steps, ("model", booster.read(folder / booster.file, is_regression))])
    except READ_ERRORS as error:
        raise damaged(folder, booster.file) from error


def manifest_hash(manifest: dict[str, Any]) -> str:
    """The hash of ``model.json`` without this hash itself."""
    hashed = {key: value for key, value in manifest.items() if key != "card"}
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()


def damaged(folder: Path, name: str) -> ModelError:
    return ModelError(
        f"{folder / name} is not the file that training wrote: run 'churn train' again, or restore it"
    )
