"""The same features from both stores of Feast."""

from datetime import datetime
from pathlib import Path

import pandas as pd

from ml.featurestore.online.read import OnlineReader
from ml.featurestore.repository import open_store


def offline(home: Path, customers: list[str], at: datetime) -> list[dict]:
    """Rows of ``get_historical_features``."""
    store = open_store(home)
    rows = pd.DataFrame({"customer_id": customers, "event_timestamp": pd.to_datetime([at] * len(customers))})
    table = store.get_historical_features(rows, store.get_feature_service("churn")).to_arrow()
    return table.drop_columns(["event_timestamp"]).to_pylist()


def online(home: Path, customers: list[str], at: datetime) -> list[dict]:
    """Rows of ``get_online_features``."""
    return OnlineReader(home).features(customers, at)
