"""A home with three published builds of other values, two models, and what is online; for going back."""

import json
from datetime import datetime
from pathlib import Path

from ml.featurestore.catalog import read_catalog
from ml.home.layout import Home, set_model
from ml.home.publication import publish_build
from ml.warehouse.materialize import materialize
from tests.ml.featurestore.small_build import ORDER_ROWS, ORDERS, PROFILE, PROFILE_ROWS, fill_build

CLOCK = datetime(2024, 3, 1, 10, 11, 12, 987654)
EARLIER = datetime(2024, 3, 1, 10, 11, 12, 500000)
EVERYBODY = ["ann", "nil", "old"]
QUICK = {"name": "quick", "formula": "orders_7d / orders_30d", "description": "The share of the last week."}
WIDER = ORDERS | {
    "columns": ORDERS["columns"] | {"orders_7d": "BIGINT"},
    "on_demand": [*ORDERS["on_demand"], QUICK],
}


def publish_next(home: Home, change: int, *, wider: bool = False, keep: int = 9, **manifest) -> Path:
    """Publish a build in which every count is larger by ``change``; a wider one has two more features."""
    kept = [build.name for build in home.published_builds()]
    folder = home.builds / f"build-{len(kept) + 1:06d}"
    rows = [(*row[:2], row[2] + change, *row[3:], *([row[2]] if wider else [])) for row in ORDER_ROWS]
    replaces = home.current_build().name if kept else None
    known = {"load_id": f"load-{len(kept) + 1:06d}", "replaces": replaces, "lineage": kept}
    models = [(WIDER if wider else ORDERS, rows), (PROFILE, PROFILE_ROWS)]
    fill_build(folder, models, **(known | manifest))
    publish_build(home, folder, keep)
    return folder


def train_next(home: Home) -> None:
    """A model for the features of the current build, as far as going back looks at it."""
    build = home.current_build()
    folder = home.models / f"model-{len(list(home.models.glob('model-*'))) + 1:06d}"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps({"service_hash": read_catalog(build).hash()}))
    set_model(build, folder)


def make_three(home: Home) -> None:
    """Builds 1 to 3, models 1 and 2 trained on builds 1 and 3, every build online in its turn."""
    publish_next(home, 10)
    train_next(home)
    materialize(home=home)
    publish_next(home, 20)
    materialize(home=home, as_of=EARLIER)
    publish_next(home, 30)
    train_next(home)
    materialize(home=home)
