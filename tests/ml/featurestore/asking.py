"""The same question to both sides of Feast."""

from datetime import datetime
from pathlib import Path

import pandas as pd

from ml.featurestore.online.read import OnlineReader
from ml.featurestore.repository import open_store


def offline(home: Path, customers: list[str], asked_at: datetime) -> list[dict]:
    """What ``get_historical_features`` says."""
    store = open_store(home)
    rows = pd.DataFrame(
        {"customer_id": customers, "event_timestamp": pd.to_datetime([asked_at] * len(customers))}
    )
    table = store.get_historical_features(rows, store.get_feature_service("churn")).to_arrow()
    return table.drop_columns(["event_timestamp"]).to_pylist()


def online(home: Path, customers: list[str], asked_at: datetime) -> list[dict]:
    """What ``get_online_features`` says."""
    return OnlineReader(home).features(customers, asked_at)
