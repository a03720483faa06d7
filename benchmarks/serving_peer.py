"""A peer as guides show it: FastAPI, a joblib file, a pandas frame of features. It gives no reasons.

Started by ``benchmarks.serving`` with the folder of its files in ``PEER_FOLDER``.
"""

import os
from pathlib import Path

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

FOLDER = Path(os.environ.get("PEER_FOLDER", "."))


class Request(BaseModel):
    """The customers to score."""

    customer_ids: list[str]
    reasons: bool = False


def make_app() -> FastAPI:
    """The application."""
    app = FastAPI()
    model = joblib.load(FOLDER / "model.joblib")
    features = pd.read_parquet(FOLDER / "features.parquet").set_index("customer_id")

    @app.post("/v1/scores")
    def scores(request: Request) -> dict[str, list[dict[str, object]]]:
        rows = features.reindex(request.customer_ids)
        probabilities = model.predict_proba(rows)[:, 1]
        pairs = zip(request.customer_ids, probabilities, strict=True)
        return {"scores": [{"customer_id": name, "churn_probability": float(value)} for name, value in pairs]}

    return app
