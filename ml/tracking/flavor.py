"""Tracked models for other tools: ``mlflow.pyfunc.load_model("models:/churn@champion").predict(features)``.

The file ``MLmodel`` names this module as the loader. There is no pickle, and every file's hash is checked as
for a model in the home. Tidemark must be installed where the model is loaded.
"""

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    import pandas as pd

    from ml.model.fitted_model import FittedModel

FILE = "MLmodel"


def mlmodel(run_id: str) -> str:
    """The text of ``MLmodel``."""
    loader = {"loader_module": "ml.tracking.flavor", "python_version": platform.python_version()}
    return yaml.safe_dump(
        {"artifact_path": "model", "flavors": {"python_function": loader}, "run_id": run_id}
    )


class Scorer:
    """A model with the method that MLflow calls.

    Parameters
    ----------
    model : FittedModel
    """

    def __init__(self, model: "FittedModel") -> None:
        self.model = model

    def predict(self, features: "pd.DataFrame", params: dict[str, Any] | None = None) -> "pd.DataFrame":
        """The columns of a score for each row of features from ``churn features``."""
        import pandas as pd
        import pyarrow as pa

        table = pa.Table.from_pandas(features, preserve_index=False)
        return pd.DataFrame(dict(self.model.scores(self.model.frame(table))), index=features.index)


def _load_pyfunc(path: str) -> Scorer:
    """Called by MLflow with the folder of the files."""
    from ml.model.model_files import read_model

    return Scorer(read_model(Path(path)))
